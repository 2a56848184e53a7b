"""What becomes of the probes when the thread that holds them ends."""

from types import SimpleNamespace

import pytest

from ebpftrace.errors import TargetGone
from ebpftrace.session.upkeep import Upkeep

HOLDER, OTHER = 42, 43


class Held:
    """A target whose probes HOLDER holds. `living`: the thread that they can be held by next."""

    def __init__(self, living=OTHER, *, settled=False, gone=False):
        self.process = SimpleNamespace(pid=HOLDER, ended=lambda: gone)
        self.blind_since = None
        self.attachment = object()
        self.ending = SimpleNamespace(settled=settled)
        self.thread, self.living = HOLDER, living
        self.blind_s, self.moves = 0.0, 0

    def move(self, *_unused):
        self.moves += 1
        if self.living is None:
            raise TargetGone("Process 42 has ended.")
        self.thread, self.attachment = self.living, object()


def upkeep(*, knows_ends=True):
    tracer = SimpleNamespace(knows_ends=knows_ends)
    return Upkeep(tracer, SimpleNamespace(add=lambda _: None))  # type: ignore[arg-type]


def ended(held, kept):
    return kept.thread_ended(held, HOLDER, 0, 1000.0)


def test_probes_go_on_by_another_thread_and_the_gap_is_told():
    held, kept = Held(), upkeep()
    assert ended(held, kept)
    assert (held.thread, held.moves) == (OTHER, 1)
    assert held.blind_s > 0
    assert kept.blind_hits > 0


@pytest.mark.parametrize("living", [None, HOLDER])
def test_the_end_of_the_last_thread_leaves_no_gap(living):
    held, kept = Held(living), upkeep()
    assert ended(held, kept)
    assert (held.blind_s, kept.blind_hits) == (0.0, 0)
    assert (held.blind_since is None) == (living is HOLDER), "its probes are in place again"


def test_probes_are_not_placed_anew_in_a_process_that_is_being_killed():
    held, kept = Held(settled=True), upkeep()
    assert ended(held, kept)
    assert (held.moves, held.blind_s, kept.blind_hits) == (0, 0.0, 0)


@pytest.mark.parametrize("how", [{"gone": True}, {"living": None}])
def test_other_threads_that_went_on_for_a_while_were_blind_until_the_end_is_told(how):
    held, kept = Held(**how), upkeep()
    assert kept.thread_ended(held, HOLDER, 1_000_000_000, 1000.0)
    assert (held.blind_s, kept.blind_hits) == (0.0, 0)
    held.ending.settled = True
    assert kept.thread_ended(held, OTHER, 1_200_000_000, 1000.0)
    assert held.blind_s == pytest.approx(0.2)
    assert kept.blind_hits == 200
    assert kept.thread_ended(held, OTHER, 1_300_000_000, 1000.0)
    assert kept.blind_hits == 200


def test_where_the_kernel_does_not_tell_ends_apart_nothing_is_made_up():
    held, kept = Held(gone=True), upkeep(knows_ends=False)
    assert kept.thread_ended(held, HOLDER, 1_000_000_000, 1000.0)
    held.ending.settled = True
    assert kept.thread_ended(held, HOLDER, 1_200_000_000, 1000.0)
    assert (held.blind_s, kept.blind_hits) == (0.0, 0)
