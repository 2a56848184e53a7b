"""The memory of a process, read while it runs.

Through /proc/PID/mem, which needs no address to be readable for the process itself but belongs to its
owner; to others with CAP_SYS_PTRACE alone, process_vm_readv(2) is left.
"""

import ctypes
import errno
import os
from functools import partial

from ebpftrace.bounded import within
from ebpftrace.model.ids import Tid

_ANSWER_S = 2.0
_libc = ctypes.CDLL(None, use_errno=True)
_libc.process_vm_readv.restype = ctypes.c_ssize_t
_libc.process_vm_readv.argtypes = (
    *(ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong),
    *(ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong),
)


class _Part(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_uint64), ("length", ctypes.c_uint64))


class Memory:
    """Close it, or use it as a context manager."""

    def __init__(self, folder: str, thread: Tid) -> None:
        """`folder`: of living thread `thread` in /proc. OSError where it may not be read."""
        self._thread = thread
        self._fd = -1
        try:
            self._fd = os.open(f"{folder}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as refused:
            try:
                self._read_by_call(0, 1)
            except OSError as error:  # EFAULT: nothing is there, which only who may read is told
                if error.errno != errno.EFAULT:
                    raise refused from error

    def __enter__(self) -> "Memory":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it; closing twice does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._thread = -1, Tid(-1)

    def read(self, address: int, most: int) -> bytes:
        """The bytes from `address` on, up to `most` or to where nothing can be read.

        TimeoutError where that hangs: what lies there may be of a file system of the target's own.
        """
        reading = partial(os.pread, self._fd, most, address)
        if self._fd < 0:
            reading = partial(self._read_by_call, address, most)
        try:
            return within(_ANSWER_S, reading)
        except TimeoutError:
            raise
        except (OSError, OverflowError):
            return b""

    def _read_by_call(self, address: int, most: int) -> bytes:
        content = ctypes.create_string_buffer(most)
        here = _Part(ctypes.addressof(content), most)
        there = _Part(address, most)
        count = _libc.process_vm_readv(
            self._thread, ctypes.byref(here), 1, ctypes.byref(there), 1, 0
        )
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return content.raw[:count]
