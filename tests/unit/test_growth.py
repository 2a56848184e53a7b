"""From faults to bytes: what is concluded from those that were looked up, and how sure that is."""

import pytest

from ebpftrace.drain.growth import PAGE, Level, Looked, Sample, Touched, spread

HUGE = 2 << 20


def looked(own: int, others: int, huge: int = 0) -> Looked:
    made = Looked()
    made.add(own, others, huge)
    return made


def test_what_was_all_looked_up_is_exact():
    assert looked(5, 3).part(8, 5, 3) == (5, 0.0)


def test_the_rest_is_what_those_that_were_looked_up_are():
    part = looked(16, 0).part(1000, 16, 0)
    assert part.pages == 1000
    assert 0 < part.variance**0.5 < 50


def test_the_more_were_alike_the_surer_are_the_others():
    few, many = looked(16, 0).part(1000, 16, 0), looked(160, 0).part(1000, 16, 0)
    assert many.variance < few.variance / 5


def test_a_mixed_stack_goes_by_what_it_does_now():
    part = looked(1000, 12).part(1000, 4, 12)
    assert part.pages == pytest.approx(250, abs=1)
    assert part.variance**0.5 > 50


def test_faults_of_a_process_that_has_ended_are_as_they_were_or_all_growth():
    assert looked(0, 0).part(10, 0, 0).pages == 10
    assert looked(0, 20).part(10, 0, 0).pages == 0


def test_growth_that_faults_explain_is_no_excess():
    level = Level(100 * PAGE, tolerance=10 * PAGE)
    assert level.excess(150 * PAGE, 50 * PAGE) == 0


def test_excess_within_the_tolerance_is_carried_on_and_not_made_up_again():
    level = Level(0, tolerance=10 * PAGE)
    assert [level.excess(6 * PAGE * n, 0) for n in range(1, 5)] == [0, 12 * PAGE, 0, 12 * PAGE]


def test_what_was_given_back_and_taken_again_is_no_excess():
    level = Level(1000 * PAGE, tolerance=0)
    assert level.excess(100 * PAGE, 0) == 0
    assert level.excess(1000 * PAGE, 0) == 0
    assert level.excess(1001 * PAGE, 0) == PAGE


def test_excess_goes_to_the_samples_that_were_part_of_huge_pages():
    given, left = spread(10 * (HUGE - PAGE), [Sample(500, 0.0), Sample(10, 10.0)], HUGE)
    assert [one.bytes for one in given] == [0, 10 * (HUGE - PAGE)]
    assert left == 0
    assert given[1].variance == pytest.approx(0.0)


def test_which_of_them_were_huge_is_not_known_where_not_all_were():
    given, _ = spread(5 * (HUGE - PAGE), [Sample(10, 10.0)], HUGE)
    assert given[0].bytes == 5 * (HUGE - PAGE)
    assert given[0].variance ** 0.5 == pytest.approx(HUGE * (10 / 4) ** 0.5, rel=0.01)


def test_no_page_is_larger_than_the_largest_one():
    given, left = spread(10 * HUGE, [Sample(2, 2.0)], HUGE)
    assert given[0].bytes == 2 * (HUGE - PAGE)
    assert left == 10 * HUGE - given[0].bytes


def test_excess_without_samples_is_left():
    assert spread(100, [], HUGE) == ([], 100)


def test_a_fuller_filter_misses_more_and_that_is_made_up_for():
    touched = Touched(bits=1 << 24)
    assert touched.scaled(1_000_000) == 1_000_000
    assert touched.scaled(1_000_000) == pytest.approx(1_012_800, rel=0.005)


def test_a_filter_is_cleared_before_it_misses_many():
    touched = Touched(bits=1 << 24)
    seen = [touched.is_full]
    touched.scaled(6_000_000)
    seen.append(touched.is_full)
    touched.empty()
    assert [*seen, touched.is_full] == [False, True, False]
