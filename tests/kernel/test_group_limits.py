"""What a control group does to its processes, as `record` and `attach` tell of it: throttling, pressure, CPU."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.groups import any_memory_group, control_group, cpu_group
from tests.kernel.harness import Tracer, Workload, wait_until
from tests.kernel.recording import Recording

MARK = 24 << 20
# Once in the group of its argument it touches more than its mark, again and again: the kernel lets it wait.
GREEDY = f"""
import os, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as group:
    group.write(str(os.getpid()))
while True:
    held = [bytearray(4096) for _ in range({2 * MARK} // 4096)]
"""


@contextlib.contextmanager
def greedy(group: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", GREEDY, group]) as child:
        try:
            yield
        finally:
            child.kill()


@pytest.mark.everykernel
def test_a_throttled_group_and_its_pressure_each_take_a_snapshot(tmp_path: Path):
    """Version 1 throttles nobody, and has no pressure of its own: then that of the host is watched."""
    with any_memory_group() as (group, version), Workload("many_sites", 10, 3) as target:
        (group / "cgroup.procs").write_text(str(target.pid))
        if version == 2:
            (group / "memory.high").write_text(str(MARK))
        options = ("--on", "pressure=1%")
        with Recording(target, folder=tmp_path / "box", options=options) as recording:
            if version == 2:
                with greedy(group):
                    high = recording.until_kind("high")
                    pressed = recording.until_kind("pressure")
                assert f"{group}: above memory.high" in high.trigger.sentence
                assert f"{group} waited for memory for 1 % of 1 s" in pressed.trigger.sentence
                (process,) = high.processes
                assert process.group is not None
                assert process.group.limits["memory.high"] == MARK
                assert process.group.figures["memory.events.high"] > 0
            target.phases()
            assert recording.finish() == 0, recording.stderr()
            last = recording.last()
        assert (last.picture.totals.blocks, last.picture.totals.bytes) == (30, 1920)
        (process,) = last.processes
        assert process.group is not None
        assert process.group.version == version
        target.leave()


@pytest.mark.everykernel
def test_the_budget_is_a_share_of_what_the_group_leaves_of_a_processor(tmp_path: Path):
    log = tmp_path / "log"
    with cpu_group(20) as group, Workload("many_sites", 10, 3) as target:
        (group / "cgroup.procs").write_text(str(target.pid))
        options = ("--mode", "auto", "--budget", "5%", "--log-file", log)
        with Tracer(target, options=options) as tracer:
            wait_until(lambda: "the budget is" in log.read_text(), "the budget in the log")
            target.phases()
            picture = tracer.settled()
            tracer.finish()
        target.leave()
    assert "the budget is 1 % of a CPU: the targets may use 0.2" in log.read_text()
    assert picture.held == (30, 1920)


@pytest.mark.everykernel
def test_a_group_is_named_by_its_directory_or_as_proc_has_it():
    with control_group() as group, Workload("many_sites", 10, 3) as target:
        (group / "cgroup.procs").write_text(str(target.pid))
        with Tracer(options=("--cgroup", f"/{group.name}")) as tracer:
            assert [each["pid"] for each in tracer.first.targets] == [target.pid]
            target.phases()
            assert tracer.settled().held == (30, 1920)
            assert tracer.finish().status == 0
        target.leave()
