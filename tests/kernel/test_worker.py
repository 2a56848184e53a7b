"""Placing probes has a time limit: what is stuck is named, and the tool lives and leaves."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from ebpftrace.kernel.worker import Worker, WorkerGone, WorkerSilent
from tests.kernel.harness import (
    LEAVE_LIMIT,
    TIME_SCALE,
    Tracer,
    Workload,
    probed_text,
    wait_until,
)
from tests.kernel.leftovers import alive
from tests.kernel.test_killed import worker_of

# The worker is a fork of a process that has the harness's reader threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    made.trial()
    yield made
    if not made.ended():
        os.kill(made.pid, signal.SIGCONT)
    made.close()


def test_a_worker_that_does_not_answer_is_named_within_the_limit(worker: Worker):
    os.kill(worker.pid, signal.SIGSTOP)
    channel = worker.channel()
    before = time.monotonic()
    with pytest.raises(
        WorkerSilent, match=r"has not answered for 1 s\..* It was stopped; kill -CONT \d+ "
    ):
        channel.ask({"do": "trial"}, limit_s=1.0)
    assert time.monotonic() - before < 3 * TIME_SCALE
    channel.close()


def test_a_worker_that_is_only_slow_is_waited_for():
    slow = Worker()  # it forks and probes itself before it answers anything
    channel = slow.channel()
    assert channel.ask({"do": "trial"}, limit_s=0.001)
    channel.close()
    slow.close()


def test_a_worker_that_was_ended_is_told_apart_from_a_silent_one(worker: Worker):
    channel = worker.channel()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(
        WorkerGone, match="was killed by SIGKILL, as it is when memory runs out, and they are gone"
    ):
        channel.ask({"do": "trial"})
    wait_until(worker.ended, "its end seen")
    channel.close()


def test_leaving_a_worker_that_is_stuck_takes_no_longer_than_its_limit(worker: Worker):
    os.kill(worker.pid, signal.SIGSTOP)
    before = time.monotonic()
    worker.close(limit_s=0.5)
    assert time.monotonic() - before < 3 * TIME_SCALE


def test_a_tool_whose_worker_was_stopped_leaves_and_the_worker_ends_with_it():
    with Workload("loop_time") as target:
        target.go()
        with Tracer(target) as tracer:
            worker = worker_of(tracer.pid)
            os.kill(worker, signal.SIGSTOP)
            tracer.process.kill()
            tracer.process.wait()
            wait_until(lambda: not alive(worker), "the worker gone", LEAVE_LIMIT)
            wait_until(lambda: not probed_text(target.pid), "no probe left", LEAVE_LIMIT)


def test_every_process_of_the_host_is_looked_at_before_the_first_probe(worker: Worker):
    worker.check_locks()
    worker.check_locks()
