"""What the kernel tells a recorder: out of memory in a real group, above memory.high, pressure."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.kernel.worker import Worker
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder import group_v1, group_v2, pressure
from ebpftrace.recorder.alarms import Alarm, Spent
from ebpftrace.recorder.arming import arm
from ebpftrace.target.pressure import HOST
from tests.kernel.groups import any_memory_group, bound
from tests.kernel.harness import PICTURE_LIMIT, WORK_LIMIT, wait_until

LIMIT = 24 << 20
# Joins the group of its argument, then touches twice what is allowed there, a page at a time.
FILLER = f"""
import os, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as group:
    group.write(str(os.getpid()))
held = [bytearray(4096) for _ in range({2 * LIMIT} // 4096)]
"""


@pytest.fixture
def group() -> Iterator[tuple[Path, int]]:
    """A new memory group and its version."""
    with any_memory_group() as made:
        yield made


@contextlib.contextmanager
def filler(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", FILLER, directory]) as child:
        try:
            yield child
        finally:
            child.kill()


def told(alarm: Alarm) -> Trigger | None:
    """What it says to the next event that the kernel tells."""
    assert alarm.descriptor is not None
    poll = select.poll()
    poll.register(alarm.descriptor, alarm.events)
    assert poll.poll(1000 * PICTURE_LIMIT), "nothing was told"
    return alarm.at_event()


def silent(alarm: Alarm) -> bool:
    assert alarm.descriptor is not None
    poll = select.poll()
    poll.register(alarm.descriptor, alarm.events)
    return not poll.poll(50)


@pytest.mark.oldkernel
def test_out_of_memory_in_a_group_is_told_and_so_is_its_removal(group: tuple[Path, int]):
    directory, version = group
    bound(directory, version, LIMIT)
    armed = arm([os.getpid()], [], lambda _pid: (str(directory), version))
    kind: type[Alarm] = group_v1.OutOfMemory if version == 1 else group_v2.MemoryEvents
    alarm = armed.alarms[0]
    try:
        assert armed.missing == []
        assert isinstance(alarm, kind)
        assert silent(alarm)
        with filler(directory) as child:
            trigger = told(alarm)
            while trigger is None:  # memory.events has told of its limit first
                trigger = told(alarm)
            assert trigger.kind == "oom"
            assert str(directory) in trigger.sentence
            assert child.wait(WORK_LIMIT) == -signal.SIGKILL
        if not silent(alarm):
            told(alarm)
        assert silent(alarm)
        wait_until(lambda: not (directory / "cgroup.procs").read_text(), "the group is empty")
        directory.rmdir()
        with pytest.raises(Spent):
            told(alarm)
    finally:
        for one in armed.alarms:
            one.close()


@pytest.mark.oldkernel
def test_a_group_above_its_high_mark_is_told(group: tuple[Path, int]):
    directory, version = group
    if version == 1:  # it has no such mark
        assert not (directory / "memory.high").exists()
        return
    (directory / "memory.high").write_text(str(LIMIT))
    alarm = group_v2.MemoryEvents(directory / "memory.events", str(directory))
    try:
        assert silent(alarm)
        with filler(directory):
            trigger = told(alarm)
        assert trigger is not None
        assert trigger.kind == "high"
    finally:
        alarm.close()


@pytest.mark.oldkernel
def test_pressure_is_told_by_the_kernel_or_by_its_average():
    """Nobody can make it come at will; that it is taken and silent shows that it is understood."""
    try:
        alarm: Alarm = pressure.Stall(HOST, 99, "this host")
    except OSError:
        assert not HOST.exists()
        return
    try:
        assert silent(alarm)
        told_now = alarm.at_event()
        assert told_now is not None
        assert told_now.kind == "pressure"
    finally:
        alarm.close()
    with pytest.raises(OSError, match="Invalid argument"):
        pressure.Stall(HOST, 101, "this host")


def test_what_holds_the_probes_outlives_a_signal_that_is_meant_for_the_recorder():
    worker = Worker()
    try:
        worker.trial()
        os.kill(worker.pid, signal.SIGUSR1)
        assert worker.trial() is not None
    finally:
        worker.close()
