"""What the kernel side tells, sorted by what is to be done first."""

from ebpftrace.kernel import layout
from ebpftrace.session.events import Life, Program, Told


def event(kind: int, slot: int = 1, count: int = 0, called: int = 0, moment: int = 0) -> bytes:
    return layout.EVENT.pack(kind, 0, 0, slot, count, called, moment)


STACK, MISS = event(layout.EVENT_STACK), event(layout.EVENT_MISS)


def test_each_kind_has_its_place_and_keeps_its_order():
    other = event(layout.EVENT_STACK, slot=2)
    thread = event(layout.EVENT_THREAD_EXIT, count=8, called=9, moment=10)
    fork = event(layout.EVENT_FORK, count=5, called=0x100)
    told = Told.of([STACK, thread, MISS, other, fork, event(layout.EVENT_LOADED, called=1)])
    assert told.stacks == [STACK, other]
    assert told.misses == [MISS]
    assert told.lives == [
        Life(layout.EVENT_THREAD_EXIT, 1, 8, 9, 10),
        Life(layout.EVENT_FORK, 1, 5, 0x100, 0),
    ]
    assert told.programs == [Program(layout.EVENT_LOADED, 1, True, 0, 0)]


def test_one_that_could_not_be_stopped_is_not_held():
    told = Told.of([event(layout.EVENT_EXEC, slot=3, count=7, moment=9)])
    assert told.programs == [Program(layout.EVENT_EXEC, 3, False, 7, 9)]


def test_what_a_slot_lives_through_after_its_exec_is_another_program_s():
    fork = event(layout.EVENT_FORK)
    others = event(layout.EVENT_FORK, slot=2)
    told = Told.of([fork, event(layout.EVENT_EXEC), fork, others])
    assert [life.slot for life in told.lives] == [1, 2]
    assert [life.slot for life in told.forks] == [1, 1, 2], "its children are to be followed"


def test_processes_without_a_slot_are_many_and_one_s_exec_is_no_other_s():
    ended = event(layout.EVENT_THREAD_EXIT, slot=0, count=8)
    told = Told.of([event(layout.EVENT_EXEC, slot=0, count=7), ended])
    assert [life.thread for life in told.lives] == [8]


def test_kinds_of_none_are_empty():
    assert Told.of([]) == Told([], [], [], [], [], [])
