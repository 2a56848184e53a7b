"""Processes that share the memory of another one: children of vfork, or of clone with CLONE_VM.

What they allocate belongs to the heap of both, and the kernel's filters by process tell them apart.
"""

import ctypes
import errno
import functools
import os
from collections.abc import Callable

from ebpftrace.kernelfiles import read_bytes
from ebpftrace.model.ids import Pid
from ebpftrace.target.process import Process

_KCMP = {"x86_64": 312, "aarch64": 272}  # include/uapi/asm-generic/unistd.h; x86 has its own table
_KCMP_VM = 1  # include/uapi/linux/kcmp.h


def shares_memory_with(process: Process) -> list[Pid] | None:
    """The other processes that run in the memory of `process` now, ascending.

    None where the kernel cannot tell (CONFIG_KCMP is off) or the process may not be compared.
    TargetGone. A relative whose own main thread has ended is not found: no tie is left to see.
    """
    kcmp = _kcmp()
    if kcmp is None:
        return None
    # A thread that has ended has no memory, which is what the kernel's threads have, too.
    thread = process.anchor()
    if kcmp(thread, thread) != 0:
        return None
    # Listing /proc and comparing take 4 us a process; reading a file of each first to compare
    # fewer takes more than ten.
    others = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return sorted(Pid(pid) for pid in others if pid != process.pid and kcmp(thread, pid) == 0)


def can_compare() -> bool:
    """Can the kernel tell whose memory is the same (d97b46a64674, 3.5, with CONFIG_KCMP)?"""
    kcmp = _kcmp()
    return kcmp is not None and kcmp(os.getpid(), os.getpid()) == 0


@functools.cache
def _kcmp() -> Callable[[int, int], int] | None:
    """kcmp(2) on the memory of two threads: 0 where it is the same, below 0 on an error."""
    number = _KCMP.get(os.uname().machine)
    if number is None:
        return None
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.argtypes = [ctypes.c_long] * 6
    syscall.restype = ctypes.c_long

    def compare(one: int, other: int) -> int:
        return int(syscall(number, one, other, _KCMP_VM, 0, 0))

    if compare(os.getpid(), os.getpid()) < 0 and ctypes.get_errno() == errno.ENOSYS:
        return None
    return compare


def has_forked_kin(pid: int) -> bool:
    """Does another process live that was forked from the same program as `pid`, or the other way round?

    Neither has run another program since, so they may share pages that a write copies. By where the code
    and the stack of a program start, which is at random for each exec.
    """
    own = _starts(pid)
    if own is None:
        return False
    others = (int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != pid)
    return any(_starts(other) == own for other in others)


def _starts(pid: int) -> tuple[bytes, bytes] | None:
    """The fields startcode and startstack of /proc/PID/stat; None where they are not told, or it has no memory."""
    text = read_bytes(f"/proc/{pid}/stat", 4096)
    fields = (text or b"").rpartition(b")")[2].split()
    if len(fields) < 26 or fields[25] == b"0":
        return None
    return fields[23], fields[25]
