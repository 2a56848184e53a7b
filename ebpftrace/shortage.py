"""What is said where the host gives no more of something: open files, memory, processes, room on a disk.

Owns the sentences for what may fail anywhere; what only one place runs into is explained there.
"""

import errno
import os
import resource

RAISE_FILES = "Raise it before the start: ulimit -n 65536 (systemd: LimitNOFILE=65536)."
MORE_MEMORY = "Free memory, or raise the limit of the container, service or shell (ulimit -v)."
MORE_TASKS = (
    "End some, or raise the limit of the container, service or shell (pids.max, TasksMax=, "
    "ulimit -u; of memory, ulimit -v)."
)
_MORE_FILES = "Raise it: sysctl fs.file-max=1000000."
_LOG = "Nothing is left where it watched. The kernel's log may say why: dmesg | tail."
_ROOM = "Free space there, or name another place."
_CALLS = ("bpf(", "perf_event_open(")
_DEFECTS = (errno.EBADF, errno.EFAULT)
_OF_DISKS = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: "Name another place.",
    errno.EIO: "Its disk may be damaged: dmesg | tail.",
}

Told = tuple[str, str]
"""The reason and what to do about it, each in full sentences."""


def open_files() -> str:
    """The sentences for EMFILE."""
    return " ".join(_files())


def told(error: BaseException) -> Told | None:
    """Why the host is to blame for an error from anywhere, and the way out; None where it may not be.

    It is to blame as well for what fails while that is undone.
    """
    here: BaseException | None = error
    while here is not None:
        if (found := _of(here)) is not None:
            return found
        here = here.__cause__ or (None if here.__suppress_context__ else here.__context__)
    return None


def _of(error: BaseException) -> Told | None:
    words = str(error)
    if isinstance(error, MemoryError) or "failed to map segment" in words:  # of a library
        return "This host gives ebpftrace no more memory.", MORE_MEMORY
    if isinstance(error, RuntimeError) and "start new thread" in words:
        return "This host lets ebpftrace start no more threads.", MORE_TASKS
    return _of_a_call(error) if isinstance(error, OSError) else None


def _of_a_call(error: OSError) -> Told | None:
    number, what, why = error.errno, error.filename, error.strerror
    if number == errno.EMFILE:
        return _files()
    if number == errno.ENFILE:
        return "This host has no more open files to give.", _MORE_FILES
    if number == errno.ENOMEM:
        return "This host gives ebpftrace no more memory (ENOMEM).", MORE_MEMORY
    if isinstance(what, str) and what.startswith(_CALLS) and number not in _DEFECTS:
        return f"The kernel refuses {what} in the middle of the work: {why}.", _LOG
    if number in _OF_DISKS and what is not None and number is not None:
        return f"{os.fsdecode(what)} cannot be used: {why}.", _OF_DISKS[number]
    return None


def _files() -> Told:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"This process may not open more than {most} files.", RAISE_FILES
