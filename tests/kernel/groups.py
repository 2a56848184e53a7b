"""Memory control groups of tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.harness import wait_until


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """One of version 1, without swap."""
    group = Path(f"/sys/fs/cgroup/memory/ebpftrace-test-{os.getpid()}")
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        yield group
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text(), "an empty group")
        group.rmdir()
