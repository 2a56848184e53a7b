"""Children that are followed, as the kernel tells of them: whatever comes in one look has its order."""

from types import SimpleNamespace
from typing import Any

from ebpftrace.kernel import layout
from ebpftrace.session.events import Told
from ebpftrace.session.forks import CLONE_VM
from ebpftrace.session.newcomers import Newcomers
from ebpftrace.session.wanted import Wanted

SLOT, CHILD = 1, 7


def event(kind: int, slot: int, called: int = 0) -> bytes:
    return layout.EVENT.pack(kind, 0, 0, slot, CHILD, called, 10**9)


VFORK = event(layout.EVENT_FORK, SLOT, CLONE_VM)
EXEC, EXIT = event(layout.EVENT_EXEC, 0), event(layout.EVENT_THREAD_EXIT, 0)


def following() -> Newcomers:
    tracer: Any = SimpleNamespace(follows=False, knows_children=True)
    return Newcomers(Wanted(follow=True), tracer)


def test_a_program_that_came_and_ended_between_two_looks_was_missed():
    newcomers = following()
    newcomers.take(Told.of([VFORK, EXEC, EXIT]))
    assert (newcomers.missed, bool(newcomers)) == (1, False)


def test_a_program_that_ended_after_the_look_that_told_of_it_was_missed():
    newcomers = following()
    newcomers.take(Told.of([VFORK]))
    newcomers.take(Told.of([EXEC]))
    assert newcomers
    newcomers.take(Told.of([EXIT]))
    assert (newcomers.missed, bool(newcomers)) == (1, False)


def test_a_child_that_ended_in_its_parents_memory_had_nothing_to_be_missed():
    newcomers = following()
    newcomers.take(Told.of([VFORK, EXIT]))
    assert (newcomers.missed, bool(newcomers)) == (0, False)
