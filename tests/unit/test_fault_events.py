"""Events of page faults: what is said where the kernel, or a limit, does not permit them."""

import errno
import os
import resource

import pytest

from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.kernel import syscalls
from ebpftrace.kernel.faults import FaultEvents
from ebpftrace.model.ids import Tid

THREADS = [Tid(10), Tid(11)]


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def opening(_thread: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(syscalls, "open_page_faults", opening)


def test_a_kernel_that_does_not_permit_it_is_told_with_the_call_and_a_way_out(
    monkeypatch: pytest.MonkeyPatch,
):
    refuse(monkeypatch, errno.EACCES)
    with pytest.raises(
        CannotAttach, match=r"Page faults cannot be watched: perf_event_open\(\) gives"
    ):
        FaultEvents().cover(3, lambda: THREADS)


def test_threads_that_have_all_ended_are_a_process_that_has(monkeypatch: pytest.MonkeyPatch):
    refuse(monkeypatch, errno.ESRCH)
    with pytest.raises(TargetGone):
        FaultEvents().cover(3, lambda: THREADS)


def test_too_few_files_are_said_with_the_number_of_threads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    with pytest.raises(
        CannotAttach, match=r"a file for each of 500 threads.*more than 100 files.*ulimit"
    ):
        FaultEvents().cover(3, lambda: [Tid(number) for number in range(1, 501)])


def test_threads_that_come_meanwhile_get_an_event_too(monkeypatch: pytest.MonkeyPatch):
    lists = iter([[Tid(1)], [Tid(1), Tid(2)], [Tid(1), Tid(2), Tid(3)], [Tid(1), Tid(3)]])
    opened: list[int] = []

    def opening(thread: int) -> int:
        opened.append(thread)
        return os.open(os.devnull, os.O_RDONLY)

    monkeypatch.setattr(syscalls, "open_page_faults", opening)
    monkeypatch.setattr(syscalls, "set_program", lambda *_: None)
    events = FaultEvents()
    events.cover(3, lambda: next(lists))
    assert opened == [1, 2, 3]
    assert len(events) == 3
    events.close()
    assert len(events) == 0
