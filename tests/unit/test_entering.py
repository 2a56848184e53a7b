"""When a launched program is probed, with a kernel side and a child that are only told."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.kernel import layout
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.session import entering
from ebpftrace.session.entering import PATIENCE_S, Entering
from tests.unit.space_builders import Clock

EXEC, LOADED = layout.EVENT_EXEC, layout.EVENT_LOADED


class World:
    """What an `Entering` asks for, and what it did, in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.did: list[str] = []
        self.clock = Clock()
        self.has_ended = False
        self.refuses: CannotAttach | None = None
        self.mapped = True
        self.loader: Any = SimpleNamespace(has_mapped=lambda process: self.mapped)
        self.trial = ProbeTrial(survives_seccomp=True)
        process = SimpleNamespace(pid=7, __enter__=None, close=lambda: self.did.append("closed"))
        monkeypatch.setattr(entering, "Process", SimpleNamespace(open=lambda pid: Opened(process)))
        monkeypatch.setattr(entering, "open_modules", lambda process: ())
        monkeypatch.setattr(entering, "loader_of", lambda process, modules, at_exec: self.loader)
        self.entering = Entering(self, self, self.attach, self, self.clock)  # type: ignore[arg-type]

    pid = 7
    command = ("/bin/prog\x1b[2J",)

    def attach(self, pid: int) -> None:
        if self.refuses:
            raise self.refuses
        self.did.append("attached")

    def go(self) -> None:
        self.did.append("go")

    def resume(self) -> None:
        self.did.append("resumed")

    def ended(self) -> bool:
        return self.has_ended

    def watch(self, pid: int, slot: int, *, held: bool) -> None:
        assert (pid, slot, held) == (7, 0, True)
        self.did.append("watched")

    def tell_of_libraries(self, loader: Any, pid: int) -> str:
        self.did.append("loader probed")
        return "probe"

    def add(self, probe: str) -> None:
        self.did.append("loader left")

    def done(self) -> list[str]:
        """What was done since this was asked last."""
        did, self.did = self.did, []
        return did

    def enter(self, *kinds: int) -> None:
        """Run until it is traced, with these told in turn."""
        left = iter(kinds)
        self.entering.run_in(lambda: self.tell(next(left)))

    def tell(self, kind: int) -> None:
        """It is held from now on."""
        self.clock.now += 0.001
        self.entering.on_program(kind, self.moment_ns())

    def moment_ns(self) -> int:
        return round(self.clock.now * 1e9)


class Opened(SimpleNamespace):
    def __init__(self, process: SimpleNamespace) -> None:
        super().__init__(**vars(process))

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


AT_EXEC = ["watched", "loader probed", "resumed"]
AT_LIBRARIES = ["closed", "loader left", "attached", "resumed"]


def test_it_is_watched_before_it_goes_and_probed_once_its_libraries_are_there(world):
    world.enter(EXEC, LOADED)
    assert world.done() == ["watched", "go", *AT_EXEC, *AT_LIBRARIES]
    assert world.entering.entered
    assert not world.entering


def test_a_loader_that_has_only_begun_is_let_go_on(world):
    world.mapped = False
    world.tell(EXEC)
    world.tell(LOADED)
    assert world.done() == [*AT_EXEC, "resumed"]
    world.mapped = True
    world.tell(LOADED)
    assert world.done() == AT_LIBRARIES


def test_a_stop_that_is_told_twice_is_ended_once(world):
    """The second SIGCONT would come when it is held where its libraries are there."""
    world.mapped = False
    world.tell(EXEC)
    world.tell(LOADED)
    told_again = world.moment_ns()
    assert world.done() == [*AT_EXEC, "resumed"]
    world.mapped = True
    world.entering.on_program(LOADED, told_again)
    assert world.done() == []
    world.tell(LOADED)
    assert world.done() == AT_LIBRARIES


def test_a_program_without_a_loader_is_probed_at_its_exec(world):
    world.loader = None
    world.enter(EXEC)
    assert world.done() == ["watched", "go", "watched", "closed", "attached", "resumed"]


def test_a_later_dlopen_only_lets_it_go_on(world):
    world.enter(EXEC, LOADED)
    world.done()
    world.tell(LOADED)
    assert world.done() == ["resumed"]


def test_an_exec_while_libraries_are_awaited_begins_anew(world):
    world.tell(EXEC)
    world.tell(EXEC)
    assert world.done() == [*AT_EXEC, "closed", "loader left", *AT_EXEC]
    assert world.entering


def test_a_first_program_that_cannot_be_probed_stays_held(world):
    world.refuses = CannotAttach("No allocator.")
    with pytest.raises(CannotAttach):
        world.enter(EXEC, LOADED)
    assert "resumed" not in world.done()[-2:]
    world.entering.close()
    assert world.done() == []


def test_a_later_one_that_cannot_be_probed_goes_on_with_a_warning(world, caplog):
    world.enter(EXEC, LOADED)
    world.done()
    world.refuses = CannotAttach("No allocator.")
    world.tell(EXEC)
    world.tell(LOADED)
    assert world.done() == [*AT_EXEC, "closed", "loader left", "resumed"]
    assert caplog.messages == ["Not traced after its exec: No allocator."]


def test_a_program_that_ends_before_it_is_traced_is_gone(world):
    world.has_ended = True
    with pytest.raises(TargetGone, match=r"^/bin/prog·\[2J ended before it could be traced"):
        world.entering.run_in(lambda: None)


def test_a_kernel_that_tells_nothing_of_the_exec_is_waited_for_and_then_no_longer(world, caplog):
    def later() -> None:
        world.clock.now += PATIENCE_S / 2

    world.entering.run_in(later)
    assert world.done() == ["watched", "go", "attached", "resumed"]
    assert world.clock.now == 100 + PATIENCE_S
    assert "told nothing of its exec" in caplog.text
    assert world.entering.late


def test_a_loader_that_tells_nothing_is_waited_for_and_then_no_longer(world, caplog):
    world.tell(EXEC)
    world.clock.now += PATIENCE_S - 0.1
    world.entering.tick()
    assert world.done() == AT_EXEC
    world.clock.now += 0.1
    world.entering.tick()
    assert world.done() == AT_LIBRARIES
    assert "its loader told nothing" in caplog.text
    assert world.entering.late
    world.entering.tick()
    assert world.done() == []


def test_the_end_of_the_program_ends_all_waiting(world):
    world.tell(EXEC)
    world.done()
    world.has_ended = True
    world.entering.tick()
    assert not world.entering
    assert world.done() == ["closed", "loader left"]


@pytest.mark.parametrize("bits, resumed", [(0, False), (layout.MISS_COUNTED, False), (3, True)])
def test_one_that_was_held_at_a_walk_goes_on(world, bits, resumed):
    events = [layout.EVENT.pack(layout.EVENT_MISS, end, 0, 1, 0, 0, 0) for end in (0, bits)]
    world.entering.on_misses(events)
    assert world.done() == ["resumed"] * resumed


def test_closing_lets_go_what_is_held_and_leaves_the_loader(world):
    world.enter(EXEC, LOADED)
    world.tell(EXEC)
    world.done()
    world.entering.close()
    assert world.done() == ["closed", "loader left", "resumed"]
    assert not world.entering


def test_a_kernel_on_which_seccomp_is_a_danger_is_said_first(world, caplog):
    world.trial = ProbeTrial(survives_seccomp=False)
    with caplog.at_level(logging.WARNING):
        world.enter(EXEC, LOADED)
    assert "seccomp filter" in caplog.messages[0]
