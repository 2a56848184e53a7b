"""What /proc says of one process besides its mappings: how it was started, limits, memory.

Owns reading and parsing these files. A process shapes its command line and environment as it likes;
what is returned is clean and bounded. Leaves when to read to `session`.
"""

import os
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple, TypeVar

from ebpftrace.bounded import within
from ebpftrace.errors import CannotAttach
from ebpftrace.kernelfiles import read_bytes, sizes
from ebpftrace.model.ids import Pid
from ebpftrace.model.snapshot import Limit
from ebpftrace.target.process import Process
from ebpftrace.text import clean

T = TypeVar("T")

MOST_BYTES = 64 << 10
"""Of a command line, and of an environment: either may have 2 MB and more."""
MOST_WORDS = 1024

_MOST_TEXT = 64 << 10
_LOCK_S = 2.0
# Names of limits have single spaces, columns are two or more apart (fs/proc/base.c, proc_pid_limits).
_LIMIT = re.compile(
    r"^(\S+(?: \S+)*) {2,}(unlimited|\d{1,20}) +(unlimited|\d{1,20})\b", re.MULTILINE
)


class Status(NamedTuple):
    """`memory`: in bytes, by the names of the kernel's; empty while the process ends.

    `users`: real, effective, saved and of the file system, as our own user namespace has them.
    """

    parent: Pid | None
    users: tuple[int, ...]
    memory: dict[str, int]


def command_line(process: Process) -> tuple[str, ...]:
    """Its words; one more in the place of what is left out. () where it cannot be read."""
    return _words(process, "cmdline")


def environment(process: Process) -> tuple[str, ...] | None:
    """`NAME=value` as it was started with, bounded as `command_line`; None where unreadable."""
    return _words(process, "environ") or None


def started(process: Process) -> datetime:
    """When, by the clock as it stands now."""
    since_boot = process.start_time / os.sysconf("SC_CLK_TCK")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return datetime.fromtimestamp(booted + since_boot, timezone.utc)


def status(process: Process) -> Status | None:
    """Now; None where it has ended. 30 to 60 us, and waits for no lock of its memory."""
    text = _read(process, "status")
    if text is None:
        return None
    # A name in it has its newlines escaped, so none of its lines begins as another one.
    lines = dict(line.split(":\t", 1) for line in text.split("\n") if ":\t" in line)
    parent = lines.get("PPid", "")
    users = tuple(int(word) for word in lines.get("Uid", "").split() if word.isdecimal())
    memory = sizes(text.partition("\n")[2])  # of the first one, its name, nothing is a size
    return Status(Pid(int(parent)) if parent.isdecimal() else None, users, memory)


def rollup(process: Process) -> dict[str, int] | None:
    """The sums over all mappings that smaps_rollup has (493b0e9d945f, 4.14), in bytes; else None.

    Walks the page tables: 12 ms for each GiB that is resident in small pages. It waits for the lock
    of its memory, for ever if that is held, and lets go of it when the process wants it
    (ff9f47f6f00c, 5.8).
    """
    text = _read(process, "smaps_rollup")
    return (sizes(text) or None) if text else None


def limits(process: Process) -> dict[str, Limit]:
    """By their names there (`Max open files`); empty where unreadable."""
    text = _read(process, "limits") or ""
    found = _LIMIT.findall(text.partition("\n")[2])
    return {clean(name): Limit(_limit(soft), _limit(hard)) for name, soft, hard in found}


def _limit(word: str) -> int | None:
    return None if word == "unlimited" else int(word)


def _words(process: Process, name: str) -> tuple[str, ...]:
    """The parts of a file that end in a zero byte. Reading it takes the lock of its memory."""
    raw = _bounded(partial(_read_bytes, process, name, MOST_BYTES + 1))
    if not raw:
        return ()
    words = raw[:MOST_BYTES].removesuffix(b"\0").split(b"\0")
    kept = tuple(map(clean, words[:MOST_WORDS]))
    if len(raw) > MOST_BYTES:
        return (*kept, f"(cut here: it is longer than {MOST_BYTES >> 10} KiB)")
    if len(words) > MOST_WORDS:
        return (*kept, f"(cut here: it has {len(words)} words)")
    return kept


def _bounded(reading: Callable[[], T | None]) -> T | None:
    try:
        return within(_LOCK_S, reading)
    except TimeoutError:
        return None


def _read(process: Process, name: str) -> str | None:
    raw = _read_bytes(process, name, _MOST_TEXT)
    return None if raw is None else raw.decode("utf-8", "surrogateescape")


def _read_bytes(process: Process, name: str, most: int) -> bytes | None:
    """Of a living thread: those of a leader that has ended are empty. None where none is left."""
    try:
        return read_bytes(f"{process.proc_path()}/{name}", most)
    except CannotAttach:
        return None
