"""The commit that is released: whether it may be, and its files apart from everything else."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from ebpftrace.errors import EbpftraceError
from scripts.releasing.changelog import UNRELEASED, released_on, said_of

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


class NotReady(EbpftraceError):
    """This cannot be released; the sentence says why, and what to do."""


class Commit(NamedTuple):
    """`epoch`: seconds since 1970 of the commit, the time of every file in what is built."""

    name: str
    epoch: int
    version: str


def ready(root: Path, *, unreleased: bool) -> Commit:
    """HEAD, if nothing stands beside it. NotReady.

    `unreleased`: what is under that heading of the changelog passes for the version's.
    """
    changed = _git(root, "status", "--porcelain").splitlines()
    if changed:
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise NotReady(
            f"{changed[0][3:]} is not committed{more}. A release is of what is: commit, or remove it."
        )
    name, epoch = _git(root, "log", "-1", "--format=%H %ct").split()
    match = _VERSION.search(_git(root, "show", f"{name}:ebpftrace/__init__.py"))
    if match is None:
        raise NotReady("ebpftrace/__init__.py does not say what version this is.")
    _check_changelog(_git(root, "show", f"{name}:CHANGELOG.md"), match[1], unreleased=unreleased)
    return Commit(name, int(epoch), match[1])


def _check_changelog(text: str, version: str, *, unreleased: bool) -> None:
    heading = UNRELEASED if unreleased else version
    if not unreleased and released_on(text, version) is None:
        raise NotReady(
            f"CHANGELOG.md has no heading '## {version} - YYYY-MM-DD' for the version of "
            "ebpftrace/__init__.py. Write it, or use --unreleased to try all without a release."
        )
    if not said_of(text, heading):
        raise NotReady(f"Nothing stands under the heading {heading} of CHANGELOG.md.")


def export(root: Path, commit: Commit, folder: Path) -> Path:
    """Exactly the files of the commit, in a new folder."""
    folder.mkdir(parents=True)
    packed = subprocess.Popen(
        ["git", "-C", root, "archive", "--format=tar", commit.name], stdout=subprocess.PIPE
    )
    with packed:
        subprocess.run(["tar", "-x", "-C", folder], stdin=packed.stdout, check=True)
    if packed.returncode:
        raise NotReady("git archive failed, as above.")
    return folder


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", root, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotReady(f"git {arguments[0]} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout
