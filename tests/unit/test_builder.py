"""The thread on which rows are made."""

import threading
import time

import pytest

from ebpftrace.tui import builder
from ebpftrace.tui.builder import Builder
from ebpftrace.tui.composer import Composer, Request
from tests.unit.builders import picture, site
from tests.unit.composing import VIEW


@pytest.fixture
def building():
    running = []

    def start():
        ready = threading.Semaphore(0)
        one = Builder(ready.release)
        one.start()
        running.append(one)
        return one, ready

    yield start
    for one in running:
        one.stop()


def request(number):
    return Request(picture(site(), since_attach_s=float(number)), VIEW)


def test_what_is_asked_for_is_made_and_told(building):
    one, ready = building()
    asked = request(1)
    one.ask(asked)
    assert ready.acquire(timeout=5)
    assert one.shown is not None
    assert one.shown.request is asked


def test_a_request_that_nobody_has_begun_with_is_replaced(building, monkeypatch):
    made, going = [], threading.Event()

    class Slow(Composer):
        def compose(self, request):
            made.append(request.picture.since_attach_s)
            going.wait(5)
            return super().compose(request)

    monkeypatch.setattr(builder, "Composer", Slow)
    one, ready = building()
    one.ask(request(0))
    while not made:
        time.sleep(0.001)
    for number in range(1, 50):
        one.ask(request(number))
    going.set()
    assert ready.acquire(timeout=5)
    assert ready.acquire(timeout=5)
    assert made == [0.0, 49.0]


def test_what_making_raises_is_kept_for_the_dashboard(building, monkeypatch):
    class Broken(Composer):
        def compose(self, request):
            raise ZeroDivisionError

    monkeypatch.setattr(builder, "Composer", Broken)
    one, ready = building()
    one.ask(request(0))
    assert ready.acquire(timeout=5)
    assert isinstance(one.failure, ZeroDivisionError)


def test_it_stops_at_once_while_nothing_is_asked_for(building):
    one, _ = building()
    began = time.monotonic()
    one.stop()
    assert time.monotonic() - began < 1
