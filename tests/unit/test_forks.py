"""When the links of a target that forks are renewed, and when its children are looked at."""

from itertools import pairwise

from ebpftrace.session.forks import CLONE_VM, Forks

SIGCHLD = 17


def renewals(forks: Forks, forks_at: list[float], until: float) -> list[float]:
    """The times of renewal, looked for every 10 ms."""
    found, waiting = [], sorted(forks_at)
    for step in range(int(until * 100)):
        now = step / 100
        while waiting and waiting[0] <= now:
            forks.forked(SIGCHLD, waiting.pop(0))
        if forks.renewal_due(now):
            found.append(now)
    return found


def test_a_fork_after_a_quiet_time_renews_at_once():
    assert renewals(Forks(), [3.0], 6.0) == [3.0]


def test_nothing_is_due_without_a_child_and_then_at_once_or_after_the_gap():
    forks = Forks()
    assert forks.due_in(3.0) == float("inf")
    forks.forked(SIGCHLD, 3.0)
    assert forks.due_in(3.0) == 0
    assert forks.renewal_due(3.0)
    assert forks.due_in(3.01) == float("inf")
    forks.forked(SIGCHLD, 3.02)
    assert 0.05 < forks.due_in(3.02) < 0.1
    forks.forked(CLONE_VM | SIGCHLD, 3.02)
    assert forks.due_in(3.02) <= 0.05
    assert forks.due_in(9.0) == 0


def test_forks_within_the_gap_are_one_renewal_within_200_ms():
    found = renewals(Forks(), [1.0, 1.02, 1.05], 6.0)
    assert len(found) == 2
    assert found[0] == 1.0
    assert found[1] <= 1.05 + 0.2


def test_a_target_that_forks_all_the_time_has_every_child_freed_within_200_ms():
    found = renewals(Forks(), [step / 20 for step in range(20 * 10)], 11.0)
    assert all(later - earlier <= 0.2 for earlier, later in pairwise(found))


def test_renewals_that_take_long_are_fewer_but_one_a_second():
    forks = Forks()
    forks.renewed(0.1)
    forks.forked(SIGCHLD, 10.0)
    assert forks.renewal_due(10.0)
    forks.forked(SIGCHLD, 10.01)
    assert not forks.renewal_due(10.19)
    assert forks.renewal_due(10.21)
    forks.renewed(5.0)
    forks.forked(SIGCHLD, 10.22)
    assert forks.renewal_due(11.22)


def test_a_child_that_shares_the_memory_is_looked_at_after_a_moment_and_needs_no_renewal():
    forks = Forks()
    forks.forked(CLONE_VM | SIGCHLD, 1.0)
    assert not forks.look_due(1.02)
    assert forks.look_due(1.06)
    assert not forks.look_due(1.07)
    assert not forks.renewal_due(5.0)
