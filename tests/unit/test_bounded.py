"""Calls with a time limit: those that hang, and those that only get no processor."""

import threading
import time

import pytest

from ebpftrace.bounded import within

SHORT_S = 0.01


def test_what_it_returns_and_what_it_raises():
    assert within(60, lambda: 5) == 5
    with pytest.raises(KeyError):
        within(60, {}.popitem)


def test_what_waits_for_something_is_given_up():
    release = threading.Event()
    with pytest.raises(TimeoutError):
        within(SHORT_S, release.wait)
    release.set()


def test_what_computes_has_more_time():
    def busy() -> int:
        end = time.thread_time() + 3 * SHORT_S
        while time.thread_time() < end:
            pass
        return 7

    assert within(SHORT_S, busy) == 7
