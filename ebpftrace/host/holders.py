"""Other programs that hold perf events: tracers and profilers, uprobes among them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from ebpftrace.host import files
from ebpftrace.host.check import Check, note, ok
from ebpftrace.text import clean

_PERF_EVENT = "anon_inode:[perf_event]"
_LIMIT_S = 0.2
"""Of computing: how long that takes is for the host's other load to say."""
_NAMED = 5


def perf_event_holders(limit_s: float = _LIMIT_S) -> tuple[list[str], bool]:
    """Other processes that hold a perf event, as "comm (pid)"; and whether all were looked at.

    What kind of event it is, the kernel does not tell.
    """
    ends = time.thread_time() + limit_s
    found: list[str] = []
    try:
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]
    except OSError:
        return [], False
    for pid in pids:
        if time.thread_time() > ends:
            return found, False
        if _PERF_EVENT in _links(Path(f"/proc/{pid}/fd")) and not _ours(pid):
            found.append(f"{clean(files.read(f'/proc/{pid}/comm') or '?')} ({pid})")
    return found, True


def _ours(pid: int) -> bool:
    """Is it this process, or its worker?"""
    fields = (files.read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    return pid == os.getpid() or fields[1:2] == [str(os.getpid())]


def _links(folder: Path) -> Iterator[str]:
    try:
        for entry in os.scandir(folder):
            try:
                yield os.readlink(entry.path)
            except OSError:
                continue
    except OSError:
        return


def check() -> Check:
    """Tracers get on with each other, except where an address has a reference counter."""
    found, all_seen = perf_event_holders()
    beyond = "" if all_seen else ", of those processes that there was time to look at"
    if not found:
        return ok("other tracers", f"no other process holds perf events{beyond}")
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return note(
        "other tracers",
        f"perf events (not told: uprobes or others) are held by "
        f"{', '.join(found[:_NAMED])}{more}{beyond}",
    )
