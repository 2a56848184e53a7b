"""What becomes of the probes when the thread that holds them ends."""

from types import SimpleNamespace

import pytest

from ebpftrace.errors import TargetGone
from ebpftrace.session.upkeep import Upkeep

HOLDER, OTHER = 42, 43


class Held:
    """A target whose probes HOLDER holds. `living`: the thread that they can be held by next."""

    def __init__(self, living=OTHER, *, settled=False):
        self.process = SimpleNamespace(pid=HOLDER, ended=lambda: False)
        self.ending = SimpleNamespace(settled=settled)
        self.thread, self.living = HOLDER, living
        self.blind_s, self.moves = 0.0, 0

    def move(self, *_unused):
        self.moves += 1
        if self.living is None:
            raise TargetGone("Process 42 has ended.")
        self.thread = self.living


def upkeep():
    return Upkeep(SimpleNamespace(), SimpleNamespace(add=lambda _: None))  # type: ignore[arg-type]


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


def test_probes_are_not_placed_anew_in_a_process_that_is_being_killed():
    held, kept = Held(settled=True), upkeep()
    assert ended(held, kept)
    assert (held.moves, held.blind_s, kept.blind_hits) == (0, 0.0, 0)
