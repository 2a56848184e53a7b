"""By what a process ended, as wait(2) tells its parent, for somebody who is not its parent."""

import fcntl
import os
import signal
import struct
from typing import NamedTuple

from ebpftrace.target.process import Process

# include/uapi/linux/pidfd.h: struct pidfd_info to `exit_code`, and the ioctl that fills it. It says so
# of a process that was reaped since 7477d7dce48a (6.15).
_INFO = struct.Struct("=QQ11Ii")
_GET_INFO = 0xC0000000 | _INFO.size << 16 | 0xFF << 8 | 11
_WITH_EXIT = 1 << 3
_MOST_STAT = 4096
_CODE = 52 - 3  # proc(5) counts from 1, and pid and comm come before the state


class WaitStatus(NamedTuple):
    """`signal`: the number of what ended it, 0 where it ended by itself, with `status`."""

    status: int
    signal: int

    @classmethod
    def of(cls, code: int) -> "WaitStatus":
        """Take the kernel's exit code apart; whether there is a core is left out."""
        return cls(code >> 8 & 0xFF, code & 0x7F)

    def __str__(self) -> str:
        """`status 3`, `SIGSEGV`."""
        if not self.signal:
            return f"status {self.status}"
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"


def wait_status(process: Process) -> WaitStatus | None:
    """Of a process that has ended; None where nothing tells.

    /proc tells until the parent has asked, newer kernels by the pidfd from then on.
    """
    for look in (_of_reaped, _of_zombie, _of_reaped):  # it may be reaped between the first two
        code = look(process)
        if code is not None:
            return WaitStatus.of(code)
    return None


def _of_reaped(process: Process) -> int | None:
    asked = bytearray(_INFO.pack(_WITH_EXIT, *[0] * 13))
    try:
        fcntl.ioctl(process.fileno(), _GET_INFO, asked)
    except (OSError, ValueError):
        return None
    mask, *_, code = _INFO.unpack(asked)
    return code if mask & _WITH_EXIT else None


def _of_zombie(process: Process) -> int | None:
    """Not for one that may not be traced: its field is 0 then (fs/proc/array.c)."""
    try:
        fd = os.open(f"/proc/{process.pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = os.read(fd, _MOST_STAT).rpartition(b")")[2].split()
        finally:
            os.close(fd)
        is_it = fields[0] in (b"Z", b"X") and int(fields[19]) == process.start_time
        return int(fields[_CODE]) if is_it and os.geteuid() == 0 else None
    except (OSError, IndexError, ValueError):
        return None
