"""A process that holds the lock of its memory is named, and the tool lives on and leaves.

tests/kernel/stuck.py makes one. Where only readers hold its lock, no look at it tells, and placing a
probe waits: then every fork of the host waits as well, so that these tests let go within a second.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import syscalls
from ebpftrace.kernel.backends import ATTACH_TYPES, BACKENDS, Backend
from ebpftrace.kernel.instructions import RETURN_0
from ebpftrace.kernel.worker import LIMIT_S, Worker, WorkerSilent
from ebpftrace.model.ids import Pid
from ebpftrace.probes.plan import Probe
from ebpftrace.session.traced import Traced
from ebpftrace.target.process import Process
from ebpftrace.target.text import LiveText
from tests.kernel.harness import (
    EXACT,
    LEAVE_LIMIT,
    REPOSITORY,
    START_LIMIT,
    TIME_SCALE,
    TOOL,
    Lines,
    Program,
    Tracer,
    Workload,
    backends,
    probed_text,
    run_tool,
    wait_until,
)
from tests.kernel.leftovers import alive
from tests.kernel.stuck import MOST_S, state, stuck_process

# The worker is a fork of a process that has the harness's reader threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

PLACED_S = 0.8  # how long a placing may wait here, with every fork of the host


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    made.trial()
    yield made
    made.close()
    wait_until(made.ended, "the worker's end", LEAVE_LIMIT)


def can_fork() -> bool:
    """A child by fork(2): subprocess uses vfork(2), which copies no memory and always works."""
    before = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return time.monotonic() - before < 1.0 * TIME_SCALE


def test_attach_names_the_stuck_process_and_places_nothing():
    with Workload("loop_time") as target, stuck_process(writer=True) as pid:
        target.go()
        before = time.monotonic()
        tool = Program(
            [*TOOL, "attach", *EXACT, "--json", "-p", str(target.pid)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        assert tool.process.stderr
        narration = Lines(tool.process.stderr)
        try:
            wait_until(lambda: children_by_status(tool.pid), "the worker", START_LIMIT)
            workers = children_by_status(tool.pid)
            forked = True
            while tool.process.poll() is None:
                forked = forked and can_fork()
                assert time.monotonic() - before < START_LIMIT, "the tool does not end"
                time.sleep(0.05)
            took = time.monotonic() - before
            said = narration.next(1, "sentence")
        finally:
            tool.close()
            narration.close()
        assert forked
        assert tool.process.returncode == 3
        assert said is not None
        assert f"Process {pid} (stuck-process) is stuck" in said
        assert "Nothing was placed" in said
        assert took < LIMIT_S * TIME_SCALE, "it has waited for its worker"
        assert not probed_text(target.pid)
        assert state(pid) == "D", "all of this was while it was stuck"
    # Its own probes wait for a grace period, which may wait for what is stuck.
    wait_until(lambda: not any(map(alive, workers)), "no process left", LEAVE_LIMIT)


def children_by_status(pid: int) -> list[int]:
    """As `test_killed.children`; ps hangs at what is stuck."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("command", [("attach", "--json"), ("probes",), ("doctor",)])
def test_a_target_that_is_stuck_itself_is_named(command: tuple[str, ...]):
    with stuck_process(writer=True) as pid:
        before = time.monotonic()
        ran = run_tool(*command, "-p", pid)
        took = time.monotonic() - before
        assert state(pid) == "D", "all of this was while it was stuck"
    assert f"Process {pid}" in ran.stdout + ran.stderr
    assert "stuck in the kernel" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 3
    assert took < LIMIT_S * TIME_SCALE


def test_memory_that_never_answers_is_not_waited_for():
    with stuck_process(writer=False) as pid, Process.open(pid) as process:
        (odd,) = [one for one in process.maps() if one.path == "/dev/fuse"]
        before = time.monotonic()
        assert process.memory(odd.start, 8) == b""
        first = time.monotonic() - before
        assert all(process.memory(odd.start + at, 8) == b"" for at in range(100))
        assert time.monotonic() - before < first + 1.0 * TIME_SCALE, "it is waited for each time"
        with LiveText(process) as live, pytest.raises(CannotAttach, match="does not answer"):
            live.read(odd.start, 8)
        assert time.monotonic() - before < MOST_S / 2


