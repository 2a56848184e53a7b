"""Which sites of a picture are rows, and in which order from one picture to the next."""

from dataclasses import replace

import pytest

from ebpftrace.analysis.marks import Mark
from ebpftrace.analysis.selection import SORT_KEYS, Selection
from ebpftrace.model.picture import Counts
from ebpftrace.tui import composer
from ebpftrace.tui.composer import Composer
from ebpftrace.tui.view import KINDS, View, Within
from tests.unit.builders import counts, picture
from tests.unit.composing import FOREST, FOUR, VIEW, Clock, grown, keys, shown, titles
from tests.unit.pilot import named


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(composer, "time", clock)
    return clock


# --- sites ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key,first", [("bytes", "big"), ("blocks", "many"), ("growth", "fast"), ("age", "old")]
)
def test_each_key_has_its_own_first_row_and_the_other_way_round_its_last(key, first):
    view = View(Selection(key, top=0))
    assert keys(shown(*FOUR, view=view))[0] == first
    assert keys(shown(*FOUR, view=view.reversed()))[-1] == first


@pytest.mark.parametrize("key", SORT_KEYS)
def test_equal_rows_stay_where_they_are_in_every_order(key):
    sites = [named(f"{n}", counts=counts(2, 8)) for n in range(20)]
    for view in (View(Selection(key, top=0)), View(Selection(key, top=0), reverse=True)):
        assert keys(shown(*sites, view=view)) == [f"{n}" for n in range(20)]


def test_an_age_that_is_not_known_comes_last_and_growth_that_is_not_is_none():
    unknown = named("unknown", growth=None, oldest_at=None)
    assert keys(shown(unknown, *FOUR, view=View(Selection("age", top=0))))[-1] == "unknown"
    shrinking = named("shrinking", growth=-1.0)
    by_growth = keys(shown(shrinking, unknown, *FOUR, view=View(Selection("growth", top=0))))
    assert (by_growth[0], by_growth[-1]) == ("fast", "shrinking")


def test_a_site_that_holds_nothing_is_no_row_unless_it_is_looked_at():
    gone = named("gone", counts=counts(0, 0, freed=5))
    assert keys(shown(gone, FOUR[0])) == ["big"]
    held = shown(gone, FOUR[0], held="gone")
    assert keys(held) == ["big", "gone"]
    assert held.held_at == 1


def test_a_block_of_no_bytes_is_held_too():
    assert keys(shown(named("empty", counts=counts(1, 0)))) == ["empty"]


def test_the_row_that_is_looked_at_is_found_in_whatever_order():
    assert shown(*FOUR, held="old").held_at == keys(shown(*FOUR)).index("old")
    assert shown(*FOUR, held="never").held_at is None
    assert shown(*FOUR).held_at is None


def test_a_row_that_is_left_out_on_purpose_does_not_stay_because_it_is_looked_at():
    assert keys(shown(*FOUR, view=replace(VIEW, query="big"), held="old")) == ["big"]


def test_older_and_top_of_the_command_line_hold_in_the_table():
    assert keys(shown(*FOUR, view=View(Selection(top=0, older=8.0)))) == ["old"]
    top = View(Selection(top=2))
    assert len(shown(*FOUR, view=top).rows) == 2
    assert keys(shown(*FOUR, view=top, held="fast"))[-1] == "fast"


# --- from one picture to the next -----------------------------------------------------------------


def test_rows_that_are_close_keep_their_places_until_they_are_asked_to_be_exact():
    by = Composer()
    before = keys(shown(*grown(100, 90, 50, 10), by=by))
    close = grown(95, 97, 50, 10)
    assert keys(shown(*close, by=by)) == before == ["big", "many", "fast", "old"]
    assert keys(shown(*close, by=by, anew=1)) == ["many", "big", "fast", "old"]
    assert keys(shown(*close, by=by, anew=1)) == ["many", "big", "fast", "old"]


def test_a_row_that_is_clearly_larger_overtakes():
    by = Composer()
    shown(*grown(100, 90, 50, 10), by=by)
    assert keys(shown(*grown(100, 90, 50, 400), by=by))[0] == "old"


def test_a_picture_that_comes_too_soon_keeps_the_order_with_new_figures(clock):
    clock.is_slow()
    by = Composer()
    before = keys(shown(*grown(100, 90, 50, 10), by=by))
    soon = shown(*grown(1, 2, 3, 400), by=by)
    assert keys(soon) == before
    assert [soon.rows.row(n).counts.bytes for n in range(4)] == [1, 2, 3, 400]
    clock.now += 1000
    assert keys(shown(*grown(1, 2, 3, 400), by=by))[0] == "old"


def test_what_the_user_asks_for_never_waits(clock):
    clock.is_slow()
    by = Composer()
    shown(*grown(100, 90, 50, 10), by=by)
    later = grown(1, 2, 3, 400)
    assert keys(shown(*later, by=by, view=VIEW.reversed()))[-1] == "old"
    assert keys(shown(*later, by=by, view=replace(VIEW, query="fast"))) == ["fast"]
    assert keys(shown(*later, by=by, anew=1))[0] == "old"


