"""The dashboard's source while the session is opened: however that ends, nothing of it is left."""

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from ebpftrace.cli.opening import Opening
from ebpftrace.errors import CannotAttach, HostRefuses
from ebpftrace.model.picture import Point
from tests.unit.builders import picture, site

LIMIT_S = 5.0


class Session:
    """As much of one as Opening needs."""

    def __init__(self):
        self.closed = False
        self.final = picture(site(), final=True)
        self.blocks = lambda _site, _last: "blocks"
        self.source = lambda _site, _frame, _around: "lines"

    def latest(self):
        return self.final

    def after(self, seen, _timeout):
        return None if seen is self.final else self.final

    def notes(self):
        return ("libfoo.so is left out.",)

    def stop(self):
        return self.final

    def slow_probes(self):
        return 3

    def close(self):
        self.closed = True


class Compiler:
    """`opened` and `interrupt` of an Opening: waits for `done`, or for the interruption."""

    def __init__(self, *, obeys=True):
        self.session = Session()
        self.obeys = obeys
        self.steps = []
        self.waiting, self.done = threading.Event(), threading.Event()
        self.interrupted = False

    def opened(self, _warn, step):
        self.step(step, "planning the probes")
        self.step(step, "compiling")
        self.waiting.set()
        assert self.done.wait(LIMIT_S)
        if self.interrupted and self.obeys:
            raise CannotAttach("The compilation was given up.")
        if not self.obeys:
            return self.session
        self.step(step, "placing 14 probes")
        return self.session

    def step(self, step, words):
        step(words)
        self.steps.append(words)

    def interrupt(self):
        self.interrupted = True
        self.done.set()


def opening(opened, interrupt=lambda: None):
    return Opening("app (pid 42)", opened, interrupt)


def first(source):
    end = time.monotonic() + LIMIT_S
    while (came := source.after(None, 0.05)) is None:
        assert time.monotonic() < end
    return came


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "opening"]


def test_no_picture_comes_before_the_session_and_then_its_own():
    compiler = Compiler()
    source = opening(compiler.opened, compiler.interrupt)
    assert source.after(None, 0.01) is None
    assert source.blocks(site()) is None
    assert source.source(site(), site().at.frames[0], 3) is None
    compiler.done.set()
    assert first(source) is compiler.session.final
    assert source.latest() is compiler.session.final
    assert source.after(compiler.session.final, 0.01) is None
    assert source.blocks(site()) == "blocks"
    assert source.source(site(), site().at.frames[0], 3) == "lines"
    assert source.stop() is compiler.session.final
    assert source.slow_probes() == 3
    source.close()
    assert compiler.session.closed
    assert not compiler.interrupted
    assert not threads()


def test_a_snapshot_is_taken_of_the_session_once_there_is_one(monkeypatch):
    calls = []

    def taken(*given):
        calls.append(given)
        return "snapshot"

    taking = SimpleNamespace(taken=taken)
    monkeypatch.setitem(sys.modules, "ebpftrace.session.taking", taking)
    compiler = Compiler()
    source = opening(compiler.opened, compiler.interrupt)
    points = (Point(1.0, 2, 3),)
    assert source.snapshot(picture(), points) is None
    compiler.done.set()
    shown = first(source)
    assert source.snapshot(shown, points) == "snapshot"
    source.close()
    ((session, saved, trigger, history),) = calls
    assert (session, saved, history) == (compiler.session, shown, points)
    assert trigger.kind == "asked"


@pytest.mark.parametrize(
    "failure",
    [CannotAttach("It has no allocator."), HostRefuses("No BPF.", "Mend it."), RuntimeError("x")],
)
def test_what_opening_raises_comes_out_of_the_source(failure):
    def opened(_warn, _step):
        raise failure

    source = opening(opened)
    with pytest.raises(type(failure)) as caught:
        first(source)
    assert caught.value is failure
    source.close()
    assert source.stop() is None
    assert not threads()


def test_what_is_done_is_said_in_words():
    compiler = Compiler()
    source = opening(compiler.opened, compiler.interrupt)
    assert source.doing == "attaching to app (pid 42): compiling"
    source.after(None, 0)
    assert compiler.waiting.wait(LIMIT_S)
    compiler.done.set()
    first(source)
    assert source.doing == "attaching to app (pid 42): placing 14 probes"
    source.close()


def test_warnings_are_notes_before_those_of_the_session():
    session = Session()

    def opened(warn, _step):
        warn("Process 7 is not traced.")
        return session

    source = opening(opened)
    first(source)
    assert source.notes() == ("Process 7 is not traced.", "libfoo.so is left out.")
    source.close()


def test_leaving_while_the_compiler_runs_does_not_wait_for_it():
    compiler = Compiler()
    source = opening(compiler.opened, compiler.interrupt)
    source.after(None, 0)
    assert compiler.waiting.wait(LIMIT_S)
    assert source.stop() is None
    assert compiler.interrupted
    assert not threads()
    source.close()
    assert not compiler.session.closed


def test_leaving_before_the_thread_has_begun_lets_it_begin_nothing():
    compiler = Compiler()
    opening(compiler.opened, compiler.interrupt).close()
    assert compiler.steps == []
    assert not threads()


def test_leaving_between_two_steps_ends_at_the_next_one():
    compiler = Compiler()

    def opened(warn, step):
        assert compiler.done.wait(LIMIT_S)
        return Compiler.opened(compiler, warn, step)

    source = opening(opened, compiler.interrupt)
    source.after(None, 0)
    source.close()
    assert compiler.steps == []
    assert not threads()


def test_a_session_that_comes_too_late_is_closed():
    compiler = Compiler(obeys=False)
    source = opening(compiler.opened, compiler.interrupt)
    source.after(None, 0)
    assert compiler.waiting.wait(LIMIT_S)
    source.close()
    assert compiler.session.closed
    assert not threads()


def test_a_failure_while_leaving_is_nobodys():
    def opened(_warn, _step):
        raise RuntimeError("the undoing broke")

    source = opening(opened)
    assert source.stop() is None
    source.close()
