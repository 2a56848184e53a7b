"""Machine code of our own, in memory that nobody else maps, for uprobes to be tried on.

A file in memory (uprobes work on shmem), mapped privately and executable: what a probe does there,
it does to this process and the children it forks. What is put on it is left to its users.
"""

import ctypes
import errno
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

FUNCTIONS = 31
FUNCTION_SIZE = 256
STEPPED = 4
"""How far into a function its `mov` is, which the kernel single-steps; what is at 0 it emulates."""

_PAGES = (FUNCTIONS + 1) * FUNCTION_SIZE
_PROT_READ, _PROT_EXEC, _MAP_PRIVATE = 1, 4, 2
_MFD_CLOEXEC, _MFD_NOEXEC_SEAL = 1, 8
_FAILED = ctypes.c_void_p(-1).value
_DEEP, _GUARDED, TOUCH = 80, 128, 192
"""The offset in the file of a function that writes a byte at 256 times its first argument."""


@dataclass(frozen=True, slots=True)
class _Code:
    """Of one machine: bytes, one instruction a group. `own` by where it starts:

    0: loop(count, base, function): function(base + 16 * i, 64) for each i below count
    _DEEP: deep(count, base, function, frames): loop below so many frames more
    _GUARDED: guarded(first, second, third, number, function): the system call `number`, then function(2),
    then exit(0), or exit(2) at once where the call failed; what the call forbids, it does not do
    TOUCH: touch(place): *(place << 8) = 1. From one call of loop to the next it is a page further.

    `function` returns its first argument. Both ends of a frame are there, so that a walk finds its caller.
    """

    nothing: str
    own: Mapping[int, str]
    function: str


_MACHINES = {
    "x86_64": _Code(
        "90",
        {
            0: "55 4889e5 53 4154 4155 4883ec08 4889fb 4989f4 4989d5"
            " 4c89e7 be40000000 41ffd5 4983c410 48ffcb 75ec"
            " 4883c408 415d 415c 5b 5d c3",
            _DEEP: "55 4889e5 85c9 7507 e8a3ffffff 5d c3 ffc9 e8eaffffff 5d c3",
            _GUARDED: "55 4889e5 4d89c5 89c8 0f05 bf02000000 4885c0 7505 41ffd5 31ff b83c000000 0f05",
            TOUCH: "55 4889e5 48c1e708 c60701 5d c3",
        },
        "55 4889e5 4889f8 5d c3",
    ),
    # The kernel simulates `adr` (arch/arm64/kernel/probes/decode-insn.c), in the place of x86's `push`.
    "aarch64": _Code(
        "1f2003d5",
        {
            0: "fd7bbda9 fd030091 f35301a9 f51300f9 f30300aa f40301aa f50302aa"
            " e00314aa 010880d2 a0023fd6 94420091 730600f1 61ffff54"
            " f51340f9 f35341a9 fd7bc3a8 c0035fd6",
            _DEEP: "fd7bbfa9 fd030091 63000035 e9ffff97 03000014 63040051 faffff97 fd7bc1a8 c0035fd6",
            _GUARDED: "f30304aa e803032a 010000d4 f40300aa 400080d2 740000b5 60023fd6 000080d2 a80b80d2"
            " 010000d4",
            TOUCH: "fd7bbfa9 fd030091 00dc78d3 21008052 01000039 fd7bc1a8 c0035fd6",
        },
        "09000010 e90300aa fd7bbfa9 fd030091 e00309aa fd7bc1a8 c0035fd6",
    ),
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LONG, _POINTER = ctypes.c_long, ctypes.c_void_p
# Both let other threads of Python run meanwhile.
_Deep = ctypes.CFUNCTYPE(_LONG, _LONG, _POINTER, _POINTER, ctypes.c_int)
_Guarded = ctypes.CFUNCTYPE(_LONG, _LONG, _LONG, _POINTER, ctypes.c_int, _POINTER)


def image(machine: str) -> bytes:
    """The bytes of the file; OSError (ENOTSUP) for a machine that we have no code for."""
    if machine not in _MACHINES:
        raise OSError(errno.ENOTSUP, f"no machine code for {machine}")
    made = _MACHINES[machine]
    nothing = bytes.fromhex(made.nothing)
    out = bytearray(nothing * (_PAGES // len(nothing)))
    functions = {function(number): made.function for number in range(1, FUNCTIONS + 1)}
    for at, text in {**made.own, **functions}.items():
        code = bytes.fromhex(text)
        out[at : at + len(code)] = code
    return bytes(out)


def function(number: int) -> int:
    """The offset in the file of a function, 1 to FUNCTIONS; all of them are alike."""
    if not 1 <= number <= FUNCTIONS:
        raise ValueError(f"there is no function {number}")
    return number * FUNCTION_SIZE


class Testbed:
    """The file and its mapping; OSError (ENOTSUP: another machine) where it cannot be had.

    `path` is what a probe is placed on, by this process. A child forked from here may run it too.
    Nothing may run it while it is closed.
    """

    __test__ = False  # pytest would take the name for a test's

    def __init__(self) -> None:
        code = image(platform.machine())
        self.fd = _memory_file()
        try:
            os.write(self.fd, code)
            protection = _PROT_READ | _PROT_EXEC
            address = _libc.mmap(None, _PAGES, protection, _MAP_PRIVATE, self.fd, 0)
            if address == _FAILED:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        except BaseException:
            os.close(self.fd)
            raise
        self.path = f"/proc/self/fd/{self.fd}"
        self.address: int = address
        self._deep = _Deep(self.address + _DEEP)
        self._guarded = _Guarded(self.address + _GUARDED)

    def __enter__(self) -> "Testbed":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    @property
    def code(self) -> tuple[int, int]:
        """Where it is mapped: [start, end)."""
        return self.address, self.address + _PAGES

    def function(self, number: int) -> int:
        """The offset in the file of a function, 1 to FUNCTIONS; all of them are alike."""
        return function(number)

    def run(self, called: int, count: int, base: int, depth: int = 0) -> int:
        """Call the function at offset `called` with (base, 64), (base + 16, 64), ...; ns of CPU time,
        so that others on the same processor are not in it.

        At least one call; `depth` more frames lie above the loop's own. Any thread may do this,
        several at a time. About 1 us of the time is the way in and out of Python.
        """
        if count < 1:
            raise ValueError(f"a loop of {count} calls would not end")
        where = self.address + called
        start = time.thread_time_ns()
        self._deep(count, base, where, depth)
        return time.thread_time_ns() - start

    def guarded(self, number: int, arguments: tuple[int, int, int], called: int) -> NoReturn:
        """System call `number`, then the function at offset `called`, then the end of this thread.

        Exit status 0, or 2 where the system call failed. No code of Python runs in between: what
        such a call forbids (a filter, a shadow stack) would meet the interpreter as well.
        """
        self._guarded(*arguments, number, self.address + called)
        raise AssertionError("the thread has ended")

    def close(self) -> None:
        """Unmap the code and close the file."""
        if self.address:
            _libc.munmap(self.address, _PAGES)
            os.close(self.fd)
            self.address = 0


def _memory_file() -> int:
    # Without this flag the kernel writes a warning to its log, and refuses under
    # vm.memfd_noexec=2 (105ff5339f49, 6.3). It is about execve(), not about mappings.
    try:
        return os.memfd_create("ebpftrace-testbed", _MFD_CLOEXEC | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.memfd_create("ebpftrace-testbed", _MFD_CLOEXEC)
