"""Signals that the tool gets and the program is meant by."""

import os
import signal
from collections.abc import Iterator

import pytest

from ebpftrace.cli import forwarding
from ebpftrace.cli.forwarding import Forwarding

ALL = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def sent() -> Iterator[list[int]]:
    before = {number: signal.getsignal(number) for number in ALL}
    yield []
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def foreground(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    here = {"now": False}
    monkeypatch.setattr(forwarding, "_in_foreground", lambda: here["now"])
    return here


def test_each_is_handed_on(sent, foreground):
    signals = Forwarding(sent.append)
    for number in ALL[:3]:
        os.kill(os.getpid(), number)
    assert sent == list(ALL[:3])
    assert not signals.stopped
    assert signals.number == signal.SIGTERM


def test_ctrl_c_at_a_terminal_has_reached_the_program_already(sent, foreground):
    foreground["now"] = True
    signals = Forwarding(sent.append)
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGQUIT)
    assert sent == []
    os.kill(os.getpid(), signal.SIGTERM)
    assert sent == [signal.SIGTERM]
    assert not signals.stopped


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_twice_the_watch_stops(first, second, sent, foreground):
    signals = Forwarding(sent.append)
    stopped = []
    for number in (first, second):
        os.kill(os.getpid(), number)
        stopped.append(signals.stopped)
    assert stopped == [False, True]
    assert signals.number == second
    assert sent == [first, second]


def test_any_number_of_interrupts_is_the_program_s_to_answer(sent, foreground):
    signals = Forwarding(sent.append)
    for _ in range(5):
        os.kill(os.getpid(), signal.SIGINT)
    assert not signals.stopped
    assert sent == [signal.SIGINT] * 5


def test_without_a_terminal_nobody_is_in_its_foreground(monkeypatch):
    def none(*unused: object) -> int:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(os, "open", none)
    assert not forwarding._in_foreground()
