"""A process whose mmap lock is held for as long as a test wants it, and never for longer than 20 s.

What holds it is a program of its own (tests/workloads/stuck.c): its end, however it comes, frees all,
and none of it needs this process to run or to fork.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import WORK_LIMIT, Program, Workload, wait_until

_UNAVAILABLE = 77
MOST_S = 20


@contextlib.contextmanager
def stuck_process(*, writer: bool, most_s: int = MOST_S) -> Iterator[int]:
    """The pid of a process that maps libc and whose mmap lock somebody holds for reading.

    With `writer` it waits for that lock itself, to write, and who only wants to read hangs as well.
    Skips where there is no FUSE, or it may not be mounted.
    """
    with _started("writer" if writer else "reader", most_s) as program:
        line = program.out.next(WORK_LIMIT, "pids of `stuck`")
        assert line is not None, "`stuck` has ended"
        pid, _holder, _writer = map(int, line.split())
        if writer:
            wait_until(lambda: state(pid) == "D", "a writer that waits")
        yield pid


def state(pid: int) -> str:
    """The letter of /proc/PID/stat, which needs no lock."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def _started(*arguments: object) -> Iterator[Program]:
    try:
        program = Workload("stuck", *arguments)
    except AssertionError as error:
        if f"status {_UNAVAILABLE}" in str(error):
            pytest.skip("FUSE cannot be mounted here, so that nothing can be made to be stuck")
        raise
    try:
        yield program
        assert program.process.poll() is None, "`stuck` was over before the test"
        program.leave()
    finally:
        program.close()