def test_the_children_of_a_target_are_not_freed_of_breakpoints_where_every_fork_would_wait():
    if not set(backends()) - {"perf"}:
        pytest.skip("this kernel has no links of many uprobes")
    with Workload("fork_child") as target, Tracer(target) as tracer:
        with stuck_process(writer=True):
            target.go()
            for _ in range(20):
                assert can_fork()
                time.sleep(0.05)
            before = time.monotonic()
            tracer.settled()
            assert time.monotonic() - before < 2.0 * TIME_SCALE, "pictures wait for it"
        target.expect("done")
        ended = tracer.finish()
    assert ended.final.held == (60, 3840)
    assert ended.final.faults == {}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_who_leaves_while_a_process_is_stuck_keeps_no_fork_waiting(how: signal.Signals):
    with Workload("loop_time") as target, Tracer(target) as tracer:
        target.go()
        workers = children_by_status(tracer.pid)
        with stuck_process(writer=True) as pid:
            tracer.process.send_signal(how)
            before = time.monotonic()
            while time.monotonic() - before < 5.0 * TIME_SCALE:
                assert can_fork()
                time.sleep(0.05)
            assert tracer.process.poll() is not None, "it still waits"
            assert probed_text(target.pid), "removed, and yet no fork has waited"
            assert state(pid) == "D", "all of this was while it was stuck"
        wait_until(lambda: not probed_text(target.pid), "no probe left", LEAVE_LIMIT)
        wait_until(lambda: not any(map(alive, workers)), "no process left", LEAVE_LIMIT)
        if how == signal.SIGINT:
            ended = tracer.ended()
            assert ended.status == 0
            assert f"until process {pid} (stuck-process) is no longer stuck" in ended.stderr


def test_a_process_that_gets_stuck_later_is_seen_by_the_next_look(worker: Worker):
    worker.check_locks()
    time.sleep(0.2)  # what would look ahead has looked by now
    with stuck_process(writer=True) as pid:
        with pytest.raises(CannotAttach, match=rf"Process {pid} \(stuck-process\) is stuck"):
            worker.check_locks()
        before = time.monotonic()
        worker.close()
        assert time.monotonic() - before < 1.0 * TIME_SCALE, "it has waited for its worker"


def test_without_a_waiting_writer_a_look_passes(worker: Worker):
    with stuck_process(writer=False):
        worker.check_locks()


@pytest.mark.parametrize("backend", [each for each in BACKENDS if each != "session"])
def test_a_placing_that_waits_is_given_up_and_ends_when_the_lock_is_free(backend: Backend):
    if backend not in backends():
        pytest.skip(f"this kernel has no {backend}")
    with Workload("loop_time") as target, ExitStack() as undo:
        target.go()
        traced = Traced(Process.open(Pid(target.pid)))
        undo.callback(traced.close)
        probe = next(each for each in traced.plan.probes if each.kind == "entry")
        worker = Worker()
        undo.callback(worker.close)
        worker.trial()
        with stuck_process(writer=False) as pid:
            worker.check_locks()
            channel = worker.channel()
            before = time.monotonic()
            with pytest.raises(WorkerSilent) as silence:
                channel.ask(*request(backend, probe, target.pid), limit_s=PLACED_S)
            worker.close(limit_s=0)
            left, took = worker.ended(), time.monotonic() - before
        assert not left, "a worker that waits for the lock cannot leave"
        assert took < PLACED_S + 1.0 * TIME_SCALE
        assert f"memory of process {pid} (stuck-process), which is stuck" in str(silence.value)
        wait_until(worker.ended, "the worker gone", LEAVE_LIMIT)
        channel.close()
        assert not probed_text(target.pid)


def request(
    backend: Backend, probe: Probe, process: int
) -> tuple[dict[str, object], tuple[int, int]]:
    """To place a program that does nothing."""
    kind = ATTACH_TYPES[backend]
    program = syscalls.load_program(
        syscalls.PROG_TYPE_KPROBE, RETURN_0, "nothing", attach_type=kind
    )
    words = {
        "do": "place",
        "attach_type": kind,
        "returns": False,
        "offsets": [probe.offset],
        "cookies": [0],
        "cookies_are_known": False,
        "process": process,
        "thread": process,
    }
    return words, (program, probe.module.fd)


def test_a_channel_that_owes_an_answer_takes_no_other_request(worker: Worker):
    os.kill(worker.pid, signal.SIGSTOP)
    channel = worker.channel()
    with pytest.raises(WorkerSilent):
        channel.ask({"do": "trial"}, limit_s=0.1)
    os.kill(worker.pid, signal.SIGCONT)
    with pytest.raises(WorkerSilent, match="still owes an answer"):
        channel.ask({"do": "remove"})
    channel.close()


def test_a_worker_ends_also_while_its_maker_keeps_a_channel_open():
    worker = Worker()
    worker.trial()
    channel = worker.channel()
    channel.ask({"do": "remove"})
    before = time.monotonic()
    worker.close()
    assert worker.ended()
    assert time.monotonic() - before < 5.0 * TIME_SCALE
    channel.close()
