"""A wheel and a source distribution of a tree, which are the same bytes wherever they are built."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.releasing.tree import NotReady

# The surroundings of two builds differ in all that is known to find its way into archives.
HERE = ("022", {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"})
ELSEWHERE = ("077", {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1"})
Surroundings = tuple[str, dict[str, str]]


class Distributions(NamedTuple):
    """The two files of a release."""

    sdist: Path
    wheel: Path


def build(
    tree: Path, out: Path, epoch: int, surroundings: Surroundings, what: Sequence[str] = ()
) -> Distributions:
    """By hatchling of this environment, so that nothing is downloaded. NotReady where it fails.

    `what`: nothing: the wheel is made of the source distribution; --sdist --wheel: each of the tree.
    """
    umask, variables = surroundings
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    build = [sys.executable, "-m", "build", "--no-isolation", *what]
    done = subprocess.run(
        ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *build, "--outdir", out, tree],
        cwd=tree.parent,
        env={**environment, **variables, "SOURCE_DATE_EPOCH": str(epoch)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotReady(f"The build failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return Distributions(sdist, wheel)
