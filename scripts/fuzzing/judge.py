"""Whether the tool may do with an input what it does: what it raises, what it takes, what it touches."""

import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from scripts.fuzzing.target import Finding, Limits, Target

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_STARTS = frozenset(
    {
        *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"),
        *("os.fork", "os.forkpty", "pty.spawn"),
    }
)
_TOUCHES = frozenset(
    {
        *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"),
        *("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.kill", "os.putenv", "os.chdir"),
        *("socket.connect", "socket.bind", "socket.sendto", "pickle.find_class"),
    }
)
_AGAIN_S = 0.1  # a limit that was passed is told so often: who catches everything hears it again


class _Late(BaseException):
    """The processor time is used up. No Exception, which some may catch."""


class _Watched:
    """What is done while an input is tried, by the audit events of the interpreter (PEP 578)."""

    def __init__(self) -> None:
        self.on = self.starts = self._hooked = False
        self.found: list[str] = []
        self._others: frozenset[int | None] = frozenset()
        """Threads that were there before, whose business is their own."""

    def begin(self, *, starts: bool) -> None:
        if not self._hooked:
            sys.addaudithook(self._look)  # for good: there is no way to take one back
            self._hooked = True
        self.found.clear()
        self.starts = starts
        mine = threading.get_ident()
        self._others = frozenset(one.ident for one in threading.enumerate()) - {mine}
        self.on = True

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or threading.get_ident() in self._others:
            return
        if event == "open":
            path, _, flags = arguments
            if flags & _WRITES and path != "/dev/null":
                self.found.append(f"{path!r} is opened to be written")
        elif event == "os.truncate" and isinstance(arguments[0], int):
            pass  # of what was opened before: the file that holds the input
        elif event in _TOUCHES or (event in _STARTS and not self.starts):
            self.found.append(f"{event}{arguments!r}")


_watched = _Watched()


def judge(target: Target, data: bytes, patience: float = 1.0) -> None:
    """Try one input. Finding, or what is raised and not declared.

    `patience`: by how much the limit of time is wider, where others want the processor or code is
    instrumented. Only in the main thread is there such a limit.
    """
    limits = target.limits._replace(seconds=target.limits.seconds * patience)
    # What is opened at the first use, for good, is left once.
    if _left_open(target, data, limits) and (left := _left_open(target, data, limits)):
        raise Finding(f"{left} descriptors are left open")


def _left_open(target: Target, data: bytes, limits: Limits) -> int:
    """How many descriptors more than before, after one attempt."""
    before = _descriptors()
    with (
        _in_time(limits),
        _in_memory(limits),
        _watching(starts=target.starts),
        suppress(*target.declared),
    ):
        target.attempt(data)
    if _descriptors() > before:
        gc.collect()
    return max(0, _descriptors() - before)


@contextmanager
def _watching(*, starts: bool) -> Iterator[None]:
    compiles, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    _watched.begin(starts=starts)
    try:
        yield
    finally:
        _watched.on = False
        sys.dont_write_bytecode = compiles
    if _watched.found:
        raise Finding("; ".join(_watched.found[:4]))


@contextmanager
def _in_time(limits: Limits) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_number: int, _frame: FrameType | None) -> None:
        raise _Late

    handler = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, limits.seconds, _AGAIN_S)
    try:
        yield
    except _Late:
        raise Finding(f"it takes more than {limits.seconds:g} s of processor time") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)


@contextmanager
def _in_memory(limits: Limits) -> Iterator[None]:
    """By the largest resident size meanwhile, which counts native code as well."""
    before = _peak(anew=True)
    yield
    more = _peak() - before
    if more > limits.memory:
        raise Finding(f"it takes {more >> 20} MiB of memory, and may take {limits.memory >> 20}")


def _peak(*, anew: bool = False) -> int:
    """The largest resident size so far, since it was last begun `anew` (proc(5), clear_refs)."""
    try:
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_bytes()
        return int(status.partition(b"VmHWM:")[2].split(None, 1)[0]) << 10
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
