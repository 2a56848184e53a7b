"""What each level would cost, by the calls that were seen."""

import pytest

from ebpftrace.kernel.prices import Prices
from ebpftrace.model.modes import Level
from ebpftrace.probes.numbers import ALL_FUNCTIONS, PASSED, UNHELD
from ebpftrace.session.load import Births, Load, calls_per_s, load_of, stepped_births

PRICES = Prices(
    birth_ns=1000, resize_ns=1500, death_ns=600, nested_ns=300, unheld_ns=400, stepped_ns=9000
)
MALLOC, REALLOC, FREE, BRK = 1, 3, 10, 60
FULL, QUARTER = Level("full"), Level("sample", 4)
HITS = {MALLOC: (20_000, 20_000), REALLOC: (2000, 2000), FREE: (20_000, 0)}


def load(hits=HITS, births=None, stepped=frozenset()) -> Load:
    return load_of(hits, 2.0, births, PRICES, stepped, ALL_FUNCTIONS)


def test_full_is_all_of_it():
    ns = 10_000 * 1000 + 1000 * 1500 + 10_000 * 600
    assert load().percent(FULL, gated=False) == pytest.approx(ns / 1e7)


def test_of_a_sample_births_cost_their_share_and_what_is_not_held_costs_less():
    ns = 10_000 * 1000 / 4 + 1000 * (300 + 1200 / 4) + 10_000 * (400 + 200 / 4)
    assert load().percent(QUARTER, gated=False) == pytest.approx(ns / 1e7)


def test_where_probes_stay_in_place_births_that_are_left_out_cost_their_entry():
    ns = 10_000 * (300 + 700 / 4) + 1000 * (300 + 1200 / 4) + 10_000 * (400 + 200 / 4)
    assert load().percent(QUARTER, gated=True) == pytest.approx(ns / 1e7)
    assert load().percent(FULL, gated=True) == load().percent(FULL, gated=False)


def test_births_that_hit_no_probe_are_taken_for_what_they_are_told_to_be():
    seen = load({FREE: (20_000, 0)}, births=Births(10_000.0))
    assert seen.percent(FULL, gated=False) == pytest.approx((10_000 * 1000 + 10_000 * 600) / 1e7)


def test_what_is_stepped_through_costs_that_more_on_every_level():
    dear = load({FREE: (20_000, 0)}, stepped=frozenset({FREE}))
    assert dear.percent(FULL, gated=False) == pytest.approx(10_000 * 9600 / 1e7)
    assert dear.percent(QUARTER, gated=False) == pytest.approx(10_000 * (9400 + 50) / 1e7)


def test_of_births_only_those_are_stepped_through_that_are_seen_to_be():
    births = {MALLOC: (90, 90), BRK: (10, 10), FREE: (50, 0)}
    part = stepped_births(births, {BRK, FREE}, ALL_FUNCTIONS)
    assert part == pytest.approx(0.1)
    seen = load({FREE: (20_000, 0)}, births=Births(10_000.0, part))
    ns = 10_000 * (1000 + 900) + 10_000 * 600
    assert seen.percent(FULL, gated=False) == pytest.approx(ns / 1e7)


def test_of_births_that_nobody_saw_mappings_make_no_dear_ones_and_an_allocator_does():
    assert stepped_births({FREE: (50, 0)}, {BRK}, ALL_FUNCTIONS) == 0
    assert stepped_births({FREE: (50, 0)}, {BRK, MALLOC}, ALL_FUNCTIONS) == 1


def test_what_is_no_function_is_no_call():
    hits = {**HITS, PASSED: (0, 50), UNHELD: (5000, 0)}
    assert load(hits) == load()
    assert calls_per_s(hits, 2.0, "death", ALL_FUNCTIONS) == 10_000


def test_growth_is_not_paid_for_by_calls():
    assert load().percent(Level("growth"), gated=True) == 0
