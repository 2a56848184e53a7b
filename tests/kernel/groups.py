"""Control groups of tests, of the version that this host has the controller in."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.harness import wait_until

_UNIFIED = Path("/sys/fs/cgroup")
GROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.oom_control"),
    2: ("memory.max", "memory.events"),
}
"""By the version, those that have the limit, and what came of it."""


@contextmanager
def hierarchy(controller: str) -> Iterator[tuple[Path, int]]:
    """Where groups with `controller` can be made, and its version: within the group of this process where
    version 1 has it, else in version 2's root. Where nobody has mounted either, version 2 is for a while.
    """
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = Path(f"/sys/fs/cgroup/{controller}{path}")
            if (group / "cgroup.procs").exists():
                yield group, 1
                return
    with contextlib.ExitStack() as undo:
        unified = _UNIFIED
        if not (unified / "cgroup.controllers").exists():
            unified = Path(undo.enter_context(tempfile.TemporaryDirectory()))
            subprocess.run(["mount", "-t", "cgroup2", "none", unified], check=True)
            undo.callback(_unmount, unified)
        assert controller in (unified / "cgroup.controllers").read_text().split()
        (unified / "cgroup.subtree_control").write_text(f"+{controller}")
        yield unified, 2


def _unmount(place: Path) -> None:
    subprocess.run(["umount", place], check=True)


@contextmanager
def _made(parent: Path) -> Iterator[Path]:
    group = parent / f"ebpftrace-test-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        for inner in [*group.glob("*/"), group]:
            if (inner / "cgroup.procs").exists():
                wait_until(lambda: not (inner / "cgroup.procs").read_text(), "an empty group")  # noqa: B023
                inner.rmdir()


@contextmanager
def any_memory_group() -> Iterator[tuple[Path, int]]:
    """One without limits, and its version."""
    with hierarchy("memory") as (parent, version), _made(parent) as group:
        yield group, version


@contextmanager
def memory_group(limit: int) -> Iterator[tuple[Path, int]]:
    """One that may have so many bytes, without swap, and its version."""
    with any_memory_group() as (group, version):
        bound(group, version, limit)
        yield group, version


def bound(group: Path, version: int, limit: int) -> None:
    """Let it have so many bytes, and no swap."""
    if version == 1:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        return
    (group / "memory.max").write_text(str(limit))
    with contextlib.suppress(OSError):  # no swap
        (group / "memory.swap.max").write_text("0")


@contextmanager
def cpu_group(percent: int) -> Iterator[Path]:
    """One whose processes may use that much of one CPU."""
    with hierarchy("cpu") as (parent, version), _made(parent) as group:
        if version == 1:
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text(str(percent * 1000))
        else:
            (group / "cpu.max").write_text(f"{percent * 1000} 100000")
        yield group


@contextmanager
def control_group(controller: str = "pids") -> Iterator[Path]:
    """An empty one without limits: of version 2 where only that is mounted."""
    parent = _UNIFIED
    if not (_UNIFIED / "cgroup.procs").exists():
        parent = _UNIFIED / controller
    elif controller != "freezer":  # which is a part of every group
        (_UNIFIED / "cgroup.subtree_control").write_text(f"+{controller}")
    with _made(parent) as group:
        yield group


def freeze(group: Path, *, frozen: bool) -> None:
    """Stop, or let go on, all that is in `group`."""
    if (group / "cgroup.freeze").exists():
        (group / "cgroup.freeze").write_text("1" if frozen else "0")
    else:
        (group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
