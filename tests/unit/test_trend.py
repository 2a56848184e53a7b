"""The trend of simulated programs, a while and a long time after the attach."""

import math
from collections.abc import Callable, Iterable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpftrace.analysis.trend import TOO_EARLY, Trend, merged, trend_of, trend_of_site
from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.picture import Cohort, Counts
from tests.unit.builders import site
from tests.unit.simulated import Birth, randomly, seen, steadily

Program = Callable[[float, int], Iterable[Birth]]

MOMENTS = (20.0, 120.0, 1800.0, 18_000.0)
SEEDS = range(20)
# An interval of 95 % misses one of twenty, and a few more by chance.
COVERED = 16


def often(now: float) -> float:
    """Seconds between the births of a busy site."""
    return now / 2000


def trends(program: Program, now: float) -> list[Trend]:
    return [trend_of(*seen(program(now, seed), now)) for seed in SEEDS]


def words(program: Program, now: float) -> list[str | None]:
    return [trend.word for trend in trends(program, now)]


def covers(trend: Trend, rate: float) -> bool:
    assert trend.low is not None
    assert trend.high is not None
    return trend.low - 1e-6 * rate <= rate <= trend.high + 1e-6 * rate


def work(now: float, seed: int) -> Iterable[Birth]:
    return randomly(100 + seed, often(now), now, mean_life=0.2)


def start_up(now: float, seed: int) -> Iterable[Birth]:
    return randomly(200 + seed, 0.01, 3.0, sizes=(10_000,))


def even(now: float, seed: int) -> Iterable[Birth]:
    return steadily(4 * often(now), now)


def random_leak(now: float, seed: int) -> Iterable[Birth]:
    return randomly(seed, 8 * often(now), now)


def many_sizes(now: float, seed: int) -> Iterable[Birth]:
    return randomly(seed, 8 * often(now), now, sizes=(16, 100, 1000, 9000))


def rare(now: float, seed: int) -> Iterable[Birth]:
    return randomly(seed, now / 100, now)


def leak_after_start_up(now: float, seed: int) -> Iterable[Birth]:
    return chain(start_up(now, seed), random_leak(now, seed))


def leak_in_work(now: float, seed: int) -> Iterable[Birth]:
    return chain(work(now, seed), random_leak(now, seed))


def late(now: float, seed: int) -> Iterable[Birth]:
    return randomly(seed, often(now), now, start=now / 2)


def later(now: float, seed: int) -> Iterable[Birth]:
    return randomly(seed, often(now), now, start=0.7 * now)


LEAKS: dict[Program, float] = {
    even: 250,
    random_leak: 125,
    many_sizes: 10_116 / 4 / 8,
    rare: 1000 / 20,
    leak_after_start_up: 125,
    leak_in_work: 125,
    late: 1000,
}


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("program", LEAKS)
def test_a_leak_is_growing_and_its_rate_lies_in_the_interval(program: Program, now: float):
    found = trends(program, now)
    growing = [trend for trend in found if trend.word == "growing"]
    assert len(growing) >= len(found) - 2
    rate = LEAKS[program] / often(now)
    assert sum(covers(trend, rate) for trend in growing) >= COVERED


@pytest.mark.parametrize("now", MOMENTS)
def test_a_leak_that_is_a_third_of_the_watch_old_is_growing(now: float):
    assert words(later, now).count("growing") >= 18


@pytest.mark.parametrize("now", [120.0, 1800.0, 18_000.0])
def test_a_late_leak_shows_in_a_site_that_goes_on_freeing(now: float):
    def program(now: float, seed: int) -> Iterable[Birth]:
        return chain(work(now, seed), randomly(seed, 8 * often(now), now, start=now / 2))

    assert words(program, now).count("growing") >= 14


@pytest.mark.parametrize("now", MOMENTS)
def test_work_is_churning_and_no_growth(now: float):
    for trend in trends(work, now):
        assert trend.word == "churning"
        assert covers(trend, 0.0)


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("share", [4, 6, 8, 11, 15, 30, 100])
def test_work_that_takes_part_of_the_watch_to_be_freed_is_churning(share: int, now: float):
    def program(now: float, seed: int) -> Iterable[Birth]:
        return randomly(seed, often(now), now, mean_life=now / share)

    assert words(program, now).count("churning") >= 19


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("share", [2, 4, 12])
def test_a_full_cache_that_evicts_its_oldest_is_churning(share: int, now: float):
    cache = steadily(often(now), now, life=now / share)
    assert trend_of(*seen(cache, now)).word == "churning"


