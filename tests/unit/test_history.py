"""The history of the totals: bounded, in order of time, and with its peaks."""

import itertools

import pytest

from ebpftrace.analysis.history import MOST_POINTS, History
from ebpftrace.model.picture import Counts, Point
from tests.unit.builders import picture, target


def at(seconds: float, tracked: int = 0, *resident: int | None):
    targets = tuple(target(rss_bytes=one) for one in resident)
    totals = Counts(1, tracked, 0, 0, 0, 0)
    return picture(since_attach_s=seconds, totals=totals, targets=targets)


def history(*pictures):
    made = History()
    for one in pictures:
        made.add(one)
    return made


def test_a_point_has_the_totals_and_all_resident_memory_that_is_known():
    assert history(at(1.0, 10, 100, None, 200)).points == ((1.0, 10, 300),)
    assert history(at(1.0, 10, None)).points == ((1.0, 10, None),)
    assert history(at(1.0, 10)).points == ((1.0, 10, None),)


def test_at_first_every_picture_is_a_point():
    made = history(*(at(float(n), n) for n in range(300)))
    assert [point.tracked for point in made.points] == list(range(300))


@pytest.mark.parametrize("count", [399, 400, 401, 1000, 10_000])
def test_points_are_bounded_and_in_order_from_the_beginning_to_the_end(count):
    made = history(*(at(float(n), n) for n in range(count)))
    times = [point.at for point in made.points]
    assert 100 < len(times) <= MOST_POINTS
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert times[0] < count / 100
    assert times[-1] == count - 1


def test_a_peak_outlives_every_halving():
    pictures = (at(float(n), 999 if n == 1234 else n % 7) for n in range(5000))
    assert (1234.0, 999, None) in history(*pictures).points


def test_the_end_is_the_latest_picture_though_it_be_no_peak():
    made = history(*(at(float(n), 5000 - n) for n in range(4999)))
    assert made.points[-1] == (4998.0, 2, None)


def test_a_picture_of_the_same_time_takes_the_place_of_the_latest():
    assert history(at(1.0, 5), at(2.0, 6), at(2.0, 1)).points == ((1.0, 5, None), (2.0, 1, None))


@pytest.mark.parametrize("seconds", [0.5, -1.0, float("nan"), float("inf")])
def test_a_picture_whose_time_does_not_go_forward_is_left_out(seconds):
    made = history(at(1.0, 5), at(seconds, 99), at(2.0, 6))
    assert made.points == ((1.0, 5, None), (2.0, 6, None))


def test_it_goes_on_from_the_points_of_another_one():
    first = history(*(at(float(n), n) for n in range(1000)))
    assert History(first.points).points == first.points
    again = History(first.points)
    again.add(at(1000.0, 7))
    assert again.points[-1] == (1000.0, 7, None)
    assert len(again.points) <= MOST_POINTS


def test_points_that_no_machine_has_seen_are_left_out():
    given = [Point(5.0, 1, None), Point(float("nan"), 2, None), Point(3.0, 3, None)]
    assert History(given).points == (Point(5.0, 1, None),)


def test_what_is_forgotten_begins_anew():
    made = history(*(at(float(n), n) for n in range(1000)))
    made.forget()
    assert made.points == ()
    made.add(at(0.5, 7))
    assert made.points == ((0.5, 7, None),)
