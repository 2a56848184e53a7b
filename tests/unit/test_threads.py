"""A thread that cannot run is an error of its start, and of nobody who waits for it."""

import _thread
import threading

import pytest

from ebpftrace import threads
from ebpftrace.threads import Thread

LIMIT_S = 10.0


def test_a_thread_runs_is_known_by_its_number_and_can_be_waited_for():
    gate = threading.Event()
    numbers: list[tuple[int, int | None]] = []

    def work(given: int) -> None:
        numbers.append((given, threading.get_native_id()))
        assert gate.wait(LIMIT_S)

    thread = Thread(work, "work", (1,))
    assert (thread.native_id, thread.is_alive()) == (None, False)
    thread.join()  # it has not begun
    thread.start()
    assert thread.is_alive()
    thread.join(0.01)
    assert thread.is_alive()
    gate.set()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert numbers == [(1, thread.native_id)]


def test_one_that_had_no_memory_for_its_first_step_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "_BEGIN_S", 0.01)
    monkeypatch.setattr(_thread, "start_new_thread", lambda *_: 0)
    thread = Thread(print, "work")
    with pytest.raises(RuntimeError, match="can't start new thread"):
        thread.start()
    assert not thread.is_alive()
    thread.join()


def test_one_that_begins_after_it_was_given_up_does_nothing(monkeypatch: pytest.MonkeyPatch):
    late = []
    monkeypatch.setattr(threads, "_BEGIN_S", 0.01)
    monkeypatch.setattr(_thread, "start_new_thread", lambda body, _: late.append(body))
    done: list[int] = []
    thread = Thread(done.append, "work", (1,))
    with pytest.raises(RuntimeError):
        thread.start()
    late[0]()
    assert (done, thread.native_id) == ([], None)


def test_where_there_is_no_thread_at_all_the_start_says_so(monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Thread(print, "work").start()