@pytest.mark.parametrize("now", MOMENTS)
def test_a_cache_that_filled_and_keeps_what_it_has_is_levelling_off(now: float):
    cache = list(steadily(often(now), now / 3))
    assert trend_of(*seen(chain(cache, work(now, 1)), now)).word == "levelling off"


@pytest.mark.parametrize("now", MOMENTS)
def test_start_up_is_steady_and_no_growth(now: float):
    for trend in trends(start_up, now):
        assert trend == ("steady", 0.0, 0.0, 0.0)


@pytest.mark.parametrize("now", MOMENTS)
def test_start_up_is_steady_where_work_goes_on(now: float):
    def program(now: float, seed: int) -> Iterable[Birth]:
        return chain(start_up(now, seed), work(now, seed))

    assert set(words(program, now)) == {"steady"}


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("end", [1 / 4, 1 / 2, 3 / 4])
def test_a_leak_that_has_stopped_is_levelling_off(end: float, now: float):
    def program(now: float, seed: int) -> Iterable[Birth]:
        return randomly(seed, often(now), end * now)

    for trend in trends(program, now):
        assert trend.word == "levelling off"
        assert covers(trend, 0.0)


@pytest.mark.parametrize("now", MOMENTS)
def test_a_leak_that_has_slowed_down_is_levelling_off_at_its_new_rate(now: float):
    def program(now: float, seed: int) -> Iterable[Birth]:
        slow = randomly(100 + seed, 10 * often(now), now, start=now / 2)
        return chain(randomly(seed, often(now), now / 2), slow)

    found = trends(program, now)
    assert {trend.word for trend in found} == {"levelling off"}
    assert sum(covers(trend, 100 / often(now)) for trend in found) >= COVERED


@pytest.mark.parametrize("size", [16, 1 << 30])
@pytest.mark.parametrize("now, every", [(120.0, 10), (1800.0, 10), (1800.0, 60), (18_000.0, 60)])
def test_a_leak_in_bursts_is_growing(now: float, every: int, size: int):
    for start in range(1, every, 3):
        trend = trend_of(*seen(steadily(every, now, start=start, size=size), now))
        assert trend.word == "growing"
        assert covers(trend, size / every)


