"""What the user has asked to see, and how it is changed."""

from dataclasses import replace

import pytest

from ebpftrace.analysis.grouping import BYS
from ebpftrace.analysis.selection import SORT_KEYS, Selection
from ebpftrace.tui.view import GROUPED, KINDS, TREES, View, Within

VIEW = View(Selection(top=0))
MAIN, SERVE = ("main\n/srv/app",), ("main\n/srv/app", "serve\n/srv/app")
INSIDE = Within("module", "\n/lib/libx.so", "libx.so")
NARROW = replace(VIEW, kind="flame", mark="start", query="x", within=INSIDE, zoom=SERVE)


def test_every_kind_of_view_is_of_sites_of_groups_of_a_tree_or_of_boxes():
    assert sorted(KINDS) == sorted(["sites", "flame", *GROUPED, *TREES])
    assert sorted(GROUPED.values()) == sorted(BYS)


@pytest.mark.parametrize("key", SORT_KEYS)
def test_a_key_pressed_again_turns_the_order_round(key):
    before = replace(VIEW, selection=Selection("bytes" if key != "bytes" else "age", top=0))
    once = before.sorted_by(key)
    assert (once.sort, once.reverse) == (key, False)
    assert once.sorted_by(key).reverse
    assert once.sorted_by(key).sorted_by(key) == once


def test_another_key_starts_with_the_largest_again():
    assert not VIEW.sorted_by("bytes").sorted_by("growth").reverse


def test_the_order_is_all_that_sorting_changes():
    view = replace(NARROW, selection=Selection("age", top=7, older=5.0))
    assert replace(view.sorted_by("bytes"), selection=view.selection) == view
    assert view.sorted_by("bytes").selection == Selection("bytes", top=7, older=5.0)


def test_another_kind_keeps_what_restricts_it():
    assert replace(NARROW.of("sites"), kind="flame") == NARROW


def test_what_restricts_goes_from_the_innermost_outward():
    steps = [NARROW]
    while (wider := steps[-1].wider()) is not None:
        steps.append(wider)
    assert [(one.zoom, one.within, one.query, one.mark) for one in steps] == [
        (SERVE, INSIDE, "x", "start"),
        ((), INSIDE, "x", "start"),
        ((), None, "x", "start"),
        ((), None, "", "start"),
        ((), None, "", None),
    ]


def test_a_zoom_restricts_the_flame_view_only():
    assert NARROW.of("calls").wider() == replace(NARROW.of("calls"), within=None)
    assert replace(VIEW, zoom=SERVE).wider() is None


def test_the_command_line_restricts_and_cannot_be_widened():
    older = View(Selection(top=0, older=60.0))
    assert older.is_restricted
    assert older.wider() is None


@pytest.mark.parametrize("given", [{"query": "x"}, {"mark": "m"}, {"within": INSIDE}])
def test_a_filter_a_mark_and_a_group_leave_sites_out(given):
    assert replace(VIEW, **given).is_restricted
    assert not VIEW.is_restricted


def test_a_node_is_open_or_closed_and_never_both():
    opened = VIEW.turned(MAIN, open_it=True)
    assert (opened.opened, opened.closed) == (frozenset((MAIN,)), frozenset())
    closed = opened.turned(MAIN, open_it=False)
    assert (closed.opened, closed.closed) == (frozenset(), frozenset((MAIN,)))
    assert closed.turned(MAIN, open_it=True) == opened


def test_turning_one_node_leaves_the_others():
    view = VIEW.turned(MAIN, open_it=True).turned(SERVE, open_it=False)
    assert (view.opened, view.closed) == (frozenset((MAIN,)), frozenset((SERVE,)))
