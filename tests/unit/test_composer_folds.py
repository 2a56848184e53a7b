"""Sites taken together as groups, as the open part of a tree, and as the boxes of a flame."""

from dataclasses import replace

import pytest

from ebpftrace.analysis.marks import Mark
from ebpftrace.tui import composer
from ebpftrace.tui.composer import Composer
from ebpftrace.tui.view import GROUPED
from tests.unit.builders import counts, frame, picture
from tests.unit.composing import (
    FOREST,
    MAIN,
    PARSE,
    SERVE,
    VIEW,
    Clock,
    grown,
    keys,
    shown,
    titles,
)
from tests.unit.pilot import named

# --- groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind,expected",
    [
        ("functions", ["serve [app]", "parse [libx.so]", "boot [app]"]),
        ("modules", ["app", "libx.so"]),
        ("processes", ["app (pid 42)", "pid 43"]),
        ("allocators", ["malloc (glibc)", "calloc (glibc)"]),
    ],
)
def test_groups_are_sorted_by_what_they_hold_together(kind, expected):
    assert titles(shown(*FOREST, view=VIEW.of(kind))) == expected
    assert titles(shown(*FOREST, view=VIEW.of(kind).reversed())) == expected[::-1]


@pytest.mark.parametrize("kind", GROUPED)
def test_a_group_that_holds_nothing_is_no_row(kind):
    gone = named("gone", counts=counts(0, 0, freed=5))
    assert len(shown(gone, view=VIEW.of(kind)).rows) == 0


def test_groups_that_are_close_keep_their_places_too(monkeypatch):
    monkeypatch.setattr(composer, "time", Clock())
    by, view = Composer(), VIEW.of("functions")
    before = keys(shown(*grown(100, 90, 50, 10), by=by, view=view))
    assert keys(shown(*grown(95, 97, 50, 10), by=by, view=view)) == before
    exact = keys(shown(*grown(95, 97, 50, 10), by=by, view=view, anew=1))
    assert exact == [before[1], before[0], *before[2:]]


# --- trees and boxes ------------------------------------------------------------------------------


def test_a_tree_is_open_where_most_bytes_are():
    found = shown(*FOREST, view=VIEW.of("calls"))
    assert titles(found) == ["main app", "serve app", "parse libx.so", "boot app"]
    assert [shoot.depth for shoot in found.rows.shoots] == [0, 1, 2, 1]
    assert found.rows.row(0).counts.bytes == 1000


def test_from_the_allocation_outward_callers_follow():
    found = shown(*FOREST, view=VIEW.of("callers"))
    assert titles(found)[:2] == ["serve app", "main app"]


def test_a_node_that_was_closed_stays_closed_and_one_that_was_opened_open():
    root = shown(*FOREST, view=VIEW.of("calls")).rows.shoots[0].node
    closed = VIEW.of("calls").turned(root.key, open_it=False)
    assert titles(shown(*FOREST, view=closed)) == ["main app"]
    below = (*FOREST[:2], FOREST[2]._replace(counts=counts(1, 9000)))
    serve = shown(*below, view=VIEW.of("calls")).rows
    assert titles(shown(*below, view=VIEW.of("calls"))) == ["main app", "boot app", "serve app"]
    opened = VIEW.of("calls").turned(serve.shoots[2].node.key, open_it=True)
    assert titles(shown(*below, view=opened))[2:] == ["serve app", "parse libx.so"]


def test_a_row_of_a_tree_is_found_by_its_way():
    found = shown(*FOREST, view=VIEW.of("calls"))
    again = shown(*FOREST, view=VIEW.of("calls"), held=found.rows.key(2))
    assert again.held_at == 2


def test_a_tree_without_an_end_is_cut_and_costs_no_recursion():
    deep = named("deep", frames=tuple(frame(f"f{n}") for n in range(5000)))
    assert len(shown(deep, view=VIEW.of("calls")).rows) == 5000


def test_every_box_of_a_node_has_its_row_in_the_same_order():
    found = shown(*FOREST, view=VIEW.of("flame"), room=(80, 9))
    nodes = [box.node for box in found.boxes if box.node is not None]
    assert [node.label for node in nodes] == ["all › main", "boot", "serve", "parse"]
    assert [found.rows.key(n).split("\0")[-1] for n in range(4)] == [node.key[-1] for node in nodes]
    assert [found.rows.row(n).counts.bytes for n in range(4)] == [1000, 100, 900, 200]


def test_what_is_asked_for_below_many_smaller_ones_is_found_by_its_row():
    sites = [named(f"{n}", frames=(frame(f"f{n}"), MAIN)) for n in range(50)]
    found = shown(*sites, view=VIEW.of("flame"), room=(10, 9))
    assert [box.summed for box in found.boxes if box.node is None] == [50]
    assert len(found.rows) == 1


def test_what_a_function_on_the_way_holds_itself_stays_in_the_flame_view():
    own = named("own", frames=(MAIN,), counts=counts(1, 500))
    below = named("below", frames=(PARSE, SERVE, MAIN), counts=counts(1, 500))
    found = shown(own, below, view=VIEW.of("flame"), room=(80, 9))
    assert [(box.node.label, box.bytes, box.width) for box in found.boxes] == [
        ("all › main", 1000, 80),
        ("serve", 500, 40),
        ("parse", 500, 40),
    ]


def test_boxes_stay_in_place_while_sizes_change():
    other = (FOREST[0], FOREST[1], FOREST[2]._replace(counts=counts(1, 9000)))
    for sites in (FOREST, other):
        found = shown(*sites, view=VIEW.of("flame"), room=(80, 9))
        assert [box.node.label for box in found.boxes if box.y == 1] == ["boot", "serve"]


def test_a_zoom_fills_the_room_with_a_node_and_one_that_is_gone_with_its_caller():
    whole = shown(*FOREST, view=VIEW.of("flame"), room=(80, 9))
    serve = next(box.node for box in whole.boxes if box.node and box.node.label == "serve")
    view = replace(VIEW.of("flame"), zoom=serve.key)
    assert shown(*FOREST, view=view, room=(80, 9)).boxes[0].node.label == "serve"
    assert shown(FOREST[2], view=view, room=(80, 9)).boxes[0].node.label == "main"
    others = shown(named("x"), named("y"), view=view, room=(80, 9))
    assert others.boxes[0].node.label == "all"


def test_without_room_there_is_no_box():
    assert shown(*FOREST, view=VIEW.of("flame")).boxes == ()


def test_a_group_that_has_grown_since_a_mark_by_a_resize_alone_is_a_row():
    mark = Mark("noon", picture(named("buffer", counts=counts(1, 100))))
    view = replace(VIEW.of("functions"), mark="noon")
    found = shown(named("buffer", counts=counts(1, 900)), view=view, mark=mark)
    assert [found.rows.row(n).counts.bytes for n in range(len(found.rows))] == [800]
