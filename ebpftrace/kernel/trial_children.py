"""Children of this process that try what may kill: each has a limit, none outlives its owner.

They say what a system call and a probed function did to them; which probe is left to the owner.
"""

import ctypes
import logging
import os
import platform
import signal
import struct
import time
from collections.abc import Callable
from typing import Literal

from ebpftrace.kernel.testbed import Testbed

log = logging.getLogger(__name__)

Guard = Literal["filter", "strict", "shadow stack"]

_ON_X86 = platform.machine() == "x86_64"
FIRST_UNKNOWN = 334 if _ON_X86 else 292
"""System calls from here on came after 4.17, and many a filter was written before."""

_SURVIVED, _NO_GUARD, _OTHERWISE = 0, 2, 3
_POLL_S = 0.0005
# Without arch_prctl, of x86 alone, there is no such guard: this number is no system call.
_PRCTL, _ARCH_PRCTL = (157, 158) if _ON_X86 else (167, 0xFFFF)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_STRICT, _SECCOMP_MODE_FILTER = 1, 2
_ARCH_SHSTK_ENABLE, _ARCH_SHSTK_SHSTK = 0x5001, 1
# Classic BPF. SIGSYS as from RET_KILL_PROCESS, but without the line in the log of the host.
_LOAD_NUMBER, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x35, 0x06
_RET_TRAP, _RET_ALLOW = 0x00030000, 0x7FFF0000

_libc = ctypes.CDLL(None)


class Child:
    """A fork that waits for `start`, does `work` and ends with the status that it gives.

    It takes no signal of a terminal, ends with its parent and dumps no core. Fork while this is the
    only thread.
    """

    def __init__(self, work: Callable[[], int]) -> None:
        ready, self._start = os.pipe()
        self._status: int | None = None
        # KeyboardInterrupt before the child's own `try` would run on in its copy of our stack.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = os.fork()
            if not self.pid:
                _live(ready, self._start, work)
        except OSError:
            os.close(self._start)
            raise
        finally:
            os.close(ready)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def start(self) -> None:
        """Let it do its work."""
        os.write(self._start, b"x")

    def status(self, limit: float) -> int | None:
        """Its exit status, negative for a signal; None where it has not ended within `limit` s."""
        end = time.monotonic() + limit
        while self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                return None
            else:
                time.sleep(_POLL_S)
        return self._status

    def close(self) -> None:
        """Kill it unless it has ended."""
        if self._start >= 0:
            os.close(self._start)
            self._start = -1
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _live(ready: int, start: int, work: Callable[[], int]) -> None:
    status = _OTHERWISE
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.close(start)
        if os.read(ready, 1):
            _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
            status = work()
    finally:
        os._exit(status)


def guarded_child(
    bed: Testbed, guard: Guard, called: int, first_killed: int = FIRST_UNKNOWN
) -> Child:
    """A child that calls the function at offset `called` behind `guard`.

    The filter kills at every system call from number `first_killed` on.
    """
    return Child(lambda: _behind(bed, guard, called, first_killed))


def _behind(bed: Testbed, guard: Guard, called: int, first_killed: int) -> int:
    if guard == "shadow stack":
        bed.guarded(_ARCH_PRCTL, (_ARCH_SHSTK_ENABLE, _ARCH_SHSTK_SHSTK, 0), called)
    if guard == "strict":
        bed.guarded(_PRCTL, (_PR_SET_SECCOMP, _SECCOMP_MODE_STRICT, 0), called)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = (
        _statement(_LOAD_NUMBER, 0)
        + _statement(_JUMP_IF_AT_LEAST, first_killed, 0, 1)
        + _statement(_RETURN, _RET_TRAP)
        + _statement(_RETURN, _RET_ALLOW)
    )
    code = ctypes.create_string_buffer(program, len(program))
    text = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    filter_ = ctypes.create_string_buffer(text, len(text))
    bed.guarded(_PRCTL, (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_)), called)


def _statement(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def survived(guard: Guard, status: int | None, returns: int) -> bool | None:
    """What the end of a child with a return probe proves, which was hit `returns` times. Pure.

    None where it proves nothing: no such guard here, no end within the limit, no hit.
    """
    if status == _SURVIVED and returns == 1:
        return True
    if status == _NO_GUARD:
        log.debug("%s: there is none on this host", guard)
        return None
    if status is not None and status < 0 and status != -signal.SIGKILL:
        log.debug("%s: a return probe ended with signal %d", guard, -status)
        return False
    log.debug("%s: not proven: status %s, %d returns seen", guard, status, returns)
    return None