@pytest.mark.parametrize("now, every", [(20.0, 10), (120.0, 60)])
def test_two_bursts_are_too_few_to_say(now: float, every: int):
    for start in range(every // 3, every, 3):
        assert trend_of(*seen(steadily(every, now, start=start), now)) == TOO_EARLY


@pytest.mark.parametrize("now", MOMENTS)
def test_one_big_block_is_no_growth(now: float):
    big = Birth(0.4 * now, 1 << 30)
    for seed in SEEDS:
        assert trend_of(*seen([big], now)).word in (None, "steady")
        assert trend_of(*seen([big, *work(now, seed)], now)).word in (None, "steady")


@pytest.mark.parametrize("now", MOMENTS)
def test_a_leak_beside_what_is_much_more_is_said_in_its_rate_only(now: float):
    held = (Birth(0.5, 1 << 40) for _ in range(3))
    trend = trend_of(*seen(chain(held, even(now, 1)), now))
    assert trend.word == "steady"
    assert covers(trend, 250 / often(now))


def test_a_hundred_small_sites_are_one_large_leak():
    sites = [seen(randomly(seed, 200, 1800, sizes=(16, 48)), 1800) for seed in range(100)]
    counts = Counts(*(sum(column) for column in zip(*(one.counts for one in sites), strict=True)))
    trend = trend_of(merged(one.cohorts for one in sites), counts, 1800)
    assert trend.word == "growing"
    assert covers(trend, 100 * 32 / 200)


def test_cohorts_of_one_epoch_are_added_and_come_in_order():
    first = (Cohort(3, 1, 10), Cohort(9, 2, 20, 5))
    second = (Cohort(1, 1, 7), Cohort(3, 4, 40, 1))
    assert merged([first, second, ()]) == (
        Cohort(1, 1, 7),
        Cohort(3, 5, 50, 1),
        Cohort(9, 2, 20, 5),
    )
    assert merged([]) == ()


def test_adopted_blocks_are_no_growth():
    cohorts, _, now = seen(even(120.0, 1), 120.0)
    adopted = tuple(one._replace(adopted_bytes=one.bytes) for one in cohorts)
    counts = Counts(adopted_blocks=1, adopted_bytes=sum(one.bytes for one in cohorts))
    assert trend_of(adopted, counts, now) == ("steady", 0.0, 0.0, 0.0)


def test_what_holds_nothing_is_churning_where_something_was_freed():
    assert trend_of((), Counts(5, 500, 5, 500), 120.0).word == "churning"
    assert trend_of((), Counts(), 120.0) == TOO_EARLY


def test_a_site_whose_cohorts_are_not_known_has_no_trend():
    assert trend_of((), Counts(5, 500), 120.0) == TOO_EARLY


@pytest.mark.parametrize("now", [0.0, 5.0, 9.0])
def test_the_first_seconds_are_too_early(now: float):
    assert trend_of(*seen(steadily(0.01, now), now)) == TOO_EARLY


@pytest.mark.parametrize("now", [50.0, 0.0, -7.0, math.nan, math.inf, -math.inf])
def test_time_that_has_gone_back_is_too_early(now: float):
    cohorts, counts, _ = seen(even(120.0, 1), 120.0)
    assert trend_of(cohorts, counts, now) == TOO_EARLY


def test_births_of_a_moment_ahead_of_the_picture_do_no_harm():
    cohorts, counts, now = seen(even(50.0, 1), 50.0)
    assert trend_of(cohorts, counts, now - 1.5).word == "growing"


def test_order_does_not_matter():
    known = seen(even(1800.0, 1), 1800.0)
    assert trend_of(known.cohorts[::-1], known.counts, known.now) == trend_of(*known)


def test_absurd_cohorts_are_as_if_they_were_not_there():
    cohorts, counts, now = known = seen(even(120.0, 1), 120.0)
    absurd = (Cohort(-5, 1, 10**9), Cohort(1 << 40, 1, 10**9), Cohort(3, -1, -(10**400)))
    assert trend_of((*cohorts, *absurd), counts, now) == trend_of(*known)


numbers = st.integers(-(1 << 70), 1 << 70) | st.integers(-2, 1 << 20)
cohort_lists = st.lists(st.builds(Cohort, st.integers(-2, 400), numbers, numbers, numbers))


@given(cohort_lists, st.builds(Counts, *[numbers] * 6), st.floats())
def test_whatever_comes_there_is_a_trend_and_its_rate_lies_in_its_interval(
    cohorts: list[Cohort], counts: Counts, now: float
):
    word, rate, low, high = trend_of(cohorts, counts, now)
    if word is None:
        assert (rate, low, high) == (None, None, None)
    else:
        assert rate is not None
        assert low is not None
        assert high is not None
        assert 0.0 <= low <= rate <= high < math.inf


def test_two_hundred_cohorts_of_an_old_watch_are_judged():
    known = seen(steadily(1, 15_000), 15_000)
    assert len(known.cohorts) > 200
    assert trend_of(*known).word == "growing"


def test_what_a_resize_replaces_is_not_judged():
    """A buffer that doubles: each time its block is born anew, and the one before is freed."""
    cohorts, total = (Cohort(epoch_at(118), 1, 1 << 20),), Counts(20, (2 << 20) - 1, 19, 1 << 20)
    assert trend_of(cohorts, total, 120.0, "realloc") == TOO_EARLY
    assert trend_of(cohorts, total, 120.0, "malloc").word is not None
    grown = site(allocator="realloc", cohorts=cohorts, counts=total)
    assert trend_of_site(grown, 120.0) == TOO_EARLY


def test_a_buffer_that_is_resized_no_more_is_steady():
    cohorts, total = (Cohort(3, 1, 1 << 20),), Counts(20, (2 << 20) - 1, 19, 1 << 20)
    assert trend_of(cohorts, total, 120.0, "realloc").word == "steady"
