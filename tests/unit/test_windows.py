"""When windows come: as much of the time as the scale says, at random moments."""

import random

import pytest

from ebpftrace.session.windows import Plan, lengths

S = 1_000_000_000


@pytest.mark.parametrize(
    "scale, milliseconds, stretch_ms", [(4, 250, 1000), (16, 62, 1000), (64, 20, 1280)]
)
def test_a_window_is_at_least_so_long_and_one_comes_in_a_second_or_so(
    scale, milliseconds, stretch_ms
):
    length, stretch = lengths(scale)
    assert (length // 1_000_000, stretch // 1_000_000) == (milliseconds, stretch_ms)


class Target:
    """One that makes so many calls a second, `slower` times fewer in a window."""

    def __init__(self, scale: int, calls_per_s: float = 0.0, slower: float = 1.0) -> None:
        self.plan = Plan(scale, 0, 0, random.Random(5).random)
        self.rate, self.slower = calls_per_s / S, slower
        self.now, self.calls = 0, 0.0
        self.seen_calls = self.seen_ns = 0.0
        self.lengths: list[int] = []
        self.begins: list[float] = []

    def stretch(self, late: int = 0, *, opened: bool = True) -> None:
        begin, length = self.plan.next(self.now, round(self.calls))
        assert self.now <= begin
        assert begin + length <= self.plan.stretch_ends
        whole = self.plan.stretch_ends - self.now
        self.begins.append((begin - self.now) / whole)
        self.lengths.append(length)
        inside = self.rate * length / self.slower if opened else self.rate * length
        self.calls += inside + self.rate * (whole - length + late)
        if opened:
            self.plan.saw(length, round(inside))
            self.seen_calls, self.seen_ns = self.seen_calls + inside, self.seen_ns + length
        self.now = self.plan.stretch_ends + late


@pytest.mark.parametrize("scale", [4, 16, 64])
def test_without_calls_windows_have_their_share_of_time_at_random_moments(scale):
    target = Target(scale)
    for _ in range(500):
        target.stretch()
    assert target.seen_ns == pytest.approx(target.now / scale, rel=0.01)
    middle = sum(target.begins) / len(target.begins)
    assert middle == pytest.approx(0.5 * (1 - 1 / scale), abs=0.05)


@pytest.mark.parametrize("scale", [4, 16, 64])
@pytest.mark.parametrize("slower", [1.0, 3.0, 10.0])
def test_windows_see_their_share_of_the_calls_however_slow_they_make_them(scale, slower):
    target = Target(scale, 100_000, slower)
    for _ in range(300):
        target.stretch()
    assert target.seen_calls == pytest.approx(target.calls / scale, rel=0.02)


def test_where_even_most_of_the_time_does_not_see_enough_windows_are_no_longer_than_that():
    target = Target(4, 100_000, 100.0)
    for _ in range(100):
        target.stretch()
    assert max(target.lengths) == 800_000_000


def test_what_comes_late_is_made_up_for():
    target = Target(16, 1000)
    for number in range(200):
        target.stretch(late=S if number % 10 == 0 else 0)
    assert target.seen_calls == pytest.approx(target.calls / 16, rel=0.03)


def test_windows_that_never_opened_are_made_up_for():
    target = Target(16, 1000)
    for number in range(60):
        target.stretch(opened=not 10 <= number < 20)
    assert target.seen_calls == pytest.approx(target.calls / 16, rel=0.03)
