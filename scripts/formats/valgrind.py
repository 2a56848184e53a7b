"""How the programs that Valgrind brings along are run: they print, and complain on stderr with status 0."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

BROUGHT_BY = "valgrind"
_LIMIT_S = 120.0


class Failed(Exception):
    """A tool did not read an export, or contradicts itself; the reason is a sentence."""


def version(tool: str) -> str | None:
    """None where it is not installed. Both end with status 255 after saying it."""
    if shutil.which(tool) is None:
        return None
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().removeprefix(f"{tool}-")


def output(command: Sequence[str | Path], passed_over: re.Pattern[str] | None = None) -> str:
    """What it prints. Failed if it complains, but of what is `passed_over`, or does not end well.

    It runs in /, for callgrind_annotate cuts the working directory off some names and not off others.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} has not ended after {_LIMIT_S:.0f} s") from None
    complaints = done.stderr if passed_over is None else passed_over.sub("", done.stderr)
    if done.returncode or complaints.strip():
        said = (complaints.strip().splitlines() or ["without a word"])[0]
        raise Failed(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout


def number(said: str) -> int:
    """Of `1,234`; a dot is nothing."""
    return 0 if said == "." else int(re.sub(",", "", said))
