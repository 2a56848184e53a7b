"""Which processes run in the memory of another one."""

import time
from pathlib import Path

from ebpftrace.target.process import Process
from ebpftrace.target.relatives import shares_memory_with
from tests.kernel.harness import TIME_SCALE, Workload, run_tool


def pids(target: Workload) -> dict[str, int]:
    return {what: int(pid) for what, pid in (line.split() for line in target.said)}


def test_a_child_that_shares_memory_is_found_and_a_forked_one_is_not():
    with Workload("clone_vm") as target:
        told = pids(target)
        with Process.open(target.pid) as process:
            assert shares_memory_with(process) == [told["shared"]]
        with Process.open(told["shared"]) as process:
            assert shares_memory_with(process) == [target.pid]
        with Process.open(told["forked"]) as process:
            assert shares_memory_with(process) == []


def test_threads_are_no_relatives_and_the_dead_are_not_compared():
    with Workload("leader_exits", "before") as target, Process.open(target.pid) as process:
        assert shares_memory_with(process) == []


def test_looking_costs_microseconds_a_process():
    with Workload("clone_vm") as target, Process.open(target.pid) as process:
        running = sum(entry.name.isdigit() for entry in Path("/proc").iterdir())
        start = time.perf_counter()
        shares_memory_with(process)
        # Measured: 8 ms for 2,100 processes.
        assert time.perf_counter() - start < TIME_SCALE * (0.02 + running * 50e-6)


def test_doctor_names_the_relatives():
    with Workload("clone_vm") as target:
        found = run_tool("doctor", "-p", target.pid)
        told = pids(target)
    assert f"process {told['shared']} runs in the same memory" in found.stdout
