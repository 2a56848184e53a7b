"""Robust estimates, their intervals, and changes of level."""

import random

import pytest

from ebpftrace.analysis.regression import last_change, location, slope, steps


def noise(seed: int, count: int, around: float = 0.0) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(around, 1.0) for _ in range(count)]


def test_the_middle_of_nothing_is_nothing():
    assert location([]) == slope([]) == slope([(1.0, 5.0)]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("count", [1, 2, 5, 6, 20])
def test_the_middle_of_equal_values_is_certain(count):
    assert location([7.0] * count) == (7.0, 7.0, 7.0)


def test_an_interval_of_the_middle_holds_the_truth_19_times_of_20():
    found = [location(noise(seed, 20, around=5.0)) for seed in range(200)]
    assert sum(one.low <= 5.0 <= one.high for one in found) >= 190


def test_one_value_of_twenty_moves_neither_the_middle_nor_its_interval_far():
    found = location([*noise(1, 19, around=5.0), 1e12])
    assert 4.0 < found.low < found.value < found.high < 6.5


def test_a_line_is_found_under_outliers_and_uneven_times():
    points = [(float(at), 3.0 * at + 10.0) for at in (0, 1, 2, 5, 6, 9, 14, 15, 20, 30)]
    points[4] = (6.0, 1e9)
    assert slope(points).value == pytest.approx(3.0)


def test_points_at_one_time_have_no_slope():
    assert slope([(1.0, 1.0), (1.0, 9.0)]) == (0.0, 0.0, 0.0)


def test_an_interval_of_a_slope_holds_the_truth_19_times_of_20():
    found = [
        slope([(float(at), 0.1 * at + off) for at, off in enumerate(noise(seed, 30))])
        for seed in range(200)
    ]
    assert sum(one.low <= 0.1 <= one.high for one in found) >= 186


def test_sums_have_a_wider_interval_than_a_line_with_noise():
    def walk(seed: int) -> list[tuple[float, float]]:
        values = noise(seed, 32, around=1.0)
        return [(float(n), sum(values[:n])) for n in range(32)]

    found = [slope(walk(seed)) for seed in range(200)]
    assert sum(one.low <= 1.0 <= one.high for one in found) >= 180


def test_steps_are_slopes_between_neighbours():
    assert steps([(0.0, 1.0), (2.0, 5.0), (3.0, 4.0)]) == [2.0, -1.0]


@pytest.mark.parametrize("count", [0, 1, 5, 24])
def test_even_values_do_not_change(count):
    assert last_change([3.0] * count) == 0


def test_the_last_level_begins_at_the_last_of_several_changes():
    assert last_change([5.0] * 8 + [0.0] * 8 + [9.0] * 8) == 16


def test_one_outlier_is_no_change():
    assert last_change([1.0, 2.0, 1.5, 1e9, 1.2, 1.8, 1.1, 1.9, 1.4, 1.6]) == 0


def test_a_change_by_less_than_half_is_none():
    assert last_change([10.0] * 12 + [13.0] * 12) == 0
    assert last_change([10.0] * 12 + [16.0] * 12) == 12
