"""What hits cost, by what was measured."""

from dataclasses import replace

from ebpftrace.kernel.prices import Prices, stepped_functions
from ebpftrace.probes.numbers import PASSED
from tests.unit.probe_builders import probe

PRICES = Prices(
    birth_ns=1000, resize_ns=1500, death_ns=600, nested_ns=400, unheld_ns=500, stepped_ns=9000
)
MALLOC, REALLOC, FREE = 1, 3, 10


def test_a_call_costs_by_its_role():
    hits = {MALLOC: (10, 10), REALLOC: (2, 2), FREE: (5, 0)}
    assert PRICES.of_hits(hits, frozenset()) == 10 * 1000 + 2 * 1500 + 5 * 600


def test_an_entry_without_a_return_costs_only_the_entry():
    assert PRICES.of_hits({MALLOC: (10, 4)}, frozenset()) == 4 * 1000 + 6 * 400


def test_returns_of_entries_before_do_not_make_the_price_negative():
    assert PRICES.of_hits({MALLOC: (0, 3)}, frozenset()) == 3 * 1000


def test_every_entry_of_a_function_that_is_stepped_through_somewhere_costs_that_more():
    assert PRICES.of_hits({FREE: (2, 0)}, frozenset({FREE})) == 2 * (600 + 9000)


def test_a_probe_on_an_instruction_of_unknown_price_is_taken_for_the_dear_one():
    assert PRICES.of_probe(probe(cost="emulated")) == 1000
    assert PRICES.of_probe(probe(cost="single-stepped")) == 10_000
    assert PRICES.of_probe(probe(cost="unknown")) == 10_000


def test_the_price_of_an_exit_is_what_it_adds_to_a_call():
    assert PRICES.of_probe(probe(kind="exit")) == 400
    assert PRICES.of_probe(probe(kind="exit", cost="single-stepped")) == 9000


def test_stepped_functions_are_those_of_stepped_entries():
    probes = [probe(cost="single-stepped"), probe(cost="single-stepped", kind="return")]
    assert stepped_functions(probes) == {MALLOC}
    assert stepped_functions([probe(cost="emulated")]) == frozenset()


def test_an_exit_that_no_call_has_left_by_costs_its_hit_alone():
    assert PRICES.of_hits({MALLOC: (4, 4), PASSED: (0, 3)}, frozenset()) == 4 * 1000 + 3 * 400


OWN = Prices(
    birth_ns=300, resize_ns=500, death_ns=200, nested_ns=0, unheld_ns=100, stepped_ns=0, fault_ns=50
)


def test_programs_that_run_longer_make_a_call_dearer_by_that():
    prices = replace(PRICES, fault_ns=80.0, programs=OWN).slower(2.0)
    assert (prices.birth_ns, prices.resize_ns, prices.death_ns) == (1300, 2000, 800)
    assert (prices.unheld_ns, prices.fault_ns) == (600, 130)
    assert (prices.nested_ns, prices.stepped_ns) == (400, 9000)


def test_where_their_run_time_is_not_known_prices_stay():
    assert PRICES.slower(3.0) == PRICES


def test_the_price_of_a_fault_comes_with_its_part_of_the_programs():
    prices = replace(PRICES, programs=OWN).with_fault(90.0, 70.0)
    assert prices.fault_ns == 90.0
    assert prices.programs is not None
    assert prices.programs.fault_ns == 70.0
    assert PRICES.with_fault(90.0, None).programs is None
