"""Control groups of tests."""

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


@contextmanager
def control_group(controller: str = "pids") -> Iterator[Path]:
    """An empty one without limits: of version 2 where only that is mounted."""
    root = Path("/sys/fs/cgroup")
    parent = root
    if not (root / "cgroup.procs").exists():
        parent = root / controller
    elif controller != "freezer":  # which is a part of every group
        (root / "cgroup.subtree_control").write_text(f"+{controller}")
    group = parent / f"ebpftrace-test-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        for inner in [*group.glob("*/"), group]:
            if (inner / "cgroup.procs").exists():
                wait_until(lambda: not (inner / "cgroup.procs").read_text(), "an empty group")  # noqa: B023
                inner.rmdir()


def freeze(group: Path, *, frozen: bool) -> None:
    """Stop, or let go on, all that is in `group`."""
    if (group / "cgroup.freeze").exists():
        (group / "cgroup.freeze").write_text("1" if frozen else "0")
    else:
        (group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
