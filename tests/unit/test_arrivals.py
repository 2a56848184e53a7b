"""Processes that come are attached to as soon as that can be, in a bounded part of the time."""

import itertools

import pytest

from ebpftrace.errors import CannotAttach, HostRefuses, TargetGone
from ebpftrace.model.ids import Pid
from ebpftrace.session.arrivals import BURST_S, GRACE_S, SHARE, WAIT_S, Arrival, Arrivals

PID = Pid(7)


class Attempts:
    """`took`: seconds of each attempt; `errors`: what the first ones end in."""

    def __init__(self, *errors: Exception | None, took: float = 0.0) -> None:
        self.errors = list(errors)
        self.made: list[Pid] = []
        self.now = 100.0
        self.took = took
        self.arrivals = Arrivals(self.attach, lambda: self.now)

    def attach(self, arrival: Arrival) -> None:
        self.made.append(arrival.pid)
        self.now += self.took
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error

    def comes(self, pid: Pid = PID, in_s: float | None = 0.0) -> None:
        self.arrivals.add(Arrival(pid, self.now, self.now), in_s=in_s)

    def passes(self, seconds: float) -> None:
        """With a tick at its end."""
        self.now += seconds
        self.arrivals.tick()

    def waits(self) -> None:
        """Until the next try is due."""
        self.passes(self.arrivals.due_in() + 1e-6)


def test_a_program_with_its_libraries_is_attached_to_at_once():
    there = Attempts()
    there.comes()
    there.passes(0)
    assert (there.made, bool(there.arrivals)) == ([PID], False)
    assert there.arrivals.due_in() == float("inf")


def test_a_child_has_a_moment_for_its_exec_and_is_due_as_soon_as_that_has_come():
    there = Attempts()
    there.comes(in_s=GRACE_S)
    there.passes(GRACE_S / 2)
    assert there.made == []
    assert there.arrivals.exec(PID, there.now)
    there.passes(0)
    there.passes(GRACE_S)
    assert there.made == [PID]


def test_one_that_shares_its_parents_memory_waits_for_its_exec_and_is_no_loss_without_one():
    there = Attempts()
    there.comes(in_s=None)
    there.passes(60)
    assert (there.made, bool(there.arrivals)) == ([], True)
    there.arrivals.ended(PID)
    assert (there.arrivals.missed, bool(there.arrivals)) == (0, False)
    assert not there.arrivals.exec(PID, there.now), "it is another one by that number"


def test_who_ends_before_its_turn_is_counted_once():
    there = Attempts(TargetGone("ended"))
    there.comes(in_s=1.0)
    there.arrivals.ended(PID)
    there.arrivals.ended(PID)
    there.passes(2)
    assert (there.arrivals.missed, there.made) == (1, [])
    there.comes()
    there.passes(0)
    assert (there.arrivals.missed, bool(there.arrivals)) == (2, False)


def test_one_that_has_mapped_nothing_that_allocates_yet_is_tried_again_ever_more_rarely(caplog):
    there = Attempts(*[CannotAttach("none")] * 4)
    there.comes()
    there.passes(0)
    gaps = []
    while there.arrivals:
        gaps.append(there.arrivals.due_in())
        there.waits()
    assert len(there.made) == 5
    assert [later > sooner for sooner, later in itertools.pairwise(gaps)] == [True] * 3
    assert not caplog.records


def test_one_that_never_does_is_given_up_and_said_once_for_all_of_its_kind(caplog):
    there = Attempts(*[CannotAttach(f"Process {n} has no malloc.") for n in range(100)])
    for pid in (PID, Pid(8)):
        there.comes(pid)
    start = there.now
    while there.arrivals:
        there.waits()
    assert WAIT_S <= there.now - start < 2 * WAIT_S
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].startswith("Not traced: Process ")


def test_what_the_user_has_been_told_is_not_said_again(caplog):
    there = Attempts(HostRefuses("Of 7 files", "none is left."))
    there.arrivals.know("Of 9 files none is left.")
    there.comes()
    there.passes(0)
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


def test_an_exec_gives_a_program_its_whole_time_again():
    there = Attempts(*[CannotAttach("none")] * 100)
    there.comes()
    while there.now < 100.0 + WAIT_S - 0.7:
        there.waits()
    assert there.arrivals.exec(PID, there.now)
    there.errors = [CannotAttach("none")] * 3
    there.passes(WAIT_S - 0.1)
    while there.arrivals:
        there.waits()
    assert not there.errors


@pytest.mark.parametrize("error", [TargetGone("ended"), HostRefuses("no", "more files")])
def test_what_no_time_mends_is_not_tried_again(error):
    there = Attempts(error)
    there.comes()
    there.passes(0)
    there.passes(60)
    assert (there.made, bool(there.arrivals)) == ([PID], False)


def test_a_storm_takes_its_share_of_the_time_and_no_more():
    there = Attempts(took=0.02)
    for number in range(1, 5000):
        there.comes(Pid(number))
    began, spent, ticks = there.now, 0.0, 0
    while there.now < began + 30:
        before = there.now
        there.arrivals.tick()
        assert there.now - before < 0.15, "a tick is short"
        spent += there.now - before
        ticks += 1
        there.now += 0.05
    assert BURST_S + SHARE * 20 < spent < BURST_S + SHARE * 32
    assert there.made == [Pid(number) for number in range(1, len(there.made) + 1)], "in turn"
