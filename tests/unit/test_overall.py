"""The trend of a history of totals."""

import math
from collections.abc import Callable, Iterable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpftrace.analysis.overall import overall
from ebpftrace.analysis.trend import TOO_EARLY, Trend
from tests.unit.simulated import Birth, outstanding, randomly, steadily

Program = Callable[[float, int], Iterable[Birth]]

MOMENTS = (20, 120, 1800, 18_000)
SEEDS = range(20)
COVERED = 16


def watched(births: Iterable[Birth], now: int) -> list[tuple[float, int]]:
    """A point a second, of a long watch 400."""
    count = min(400, now)
    return outstanding(births, [now * n / count for n in range(1, count + 1)])


def trends(program: Program, now: int) -> list[Trend]:
    return [overall(watched(program(now, seed), now)) for seed in SEEDS]


def covers(trend: Trend, rate: float) -> bool:
    assert trend.low is not None
    assert trend.high is not None
    return trend.low - 1e-6 * rate <= rate <= trend.high + 1e-6 * rate


def leak(now: float, seed: int) -> Iterable[Birth]:
    return randomly(seed, now / 250, now)


def work(now: float, seed: int) -> Iterable[Birth]:
    return randomly(100 + seed, now / 2000, now, mean_life=now / 100)


def start_up(now: float, seed: int) -> Iterable[Birth]:
    return randomly(200 + seed, 0.01, min(4.0, now / 10), sizes=(100,))


def leak_in_work(now: float, seed: int) -> Iterable[Birth]:
    return chain(leak(now, seed), work(now, seed))


def leak_after_start_up(now: float, seed: int) -> Iterable[Birth]:
    return chain(leak(now, seed), start_up(now, seed))


def late(now: float, seed: int) -> Iterable[Birth]:
    return randomly(seed, now / 250, now, start=now / 2)


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("program", [leak, leak_in_work, leak_after_start_up, late])
def test_a_leak_is_growing_and_its_rate_lies_in_the_interval(program: Program, now: int):
    found = [trend for trend in trends(program, now) if trend.word == "growing"]
    assert len(found) >= 18
    assert sum(covers(trend, 250_000 / now) for trend in found) >= COVERED


@pytest.mark.parametrize("now", MOMENTS)
def test_what_grew_and_stopped_is_levelling_off(now: int):
    def program(now: float, seed: int) -> Iterable[Birth]:
        return randomly(seed, now / 500, now / 2)

    for trend in trends(program, now):
        assert trend.word == "levelling off"
        assert covers(trend, 0.0)


@pytest.mark.parametrize("now", MOMENTS)
def test_start_up_alone_is_steady(now: int):
    assert {trend.word for trend in trends(start_up, now)} == {"steady"}


@pytest.mark.parametrize("now", [120, 1800, 18_000])
def test_what_goes_up_and_down_is_churning(now: int):
    def program(now: float, seed: int) -> Iterable[Birth]:
        return chain(work(now, seed), steadily(now / 9, now, size=20_000, life=now / 18))

    assert [trend.word for trend in trends(program, now)].count("churning") >= 18


@pytest.mark.parametrize("now", MOMENTS)
def test_one_big_block_is_no_growth(now: int):
    assert overall(watched([Birth(0.4 * now, 1 << 30)], now)).word == "steady"


def test_what_is_given_back_has_a_rate_below_0():
    trend = overall([(float(at), 10_000 - 50 * at) for at in range(100)])
    assert trend == ("churning", -50.0, -50.0, -50.0)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_few_points_are_too_few(count: int):
    assert overall([(10.0 * n, n) for n in range(count)]) == TOO_EARLY
    assert overall([(0.1 * n, n) for n in range(50)]) == TOO_EARLY


def test_points_whose_time_does_not_go_forward_are_left_out():
    points = [(float(at), 50 * at) for at in range(100)]
    mixed = [*points[:50], (3.0, 1 << 40), (math.nan, 5), (math.inf, 5), *points[50:]]
    assert overall(mixed) == overall(points)
    assert overall(points).word == "growing"


@given(st.lists(st.tuples(st.floats(), st.integers(-(1 << 70), 1 << 70)), max_size=60))
def test_whatever_comes_there_is_a_trend_and_its_rate_lies_in_its_interval(
    points: list[tuple[float, int]],
):
    word, rate, low, high = overall(points)
    if word is None:
        assert (rate, low, high) == (None, None, None)
    else:
        assert rate is not None
        assert low is not None
        assert high is not None
        assert -math.inf < low <= rate <= high < math.inf
