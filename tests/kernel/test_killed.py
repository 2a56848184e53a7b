"""A tool that is killed at any moment leaves no probe, no program, no map, no link, no process.

The target's own loop says when it is back to its bare speed: within a second by links, within four by
perf events, which the kernel removes one by one.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.kernel.harness import (
    BACKEND,
    EXACT,
    REPOSITORY,
    TIME_SCALE,
    TOOL,
    Tracer,
    Workload,
    backends,
    probed_text,
    wait_until,
)
from tests.kernel.leftovers import alive, bpf_objects

ATTACH_S = 1.0  # from the command to the first picture, and a little more
LINKS_S, PERF_S = 1.0 * TIME_SCALE, 4.0 * TIME_SCALE
LEFT_S = 10.0 * TIME_SCALE  # those of the trial at the start are perf events, on nobody's code
LINKS = next((backend for backend in backends() if backend != "perf"), None)
LIMIT_S = LINKS_S if LINKS and BACKEND != "perf" else PERF_S


def children(pid: int) -> list[int]:
    said = subprocess.run(
        ["ps", "--no-headers", "-o", "pid", "--ppid", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(word) for word in said.stdout.split()]


def worker_of(pid: int) -> int:
    """The child that places its probes; another may still look up lines."""
    (found,) = [
        child
        for child in children(pid)
        if Path(f"/proc/{child}/comm").read_text() == "ebpftrace-probe\n"
    ]
    return found


def start(target: Workload, backend: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*TOOL, "attach", *EXACT, "--json", "--backend", backend, "-p", str(target.pid)],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def is_as_before(target: Workload, bare: float, before: set[tuple[str, int]], limit: float) -> None:
    """Within `limit` seconds the target's code is its file's and its speed bare; nothing is left."""
    end = time.monotonic() + limit
    wait_until(lambda: not probed_text(target.pid), "no breakpoint in the target", limit)
    wait_until(lambda: target.pair_ns(3) < 3 * bare, "bare speed", max(end - time.monotonic(), 0.3))
    wait_until(lambda: bpf_objects() <= before, "no BPF object left", LEFT_S)


def kill_while_attaching(target: Workload, backend: str, after: float) -> list[int]:
    tool = start(target, backend)
    time.sleep(after)
    return kill(tool)


def kill_while_leaving(target: Workload, backend: str, after: float) -> list[int]:
    tool = start(target, backend)
    assert tool.stdout
    tool.stdout.readline()
    tool.send_signal(signal.SIGINT)
    time.sleep(after)
    return kill(tool)


def kill(tool: subprocess.Popen[bytes]) -> list[int]:
    helpers = children(tool.pid)
    tool.kill()
    tool.wait()
    assert tool.stdout
    tool.stdout.close()
    return helpers


CASES = {
    "attaching": (kill_while_attaching, [ATTACH_S * step / 12 for step in range(1, 13)]),
    "leaving": (kill_while_leaving, [0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12]),
}


@pytest.mark.skipif(LINKS is None, reason="this kernel has no links of many uprobes")
@pytest.mark.parametrize("moment", CASES)
def test_a_tool_killed_at_twenty_points_leaves_nothing_within_a_second(moment: str):
    kill_it, points = CASES[moment]
    assert LINKS is not None
    with Workload("loop_time") as target:
        target.go()
        bare, before = target.pair_ns(), bpf_objects()
        for after in points:
            helpers = kill_it(target, LINKS, after)
            is_as_before(target, bare, before, LINKS_S)
            are_gone(helpers)


@pytest.mark.parametrize("moment", CASES)
def test_a_tool_killed_with_perf_events_leaves_nothing_within_four_seconds(moment: str):
    kill_it, points = CASES[moment]
    with Workload("loop_time") as target:
        target.go()
        bare, before = target.pair_ns(), bpf_objects()
        for after in points[-3:]:
            kill_it(target, "perf", after)
            is_as_before(target, bare, before, PERF_S)


@pytest.mark.parametrize("by", [signal.SIGSEGV, signal.SIGABRT])
def test_a_tool_that_crashes_leaves_nothing(by: signal.Signals):
    with Workload("loop_time") as target:
        target.go()
        bare, before = target.pair_ns(), bpf_objects()
        with Tracer(target) as tracer:
            tracer.process.send_signal(by)
            tracer.process.wait()
            is_as_before(target, bare, before, LIMIT_S)


def test_without_its_worker_the_tool_says_that_the_target_is_lost_and_leaves():
    with Workload("loop_time") as target:
        target.go()
        bare, before = target.pair_ns(), bpf_objects()
        with Tracer(target) as tracer:
            worker = worker_of(tracer.pid)
            os.kill(worker, signal.SIGKILL)
            ended = tracer.ended()
        assert ended.status == 4
        assert [each["ended"] for each in ended.final.targets] == ["lost"]
        is_as_before(target, bare, before, LIMIT_S)


def are_gone(processes: list[int]) -> None:
    wait_until(lambda: not any(map(alive, processes)), "no process left", LEFT_S)