def test_another_row_is_found_without_waiting_in_the_order_that_there_is(clock):
    clock.is_slow()
    by = Composer()
    shown(*grown(100, 90, 50, 10), by=by)
    assert shown(*grown(1, 2, 3, 400), by=by, held="old").held_at == 3


def test_a_new_site_has_its_row_when_the_pause_is_over(clock):
    clock.is_slow()
    by = Composer()
    shown(*FOUR, by=by)
    new = named("new", counts=counts(1, 9999))
    assert "new" not in keys(shown(*FOUR, new, by=by))
    clock.now += 1000
    assert keys(shown(*FOUR, new, by=by))[0] == "new"


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_that_was_merged_away_leaves_at_once_and_figures_stay_with_their_sites(clock, kind):
    clock.is_slow()
    view, room = VIEW.of(kind), (80, 9)
    by = Composer()
    shown(*FOUR, by=by, view=view, room=room)
    left = [FOUR[0], *FOUR[2:]]
    found = shown(*left, by=by, view=view, room=room)
    assert titles(found) == titles(shown(*left, view=view, room=room))
    for index in range(len(found.rows)):
        held = sum(one.counts.bytes for one in found.rows.sites(index))
        assert found.rows.row(index).counts.bytes == held


def test_a_new_site_in_place_of_one_that_was_merged_away_is_noticed(clock):
    clock.is_slow()
    by = Composer()
    shown(*FOUR, by=by)
    new = named("new", counts=counts(1, 9999))
    found = shown(FOUR[0], *FOUR[2:], new, by=by)
    assert keys(found)[:2] == ["new", "big"]
    assert "many" not in keys(found)


def test_a_site_that_was_merged_away_is_not_found_by_its_key():
    by = Composer()
    shown(*FOUR, by=by, held="many")
    assert shown(FOUR[0], *FOUR[2:], by=by, held="many").held_at is None


def test_pictures_without_a_site_have_no_rows(clock):
    clock.is_slow()
    by = Composer()
    for kind in KINDS:
        view = VIEW.of(kind)
        assert len(shown(by=by, view=view, room=(80, 9)).rows) == 0
        assert len(shown(*FOUR, by=by, view=view, room=(80, 9)).rows) > 0
        assert len(shown(by=by, view=view, room=(80, 9)).rows) == 0


# --- what restricts -------------------------------------------------------------------------------


def test_a_filter_leaves_what_matches_and_what_is_half_typed_says_so():
    assert keys(shown(*FOREST, view=replace(VIEW, query="function:parse"))) == ["two"]
    found = shown(*FOREST, view=replace(VIEW, query="function:parse size>"))
    assert keys(found) == ["two"]
    assert found.problem is not None
    assert shown(*FOREST).problem is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sites"])
def test_a_filter_holds_in_every_view(kind):
    view = replace(VIEW.of(kind), query="function:parse")
    found = shown(*FOREST, view=view, room=(80, 9))
    assert found.rows.row(0).counts == FOREST[1].counts
    assert [one.at.id for one in found.rows.sites(0)] == ["two"]


def test_from_a_mark_on_rows_are_what_has_come_since():
    mark = Mark("m", picture(*grown(100, 90, 50, 10), since_attach_s=6.0))
    new = named("new", counts=counts(1, 30))
    found = shown(*grown(100, 95, 50, 90), new, view=replace(VIEW, mark="m"), mark=mark)
    assert keys(found) == ["old", "new", "many"]
    assert [found.rows.row(n).counts.bytes for n in range(3)] == [80, 30, 5]


@pytest.mark.parametrize("kind", KINDS)
def test_from_a_mark_on_every_view_counts_what_has_come_since(kind):
    mark = Mark("m", picture(*FOREST))
    more = [one._replace(counts=Counts(9, 1700, 0, 0, 0, 0)) for one in FOREST[:1]]
    view = replace(VIEW.of(kind), mark="m")
    found = shown(*more, *FOREST[1:], view=view, mark=mark, room=(80, 9))
    assert found.rows.row(0).counts.bytes == 1000


def test_within_a_group_there_are_its_sites_alone():
    groups = shown(*FOREST, view=VIEW.of("modules"))
    key = groups.rows.key(titles(groups).index("libx.so"))
    within = replace(VIEW, within=Within("module", key, "libx.so"))
    assert keys(shown(*FOREST, view=within)) == ["two"]
    assert keys(shown(FOREST[0], view=within)) == []


def test_shares_are_of_all_that_is_held_and_with_a_mark_of_what_has_come_since():
    before = picture(named("old", counts=counts(1, 1000)), named("new", counts=counts(1, 10)))
    mark = Mark("noon", before)
    sites = named("old", counts=counts(1, 1000)), named("new", counts=counts(3, 90))
    assert shown(*sites).whole == 1090
    assert shown(*sites, mark=mark, view=replace(VIEW, mark="noon")).whole == 80


def test_only_a_few_orders_are_kept_however_many_marks_are_looked_at():
    sites = [named("one", counts=counts(2, 20)), named("two", counts=counts(3, 30))]
    by, empty = Composer(), picture(named("one", counts=counts(1, 1)))
    for number in range(30):
        shown(*sites, by=by, mark=Mark(f"{number}", empty))
    assert len(by._orderings) <= 8
    assert keys(shown(*sites, by=by)) == ["two", "one"]
