"""One .tar.gz for a bug report, with a list of what is in it.

Command lines, environments and memory of processes stay out; their names, files and functions are
in. A part that fails becomes a line of problems.txt.
"""

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ebpftrace.doctor import observation
from ebpftrace.doctor.report import Report
from ebpftrace.errors import EbpftraceError, UsageError

_FOLDER = "ebpftrace-doctor"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle."""

    name: str
    about: str
    text: str


def check_path(path: Path) -> None:
    """UsageError where the bundle could not be written there, before anything is made."""
    if os.path.lexists(path):
        raise UsageError(
            f"--bundle {path} exists already and is left as it is; give another name, or remove it."
        )
    if not path.parent.is_dir():
        raise UsageError(f"--bundle {path} cannot be written: there is no folder {path.parent}.")


def parts(report: Report, suitable: Sequence[int]) -> list[Part]:
    """Everything that goes in; `suitable` are the processes that are attached to for 2 s."""
    made: list[Part] = []
    problems: list[str] = []

    def add(name: str, about: str, text: Callable[[], str]) -> None:
        try:
            made.append(Part(name, about, text()))
        except EbpftraceError as error:
            problems.append(f"{name}: {error}")
        except Exception as error:  # noqa: BLE001 - a bundle is made where things are broken
            problems.append(f"{name}: {type(error).__name__}: {error}")

    add("doctor.txt", "the checks", lambda: _joined(report.lines()))
    add("doctor.json", "the checks as JSON", lambda: _json(report.as_object()))
    add("versions.json", "ebpftrace, Python, kernel, BCC, clang", lambda: _json(report.versions()))
    for target in report.targets:
        if target.plan:
            name = f"plan-{target.pid}.txt"
            add(name, "where probes would go", partial(_joined, target.plan))
    if suitable and report.host_ok:
        watch = observation.Observation(suitable)
        add("picture.json", "2 s of attach: sites, functions, losses, cost", watch.picture)
        add("log.txt", "what ebpftrace logged meanwhile", watch.log)
        problems += [f"picture.json: {sentence}" for sentence in watch.warnings]
    if problems:
        made.append(Part("problems.txt", "what could not be put in", _joined(problems)))
    return made


def write(path: Path, made: Sequence[Part]) -> None:
    """Write them to a new file that only its owner may read. UsageError where that fails."""
    content = _packed(made)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise UsageError(f"--bundle {path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise UsageError(f"--bundle {path} cannot be written: {error.strerror}.") from error


def listing(path: Path, made: Sequence[Part]) -> list[str]:
    """What to tell the user before the file is sent anywhere."""
    width = max(len(part.name) for part in made)
    return [
        f"{path} holds, readable by its owner only:",
        *(f"  {part.name:<{width}}  {part.about}" for part in made),
        "Command lines, environments and memory of processes are not in it; names of programs,",
        f"files and functions are. Look before you send it: tar xzOf {path}",
    ]


def _packed(made: Sequence[Part]) -> bytes:
    out = io.BytesIO()
    now = int(time.time())
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for part in made:
            content = part.text.encode(errors="replace")
            entry = tarfile.TarInfo(f"{_FOLDER}/{part.name}")
            entry.size, entry.mtime, entry.mode = len(content), now, 0o600
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
