"""Sampled counts: right on average, and inside their interval as often as it says."""

import math
import random
from collections.abc import Callable
from typing import NamedTuple

import pytest

from ebpftrace.drain.estimating import (
    Dispersion,
    Flicker,
    Part,
    Seen,
    error,
    of_site,
    unseen,
    variance,
    window,
)

SCALE, LENGTH, SECONDS = 16, 1 / 16, 40.0
RUNS = 120

Rate = Callable[[float], float]
"""Births a second at a moment."""


def births(chance: random.Random, mean: float) -> int:
    """A Poisson variable; of a large mean a rounded normal one, which is as good."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product, count = product * chance.random(), count + 1
    return count


class Life(NamedTuple):
    """Of a site: births a second at a moment, the size of a block, how long it lives."""

    rate: Rate
    size: Callable[[random.Random], int]
    lives: Callable[[random.Random], float] = lambda _: math.inf


def watched(chance: random.Random, life: Life) -> tuple[float, float, float]:
    """(what is held in the end, its estimate, the error of that), as pictures once a second have them."""
    stretch = SCALE * LENGTH
    blocks: list[tuple[float, float, int]] = []  # born, freed, size; of all
    seen_blocks: list[tuple[float, float, int]] = []
    seen, dispersion, flicker = Seen(), None, Flicker(0)
    now, looks = 0.0, 0
    while now < SECONDS:
        begin, end = window(stretch, LENGTH, chance.random())
        count = births(chance, life.rate(now + stretch / 2) * stretch)
        born = sorted(now + stretch * chance.random() for _ in range(count))
        new = [(at, at + life.lives(chance), life.size(chance)) for at in born]
        blocks += new
        windowed = [one for one in new if now + begin <= one[0] < now + end]
        seen_blocks += windowed
        now += stretch
        if windowed:
            dispersion = dispersion or Dispersion(seen)
            size = sum(one[2] for one in windowed)
            dispersion.add(len(windowed), size, round(LENGTH * 1e9), seen)
        seen.add(round(LENGTH * 1e9))
        looks += 1
        young = sum(size for at, freed, size in seen_blocks if at > now - 3 and freed > now)
        flicker.add(SCALE * young, looks)
    held = [size for _, freed, size in seen_blocks if freed > now]
    parts = [Part(SCALE * len(held), SCALE * sum(held), SCALE)] if held else []
    each = sum(one[2] for one in seen_blocks) / max(len(seen_blocks), 1)
    factor = dispersion.factor(seen) if dispersion else 1.0
    allocated = SCALE * sum(one[2] for one in seen_blocks)
    off = of_site(parts, factor, flicker.variance(looks, allocated / SECONDS), SCALE, each)
    truth = sum(size for _, freed, size in blocks if freed > now)
    return truth, float(SCALE * sum(held)), off


def covered(life: Life) -> tuple[float, float]:
    """(all estimates over the truths, how often the truth was inside)."""
    inside, estimates, truths = 0, 0.0, 0.0
    for number in range(RUNS):
        truth, estimate, off = watched(random.Random(number), life)
        inside += abs(estimate - truth) <= off
        estimates, truths = estimates + estimate, truths + truth
    return estimates / truths, inside / RUNS


def alike(_: random.Random) -> int:
    return 100


def varied(chance: random.Random) -> int:
    """A quarter is forty times as large: 10,000 and 250."""
    return 10_000 if chance.random() < 0.25 else 250


@pytest.mark.parametrize("size", [alike, varied])
@pytest.mark.parametrize(
    "rate",
    [
        pytest.param(lambda _: 200.0, id="often"),
        pytest.param(lambda _: 30.0, id="seldom"),
        pytest.param(lambda t: 800.0 if t % 8 < 2 else 0.0, id="in bursts of 2 s"),
        pytest.param(lambda t: 400.0 if t % 2 < 1 else 0.0, id="as windows come"),
        pytest.param(lambda t: 10.0 * t, id="more and more"),
        pytest.param(lambda t: 800.0 if t < 10 else 20.0, id="less all at once"),
    ],
)
def test_the_truth_is_inside_as_often_as_the_interval_says(rate: Rate, size):
    ratio, inside = covered(Life(rate, size))
    assert ratio == pytest.approx(1.0, abs=0.1)
    assert inside >= 0.92, (ratio, inside)


def test_of_nine_blocks_of_which_some_were_seen_the_truth_is_inside():
    found = [watched(random.Random(number), Life(lambda _: 0.225, alike)) for number in range(300)]
    seen = [one for one in found if one[1]]  # a site that was never seen is none
    assert sum(abs(estimate - truth) <= off for truth, estimate, off in seen) >= 0.92 * len(seen)


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.5, 2.0, 20.0])
def test_of_blocks_that_live_for_a_while_the_truth_is_inside_as_often(seconds: float):
    life = Life(lambda _: 200.0, alike, lambda chance: chance.expovariate(1 / seconds))
    assert covered(life)[1] >= 0.92


def test_the_interval_of_many_blocks_is_that_of_the_normal_distribution():
    parts = [Part(20_000, 2_000_000, 20)]
    exact = 1.96 * math.sqrt(19 * 2_000_000**2 / 20_000)
    assert error(2_000_000, variance(parts)) == pytest.approx(exact, rel=0.05)


def test_what_was_counted_exactly_has_no_error():
    assert variance([Part(10, 1000, 1), Part(0, 0, 20)]) == 0
    assert error(1000, 0.0) == 0
    assert unseen(1, 100.0) == 0


def test_of_one_block_that_was_seen_five_more_may_be_there():
    assert error(20 * 100, variance([Part(20, 2000, 20)])) == pytest.approx(2000 * 4.4, rel=0.1)
    assert unseen(20, 100.0) == pytest.approx(19 * 100 * 3.7, rel=0.05)


def test_a_window_lies_anywhere_in_its_stretch():
    assert window(0.4, 0.02, 0.0) == (0.0, 0.02)
    assert window(0.4, 0.02, 1.0) == pytest.approx((0.38, 0.4))
    assert window(0.02, 0.02, 0.5) == (0.0, 0.02)


def test_who_comes_in_bursts_is_dispersed_and_who_comes_evenly_is_not():
    seen = Seen()
    even, bursts = Dispersion(seen), Dispersion(seen)
    for number in range(40):
        even.add(10, 1000, 1000, seen)
        if number % 4 == 0:
            bursts.add(40, 4000, 1000, seen)
        seen.add(1000)
    assert even.factor(seen) == 1.0
    assert bursts.factor(seen) > 10
    few = Dispersion(seen)
    few.add(1, 10_000, 1000, seen)
    seen.add(1000)
    assert few.factor(seen) == 1.0


def test_who_comes_less_often_from_some_time_on_is_not_dispersed():
    seen = Seen()
    less = Dispersion(seen)
    for number in range(80):
        count = 1000 if number < 40 else 10
        less.add(count, 100 * count, 1000, seen)
        seen.add(1000)
    assert less.factor(seen) < 15  # by one step of eighty
