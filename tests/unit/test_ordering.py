"""Rows that are close keep their places; rows that are clearly larger overtake."""

import random
from itertools import pairwise

import pytest

from ebpftrace.analysis.ordering import Ordering, Steadied


def arranged(*values_by_call, reverse=False):
    ordering = Ordering()
    order = []
    for values in values_by_call:
        order = ordering.arrange(values, range(len(values)), reverse=reverse)
    return order


def test_the_first_order_is_the_exact_one():
    assert arranged([5.0, 9.0, 9.1]) == [2, 1, 0]
    assert arranged([5.0, 9.0, 9.1], reverse=True) == [0, 1, 2]


def test_rows_that_are_close_do_not_dance():
    assert arranged([100, 101], [104, 101], [101, 104]) == [1, 0]


def test_a_row_that_is_clearly_larger_overtakes():
    assert arranged([100, 101], [120, 101]) == [0, 1]


def test_many_small_steps_overtake_in_the_end():
    ordering = Ordering()
    orders = [ordering.arrange([100 + step, 150], range(2)) for step in range(100)]
    assert orders[0] == [1, 0]
    assert orders[-1] == [0, 1]


def test_a_new_row_takes_its_place_at_once():
    assert arranged([10, 30], [10, 30, 20]) == [1, 2, 0]


def test_only_the_rows_asked_for_are_arranged_and_the_others_come_back():
    ordering = Ordering()
    ordering.arrange([1, 2, 3], [0, 1, 2])
    assert ordering.arrange([1, 2, 3], [0, 2]) == [2, 0]
    assert ordering.arrange([1, 2, 3], [0, 1, 2]) == [2, 1, 0]


def test_forgetting_gives_the_exact_order_again():
    ordering = Ordering()
    ordering.arrange([100, 101], range(2))
    assert ordering.arrange([104, 101], range(2)) == [1, 0]
    ordering.forget()
    assert ordering.arrange([104, 101], range(2)) == [0, 1]


def test_the_callers_list_is_not_changed_afterwards():
    ordering = Ordering()
    first = ordering.arrange([1, 2], range(2))
    ordering.arrange([20, 2], range(2))
    assert first == [1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_are_never_out_of_order_by_more_than_twice_the_tolerance(seed):
    chance = random.Random(seed)
    ordering = Ordering()
    values = [chance.uniform(1, 1e6) for _ in range(200)]
    for _ in range(20):
        values = [value * chance.uniform(0.9, 1.12) for value in values]
        order = ordering.arrange(values, range(200))
        for first, second in pairwise(order):
            assert values[first] >= values[second] / 1.1**2 / 1.02


def test_negative_growth_and_nothing_have_an_order_too():
    assert arranged([-5.0, 0.0, float("-inf"), 3.0]) == [3, 1, 0, 2]


def test_keyed_values_stay_until_they_clearly_change():
    steadied = Steadied()
    assert steadied.value("a", 100) == 100
    assert steadied.value("a", 105) == 100
    assert steadied.value("a", 120) == 120
    steadied.forget()
    assert steadied.value("a", 121) == 121
