"""What `scripts/overhead --budget` makes of its readings and of the tool's pictures."""

from contextlib import nullcontext

import pytest

from scripts.bench.budget import Load, Reading, Round, Row, level_of, predicted, round_of
from scripts.bench.loops import Child

BARE = Reading(10.0, 0.2, 400_000)


def picture(mode="full", scale=1, cost=3.0, **forecast):
    forecasts = {name.replace("_", " 1:"): percent for name, percent in forecast.items()}
    return {
        "mode": mode,
        "scale": scale,
        "cost": {"target_cpu_percent": cost, "forecast_percent": forecasts},
    }


def one_round(watched=BARE, level="full", **of):
    known = {"changes": 0, "predicted": 1.0, "computed": 1.0} | of
    return Round(BARE, watched, level, **known)


def row(*rounds, rate=40_000):
    def start() -> "nullcontext[Child]":
        raise AssertionError("nothing is started here")

    return Row(Load("load", start, rate), rounds)


def test_a_level_is_called_as_the_tool_calls_it():
    assert level_of(picture()) == "full"
    assert level_of(picture("sample", 16)) == "sample 1:16"


def test_what_was_predicted_is_the_last_word_before_the_level_was_taken():
    pictures = [
        picture(full=90.0, sample_16=3.0),
        picture(full=80.0, sample_16=4.0),
        picture("sample", 16, full=70.0, sample_16=5.0),
        picture("sample", 16, full=60.0, sample_16=6.0),
    ]
    assert predicted(pictures) == 4.0


def test_of_a_level_that_the_first_picture_has_the_first_word_counts():
    assert predicted([picture(), picture(full=2.0), picture(full=4.0)]) == 2.0
    assert predicted([picture()]) is None


def test_a_round_is_in_the_level_that_it_is_in_for_the_longest_time():
    steady = [picture("sample", 4, cost=6.0), *[picture("sample", 16, sample_16=2.0)] * 2]
    found = round_of(BARE, BARE, [picture(cost=50.0, sample_16=1.0)], steady)
    assert (found.level, found.changes, found.predicted) == ("sample 1:16", 1, 1.0)
    assert found.computed == pytest.approx(4.0)


def test_readings_from_before_and_after_are_one():
    assert BARE + Reading(30.0, 0.6, 0) == Reading(40.0, 0.8, 400_000)
    assert (BARE + BARE).cpu_percent == pytest.approx(BARE.cpu_percent)


def test_a_cost_that_is_not_known_is_none():
    assert round_of(BARE, BARE, [], [picture(cost=None)]).computed is None


def test_a_paced_target_pays_with_processor_time():
    found = row(one_round(Reading(20.0, 1.6, 800_000)))
    assert found.slowdown is not None
    assert found.slowdown.median == pytest.approx(6.0)


def test_one_that_runs_all_the_time_pays_with_what_it_gets_done_in_its_own_time():
    watched = Reading(10.0, 5.0, 90 * 5)  # it had half of a processor
    found = Round(Reading(10.0, 10.0, 100 * 10), watched, "full", 0, None, None)
    assert found.lost == pytest.approx(10.0)
    assert found.taken == pytest.approx(5.0)
    assert row(found, rate=None).slowdown == row(found, rate=None).of("taken")


def test_a_row_passes_up_to_two_points_over_the_budget():
    good, bad = (one_round(Reading(10.0, cpu, 400_000), "sample 1:64") for cpu in (0.89, 0.91))
    assert row(good).verdict == "pass"
    assert row(bad).verdict == "MISS"
    assert row(good, good, bad).verdict == "pass"


def test_40_000_pairs_are_sampled_in_every_round():
    rounds = [one_round(level="sample 1:64"), one_round(level="growth")]
    assert row(*rounds).verdict == "MISS"
    assert row(*rounds, rate=100_000).verdict == "pass"
    assert row(*rounds).levels == "sample 1:64 (1), growth (1)"


def test_a_reading_with_too_few_pairs_is_marked():
    few = one_round(Reading(10.0, 0.2, 200_000), "sample 1:64")
    assert row(few).made == pytest.approx(0.5)
    assert row(few).cells()[0] == "load, 50% made"
    assert row(one_round()).cells()[0] == "load"
