"""Which level is taken: down at once, up after a while."""

from collections.abc import Callable

from ebpftrace.model.modes import Level
from ebpftrace.session.governing import Governor

FULL, QUARTER, SIXTEENTH, GROWTH = (
    Level("full"),
    Level("sample", 4),
    Level("sample", 16),
    Level("growth"),
)
LEVELS = (FULL, QUARTER, SIXTEENTH, GROWTH)


def priced(full: float) -> Callable[[Level], float]:
    """Prices of the levels where that of full is so many percent."""
    shares = dict(zip(LEVELS, (1.0, 0.5, 0.3, 0.0), strict=True))
    return lambda level: full * shares[level]


def test_the_most_exact_one_that_fits_comes_first():
    governor = Governor(LEVELS, 5.0)
    assert governor.first(priced(4.0)) == FULL
    assert governor.first(priced(4.9)) == QUARTER  # too close to be tried
    assert governor.first(priced(10.0)) == SIXTEENTH
    assert governor.first(priced(100.0)) == GROWTH


def test_before_growth_all_of_the_budget_is_room():
    assert Governor(LEVELS, 5.0).first(priced(16.0)) == SIXTEENTH  # 4.8 of 5
    assert Governor(LEVELS, 5.0).first(priced(17.0)) == GROWTH
    assert Governor(LEVELS[1:3], 5.0).first(priced(9.2)) == SIXTEENTH  # no growth: as all others
    assert Governor(LEVELS, 5.0).next(10.0, FULL, priced(16.0)) == SIXTEENTH


def test_where_none_fits_it_is_the_last():
    assert Governor(LEVELS[:3], 5.0).first(priced(100.0)) == SIXTEENTH


def test_far_over_the_budget_it_goes_down_at_once_and_a_little_over_soon():
    governor = Governor(LEVELS, 5.0)
    assert governor.next(10.0, FULL, priced(11.0)) == SIXTEENTH
    governor = Governor(LEVELS, 5.0)
    assert governor.next(10.0, FULL, priced(6.0)) is None
    assert governor.next(10.4, FULL, priced(6.0)) is None
    assert governor.next(10.9, FULL, priced(6.0)) == QUARTER


def test_a_moment_over_the_budget_is_forgiven():
    governor = Governor(LEVELS, 5.0)
    for moment in (10.0, 11.0, 12.0, 13.0):
        assert governor.next(moment, FULL, priced(6.0)) is None
        assert governor.next(moment + 0.4, FULL, priced(4.0)) is None


def rises(
    governor: Governor, begin: float, current: Level, price: Callable[[Level], float]
) -> float:
    """When it goes up."""
    moment = begin
    while moment < begin + 1000:
        if governor.next(moment, current, price) is not None:
            return moment - begin
        moment += 0.5
    raise AssertionError("never")


def test_it_goes_up_after_ten_seconds_and_only_where_there_is_room():
    governor = Governor(LEVELS, 5.0)
    assert governor.next(0.0, QUARTER, priced(4.0)) is None
    assert governor.next(100.0, QUARTER, priced(4.0)) is None  # 4 of 5 is no room
    assert rises(governor, 200.0, QUARTER, priced(2.0)) == 10.0


def test_a_rise_in_between_begins_anew():
    governor = Governor(LEVELS, 5.0)
    assert governor.next(0.0, QUARTER, priced(2.0)) is None
    assert governor.next(9.0, QUARTER, priced(4.5)) is None
    assert governor.next(12.0, QUARTER, priced(2.0)) is None
    assert governor.next(22.0, QUARTER, priced(2.0)) == FULL


def test_who_was_wrong_waits_longer_each_time_and_after_a_while_as_at_first():
    governor, moment = Governor(LEVELS, 5.0), 0.0
    waited = []
    for _ in range(4):
        wait = rises(governor, moment, SIXTEENTH, priced(2.0))
        waited.append(wait)
        moment += wait + 1
        assert governor.next(moment, FULL, priced(20.0)) is not None
    assert waited == [10.0, 20.0, 40.0, 80.0]
    moment += rises(governor, moment, SIXTEENTH, priced(2.0)) + 100
    assert governor.next(moment, FULL, priced(20.0)) is not None  # that one had held
    assert rises(governor, moment, SIXTEENTH, priced(2.0)) == 10.0


def test_below_the_last_level_there_is_none():
    assert Governor(LEVELS[:1], 5.0).next(0.0, FULL, priced(100.0)) is None


def test_it_leaves_growth_later_as_all_numbers_begin_anew_then():
    governor = Governor(LEVELS, 5.0)
    assert rises(governor, 0.0, GROWTH, priced(2.0)) == 30.0


def test_a_bad_moment_does_not_make_all_numbers_begin_anew():
    governor = Governor(LEVELS, 5.0)
    dear = priced(30.0)  # a sixteenth of it would be 9
    assert governor.first(dear) == GROWTH
    assert governor.next(0.0, FULL, dear) == SIXTEENTH
    assert governor.next(1.0, SIXTEENTH, dear) is None
    assert governor.next(1.9, SIXTEENTH, dear) == GROWTH


def test_what_is_far_too_dear_goes_to_growth_at_once():
    governor = Governor(LEVELS, 5.0)
    assert governor.next(0.0, FULL, priced(100.0)) == GROWTH
