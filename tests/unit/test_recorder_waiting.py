"""Waiting for pictures, signals and alarms at once, with real descriptors, signals and threads."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from ebpftrace.drain.poller import Poller
from ebpftrace.drain.polling import WATCHED, Polling
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarm, Alarms
from ebpftrace.recorder.arrivals import Arrivals
from ebpftrace.recorder.signals import Signals
from ebpftrace.recorder.survival import spare
from ebpftrace.recorder.waiting import Waiting
from tests.unit.builders import picture

SOON = 5.0


class Source:
    """Gives what is put to it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.newest = None
        self.failure = None

    def put(self, newest=None, failure=None) -> None:
        with self.changed:
            self.newest, self.failure = newest, failure
            self.changed.notify_all()

    def after(self, seen, timeout):
        with self.changed:
            self.changed.wait_for(lambda: self.newest is not seen or self.failure, timeout)
            if self.failure is not None:
                raise self.failure
            return self.newest

    def refresh(self, timeout):
        raise AssertionError

    def stop(self):
        raise AssertionError


class Told(Alarm):
    events = select.POLLIN

    def __init__(self) -> None:
        super().__init__("it is told")
        self.descriptor = self.event = os.eventfd(0)

    def at_event(self):
        return Trigger("oom", str(os.eventfd_read(self.event)))

    def close(self) -> None:
        os.close(self.event)


@contextmanager
def own_signals() -> Iterator[Signals]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        with closing(Signals()) as signals:
            yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def alarm():
    return Told()


@pytest.fixture
def waiting(source, alarm):
    with (
        own_signals() as signals,
        closing(Alarms([alarm], print)) as alarms,
        closing(Arrivals(source)) as arrivals,
    ):
        yield Waiting(arrivals, signals, alarms)
        source.put(picture(final=True))


def test_nothing_takes_as_long_as_was_asked(waiting):
    start = time.monotonic()
    assert waiting.wait(0.05) == (None, (), None)
    assert time.monotonic() - start >= 0.05


@pytest.mark.parametrize("seconds", [float("inf"), 1e12])
def test_waiting_for_ever_is_ended_by_a_picture(waiting, source, seconds):
    shown = picture()
    threading.Timer(0.05, source.put, [shown]).start()
    assert waiting.wait(seconds).picture is shown
    assert waiting.wait(0.0).picture is None


def test_a_signal_is_seen_within_a_tenth_of_a_second(waiting):
    sent: list[float] = []

    def send() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGUSR1)

    threading.Timer(0.05, send).start()
    seen = waiting.wait(SOON)
    assert time.monotonic() - sent[0] < 0.1
    assert seen.fired == (Trigger("asked", "asked for by SIGUSR1"),)
    assert waiting.wait(0.0).fired == ()


def test_an_alarm_is_seen_within_a_tenth_of_a_second(waiting, alarm):
    sent: list[float] = []

    def tell() -> None:
        sent.append(time.monotonic())
        os.eventfd_write(alarm.event, 3)

    threading.Timer(0.05, tell).start()
    seen = waiting.wait(SOON)
    assert time.monotonic() - sent[0] < 0.1
    assert seen.fired == (Trigger("oom", "3"),)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_has_a_name(waiting, number):
    os.kill(os.getpid(), number)
    assert waiting.wait(SOON).stopped == number.name


def test_what_the_source_raises_is_raised_here(waiting, source):
    source.put(failure=RuntimeError("worker"))
    with pytest.raises(RuntimeError, match="worker"):
        waiting.wait(SOON)


def test_a_hang_up_that_was_ignored_from_the_start_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with own_signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.stopped is None
    finally:
        signal.signal(signal.SIGHUP, before)


# --- a picture on request ---------------------------------------------------------------------------------


@contextmanager
def polling(interval: float, draw_s: float = 0.0) -> Iterator[Poller]:
    def draw(final: bool):
        time.sleep(draw_s)
        return picture(since_attach_s=time.monotonic(), final=final)

    def listen(most_ms: int) -> list[bytes]:
        time.sleep(most_ms / 1000)
        return []

    poller = Poller(
        Polling(interval, WATCHED),
        interval,
        listen,
        lambda: None,
        lambda _events: None,
        lambda: True,
        draw,
    )
    poller.start()
    try:
        yield poller
    finally:
        poller.stop()


def test_a_picture_that_is_asked_for_is_drawn_after_that_and_soon():
    with polling(interval=3600.0) as poller:
        for _ in range(3):
            asked = time.monotonic()
            drawn = poller.refresh(SOON)
            assert drawn is not None
            assert drawn.since_attach_s >= asked
            assert time.monotonic() - asked < 0.4


def test_a_picture_that_is_drawn_just_now_is_not_the_one():
    with polling(interval=0.05, draw_s=0.1) as poller:
        for _ in range(3):
            asked = time.monotonic()
            drawn = poller.refresh(SOON)
            assert drawn is not None
            assert drawn.since_attach_s >= asked + 0.1


def test_pictures_that_are_asked_for_have_a_rest_between_them():
    with polling(interval=3600.0) as poller:
        start = time.monotonic()
        for _ in range(5):
            poller.refresh(SOON)
        assert time.monotonic() - start >= 0.4


def test_who_asks_after_the_end_gets_the_final_picture():
    with polling(interval=3600.0) as poller:
        poller.stop()
        last = poller.refresh(0.0)
        assert last is not None
        assert last.final


def test_a_picture_that_takes_too_long_is_none():
    with polling(interval=3600.0, draw_s=0.5) as poller:
        assert poller.refresh(0.05) is None


# --- being killed last ----------------------------------------------------------------------------------------


def test_it_is_spared_by_the_killer_where_that_is_permitted(tmp_path):
    for pid, text in ((7, "0\n"), (8, "-1000\n"), (9, "nonsense")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "oom_score_adj").write_text(text)
    spare([7, 8, 9, 10], tmp_path)
    written = [(tmp_path / str(pid) / "oom_score_adj").read_text() for pid in (7, 8, 9)]
    assert written == ["-900", "-1000\n", "nonsense"]


def test_after_the_watch_the_signals_are_ignored_up_to_the_very_end():
    script = (
        "import signal; from ebpftrace.recorder.signals import Signals; Signals().close();"
        "print(*(int(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGUSR1)))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert said.stdout.split() == [b"%d" % signal.SIG_IGN] * 2
