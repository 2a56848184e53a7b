"""Processes that have replaced their program are attached to as soon as that can be."""

import pytest

from ebpftrace.errors import CannotAttach, HostRefuses, TargetGone
from ebpftrace.model.ids import Pid
from ebpftrace.session.following import WAIT_S, Following

PID = Pid(7)


class Attempts:
    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.made = 0
        self.now = 0.0
        self.following = Following(self.attach, lambda: self.now)

    def attach(self, pid: Pid) -> None:
        assert pid == PID
        self.made += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error


def test_a_program_with_its_libraries_is_attached_to_at_once():
    there = Attempts()
    there.following.add(PID)
    assert (there.made, bool(there.following)) == (1, False)


def test_one_that_has_mapped_nothing_that_allocates_yet_is_tried_again(caplog):
    there = Attempts(CannotAttach("none"), CannotAttach("none"))
    there.following.add(PID)
    assert there.following
    there.following.tick()
    there.following.tick()
    assert (there.made, bool(there.following)) == (3, False)
    assert not caplog.records


def test_one_that_never_does_is_given_up_in_a_sentence(caplog):
    there = Attempts(*[CannotAttach("It defines no malloc.")] * 3)
    there.following.add(PID)
    there.now = WAIT_S - 0.1
    there.following.tick()
    assert there.following
    there.now = WAIT_S
    there.following.tick()
    there.following.tick()
    assert (there.made, bool(there.following)) == (3, False)
    assert [record.getMessage() for record in caplog.records] == [
        "Not traced after its exec: It defines no malloc."
    ]


@pytest.mark.parametrize("error", [TargetGone("ended"), HostRefuses("no", "more files")])
def test_what_no_time_mends_is_not_tried_again(error):
    there = Attempts(error)
    there.following.add(PID)
    there.following.tick()
    assert (there.made, bool(there.following)) == (1, False)
