"""Session programs at calls that are left and may still come back: a return probe would be the program's end.

They leave it out where it would. Another tracer's return probe at the same function undoes that, whatever process
it is for: nothing else may run beside these. Cases: the header comment of tests/workloads/jumps.c.
"""

import signal

import pytest

from tests.kernel.harness import WORK_LIMIT, Tracer, Workload, backends

needs_session = pytest.mark.skipif(
    "session" not in backends(), reason="this kernel has no session programs"
)


@needs_session
def test_a_call_left_for_a_higher_stack_returns_alive_under_session_programs():
    with (
        Workload("jumps", "lower") as target,
        Tracer(target, options=("--backend", "session")) as tracer,
    ):
        target.phases()
        assert tracer.settled().loss("call_lost") >= 1
        assert target.leave() == 0


def test_the_same_program_dies_where_the_kernel_takes_the_call_for_dead():
    """What the guard of session programs is for. Other probes cannot have it."""
    with (
        Workload("jumps", "lower") as target,
        Tracer(target, options=("--backend", "perf")) as tracer,
    ):
        target.go()
        assert target.wait(WORK_LIMIT) == -signal.SIGILL
        tracer.ended()


@needs_session
def test_what_follows_a_jump_out_of_a_call_is_lost_and_counted_under_session_programs():
    with (
        Workload("jumps") as target,
        Tracer(target, options=("--backend", "session")) as tracer,
    ):
        target.phases()
        picture = tracer.settled()
    followed = picture.held_in("malloc_after_jump_up")[0]
    assert followed + picture.loss("call_lost") >= 100
