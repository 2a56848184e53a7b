"""When a program's libraries are looked at, and what is said of what is found."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import Slot
from ebpftrace.session.libraries import Libraries
from ebpftrace.target.space import Changes
from tests.unit.probe_builders import module, probe

LATE = SimpleNamespace(key=("0:1", 2, "/late.so"), name="/late.so", fd=9)
CHANGED = Changes(code_changed=True, gone=())


class World:
    """One traced program in slot 1; time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.extended: list[list[Any]] = []
        self.moved = 0
        self.refreshed = 0
        self.placed: list[Any] = []
        self.notes: list[str] = []
        self.consistent = True
        self.failure: Exception | None = None
        self.listener: Any = None
        self.appearing: list[Any] = []
        self.space = SimpleNamespace(loaded=(), listen=self.listen, refresh=self.refresh)
        loader = SimpleNamespace(has_mapped=lambda _: self.consistent)
        self.traced: Any = SimpleNamespace(
            slot=Slot(1),
            process=SimpleNamespace(pid=42),
            space=self.space,
            loader=loader,
            plan=SimpleNamespace(undecided=()),
            extend=self.extend,
            code_moved=self.code_moved,
            note=self.notes.append,
        )
        self.libraries = Libraries(None, self.placed.extend, lambda: self.now)  # type: ignore[arg-type]
        self.libraries.begin(self.traced)  # type: ignore[arg-type]

    def listen(self, listener: Any) -> None:
        self.listener = listener

    def refresh(self) -> None:
        self.refreshed += 1
        if self.appearing:
            self.space.loaded = (*self.space.loaded, *self.appearing)
            self.appearing = []
            self.listener(CHANGED)

    def extend(self, tracer: Any, modules: list[Any]) -> list[Any]:
        self.extended.append(modules)
        if self.failure:
            raise self.failure
        return [probe(module=module("/late.so"))] if LATE in modules else []

    def code_moved(self, tracer: Any) -> None:
        self.moved += 1

    def told(self, *, held: bool = False) -> None:
        self.libraries.told(1, 1, held=held)


@pytest.fixture
def world() -> World:
    return World()


def test_what_the_loader_tells_of_is_probed_and_said_with_the_time_it_took(world, caplog):
    world.appearing = [LATE]
    world.told()
    assert world.extended == [[LATE]]
    assert len(world.placed) == 1
    assert world.moved == 1
    assert "Process 42 has loaded the allocator /late.so (glibc). It is probed since" in caplog.text


def test_of_a_program_that_waits_nothing_is_missed_and_nothing_said(world, caplog):
    world.appearing = [LATE]
    world.told(held=True)
    assert world.extended == [[LATE]]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert world.notes == []


def test_a_loader_that_has_only_begun_is_not_gone_after(world):
    world.consistent = False
    world.appearing = [LATE]
    before = world.refreshed
    world.told()
    assert world.refreshed == before


def test_a_library_is_looked_at_once(world):
    world.appearing = [LATE]
    world.told()
    world.now += 10
    world.listener(CHANGED)
    world.libraries.tick()
    assert world.extended == [[LATE]]
    assert world.moved == 2


def test_one_that_comes_by_a_reading_of_the_maps_is_probed_at_the_next_tick(world):
    world.appearing = [LATE]
    world.refresh()
    world.libraries.tick()
    assert world.extended == [[LATE]]
    assert "It is probed some time later; what it gave before is not seen." in world.notes[0]


def test_what_the_loader_was_not_heard_of_is_found_a_moment_later(world):
    world.consistent = False
    world.told()  # and not again: it has called too often
    world.appearing = [LATE]
    world.now += 0.1
    world.libraries.tick()
    assert world.extended == []
    world.now += 0.2
    world.libraries.tick()
    assert world.extended == [[LATE]]
    before = world.refreshed
    world.now += 10
    world.libraries.tick()
    assert world.refreshed == before


def test_nothing_changed_is_nothing_to_do(world):
    world.libraries.tick()
    assert (world.extended, world.moved) == ([], 0)


def test_what_cannot_be_probed_is_tried_some_times_and_said_once(world, caplog):
    world.failure = CannotAttach("A lock is held.")
    world.appearing = [LATE]
    world.told()
    for _ in range(20):
        world.now += 2
        world.libraries.tick()
    assert len(world.extended) == 5
    assert caplog.text.count("A lock is held.") == 1


def test_a_program_that_loads_all_the_time_is_looked_at_a_tenth_of_it(world):
    def slow(tracer: Any, modules: list[Any]) -> list[Any]:
        world.now += 1.0
        world.extended.append(modules)
        return []

    world.traced.extend = slow
    for number in range(50):
        world.appearing.append(SimpleNamespace(key=number, name=str(number), fd=9))
        world.told()
        world.now += 0.1
    assert len(world.extended) == 1
    world.now += 10
    world.libraries.tick()
    assert len(world.extended) == 2
    assert len(world.extended[1]) == 49


def test_of_a_slot_that_has_ended_nothing_is_looked_at(world):
    world.libraries.end(Slot(1))
    world.appearing = [LATE]
    world.told()
    world.libraries.tick()
    assert world.extended == []
