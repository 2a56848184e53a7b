"""By what a target ended, by the best source that says anything."""

import signal

import pytest

from ebpftrace.kernel.layout import EXIT_OOM, EXIT_TOLD
from ebpftrace.session import ending
from ebpftrace.session.ending import Ending
from ebpftrace.target.ending import WaitStatus
from tests.unit.space_builders import StubProcess


class Host:
    """What /proc and the memory group say. `killed`: the count of the group, None without one."""

    def __init__(self, monkeypatch, status=None, killed=None, killed_here=None):
        self.status, self.killed, self.killed_here = status, killed, killed_here
        place = None if killed is None else "a group"
        monkeypatch.setattr(ending, "place_of", lambda _: place)
        monkeypatch.setattr(ending, "killed_in", lambda _: self.killed)
        monkeypatch.setattr(ending, "killed_on_host", lambda: self.killed_here)
        monkeypatch.setattr(ending, "wait_status", lambda _: self.status)

    def ending(self):
        return Ending(StubProcess())  # type: ignore[arg-type]


KILLED = WaitStatus(0, signal.SIGKILL)


def test_the_word_of_the_kernel_side_counts_before_all_others(monkeypatch):
    one = Host(monkeypatch, WaitStatus(0, 11)).ending()
    one.told(EXIT_TOLD | 3 << 8)
    one.told(0)  # of a thread that ended when that was open
    assert one.words() == "status 3"


def test_the_end_of_one_thread_is_not_that_of_the_process(monkeypatch):
    one = Host(monkeypatch).ending()
    one.told(0)
    assert not one.settled
    one.told(EXIT_TOLD)
    assert one.settled


@pytest.mark.parametrize(
    "called, words",
    [
        (EXIT_TOLD, "status 0"),
        (EXIT_TOLD | 0x8B, "SIGSEGV"),
        (EXIT_TOLD | 9, "SIGKILL"),
        (EXIT_TOLD | EXIT_OOM | 9, "SIGKILL, out of memory"),
        (EXIT_TOLD | EXIT_OOM | 1 << 8, "status 1"),  # it was about to end when it was chosen
        (EXIT_TOLD | 62, "signal 62"),
    ],
)
def test_the_kernel_side_tells_status_signal_and_the_oom_killer_s_choice(
    monkeypatch, called, words
):
    host = Host(monkeypatch, killed=1)
    one = host.ending()
    host.killed = 2  # another process of the group
    one.told(called)
    assert one.words() == words


def test_without_its_word_what_proc_tells_counts(monkeypatch):
    assert Host(monkeypatch, WaitStatus(3, 0)).ending().words() == "status 3"
    assert Host(monkeypatch).ending().words() is None


def test_then_a_kill_counts_as_out_of_memory_where_the_group_has_counted_one(monkeypatch):
    host = Host(monkeypatch, KILLED, killed=4)
    one = host.ending()
    assert one.words() == "SIGKILL"
    host.killed = 5
    one.look()  # counted already, but it takes a moment to end
    assert one.words() == "SIGKILL, out of memory"


def test_a_kill_of_the_group_from_long_ago_is_another_s(monkeypatch):
    host = Host(monkeypatch, KILLED, killed=4)
    one = host.ending()
    host.killed = 5
    one.look()
    one.look()
    assert one.words() == "SIGKILL"


def test_without_a_group_those_of_the_host_count(monkeypatch):
    host = Host(monkeypatch, KILLED, killed_here=0)
    one = host.ending()
    host.killed_here = 1
    assert one.words() == "SIGKILL, out of memory"
    assert Host(monkeypatch, KILLED).ending().words() == "SIGKILL"
