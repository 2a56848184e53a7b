"""The dashboard's cursor and orders, moved by keys and by the mouse."""

import pytest
from textual.events import MouseScrollDown, MouseScrollUp

from ebpftrace.analysis.selection import Selection
from tests.unit.builders import counts, frame, picture, site
from tests.unit.pilot import (
    THREE,
    click,
    give,
    here,
    named,
    names,
    play,
    press,
    said,
    screen,
    settled,
)

MANY = tuple(named(f"site{n:05}", counts=counts(1, 100_000 - n)) for n in range(10_000))
DEEP = site("deep", frames=tuple(frame(f"frame{n}") for n in range(60)))


def test_the_screen_has_the_target_totals_sites_stack_losses_and_cost():
    async def scene(app, _pilot, _source):
        for phrase in (
            "app (pid 42)",
            "tracked  5.9 KiB in 15 blocks",
            "big [app]",
            "2.9 KiB in 1 block  -300 B/min  oldest 3.0 s  malloc (glibc)",
            "sites 1 of 3",
            "lost nothing",
            "of memory",
            "q quit",
        ):
            assert phrase in said(app)

    play(scene)


# --- orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key,order,title",
    [
        ("b", ["low", "mid", "big"], "BYTES▲"),  # it is sorted by bytes: turned round
        ("n", ["mid", "low", "big"], "BLOCKS▼"),
        ("g", ["low", "mid", "big"], "GROWTH/min▼"),
        ("a", ["low", "mid", "big"], "OLDEST▼"),
        ("r", ["low", "mid", "big"], "BYTES▲"),
    ],
)
def test_each_key_sorts(key, order, title):
    async def scene(app, pilot, _source):
        assert names(app) == ["big", "mid", "low"]
        await press(pilot, key)
        assert names(app) == order
        assert title in said(app)
        await press(pilot, "r")
        assert names(app) == order[::-1]

    play(scene, size=(130, 30))


def test_a_click_on_a_title_sorts_and_a_second_one_turns_round():
    async def scene(app, pilot, _source):
        x = screen(app)[app.table.region.y].index("BLOCKS")
        await click(pilot, app.table, x, 0)
        assert names(app) == ["mid", "low", "big"]
        await click(pilot, app.table, x, 0)
        assert names(app) == ["big", "low", "mid"]

    play(scene)


def test_the_command_line_chooses_the_first_order():
    async def scene(app, _pilot, _source):
        assert names(app)[0] == "low"
        assert "OLDEST▼" in said(app)

    play(scene, selection=Selection("age", top=0), size=(130, 30))


def test_rows_that_are_close_keep_their_places_until_they_are_ordered_anew():
    async def scene(app, pilot, source):
        risen = THREE[1]._replace(counts=counts(9, 3100))
        await give(pilot, source, picture(THREE[0]._replace(counts=counts(1, 3050)), *THREE[1:]))
        for size in (2180, 2390, 2620, 2870, 3100):  # each within a tenth of the one before
            risen = THREE[1]._replace(counts=counts(9, size))
            await give(pilot, source, picture(THREE[0], risen, THREE[2]))
        before = names(app)
        await press(pilot, "o")
        assert names(app) == ["mid", "big", "low"]
        close = THREE[0]._replace(counts=counts(1, 3200))
        await give(pilot, source, picture(close, risen, THREE[2]))
        assert names(app) == ["mid", "big", "low"]
        await press(pilot, "o")
        assert names(app) == ["big", "mid", "low"]
        assert before[-1] == "low"

    play(scene)


# --- the cursor -----------------------------------------------------------------------------------


def test_the_cursor_stays_on_its_site_while_rows_move():
    async def scene(app, pilot, source):
        await press(pilot, "down")
        assert here(app) == "mid"
        assert "sites 2 of 3" in said(app)
        grown = THREE[1]._replace(counts=counts(9, 9999))
        await give(pilot, source, picture(THREE[0], grown, THREE[2]))
        assert names(app)[0] == here(app) == "mid"
        assert "sites 1 of 3" in said(app)
        assert next(row for row in screen(app) if row.startswith("▸")).count("mid [app]") == 1

    play(scene)


def test_a_chosen_site_that_holds_nothing_any_more_stays_on_the_screen():
    async def scene(app, pilot, source):
        await press(pilot, "down")
        freed = THREE[1]._replace(counts=counts(0, 0, freed=3))
        await give(pilot, source, picture(THREE[0], freed))
        assert here(app) == "mid"
        await press(pilot, "home")
        await give(pilot, source, picture(THREE[0], freed, growth=1.0))
        assert names(app) == ["big"]

    play(scene)


def test_a_chosen_site_that_was_merged_away_leaves_the_cursor_where_it_was():
    async def scene(app, pilot, source):
        await press(pilot, "down")
        await give(pilot, source, picture(THREE[0], THREE[2]))
        assert here(app) == "low"
        await give(pilot, source, picture())
        assert app.site is None
        await give(pilot, source, picture(*THREE))
        assert app.site is not None

    play(scene)


def test_until_a_site_is_chosen_the_cursor_stays_on_the_first_row():
    async def scene(app, pilot, source):
        await give(pilot, source, picture(*THREE, named("new", counts=counts(1, 99_999))))
        assert here(app) == "new"
        await press(pilot, "end")
        assert here(app) == "low"
        await press(pilot, "home")
        await give(pilot, source, picture(*THREE))
        assert here(app) == "big"

    play(scene)


def test_only_a_window_of_many_rows_is_drawn_and_the_cursor_is_in_it():
    async def scene(app, pilot, _source):
        for key, name in [
            ("end", "site09999"),
            ("up", "site09998"),
            ("down", "site09999"),
            ("home", "site00000"),
            ("up", "site00000"),
            ("pagedown", None),
            ("space", None),
            ("j", None),
            ("k", None),
            ("pageup", None),
            ("pageup", "site00000"),
        ]:
            await press(pilot, key)
            assert name in {None, here(app)}
            assert any(row.startswith("▸") and here(app) in row for row in screen(app))

    play(scene, picture(*MANY))


def test_the_wheel_moves_the_window_and_not_the_cursor():
    def top(app):
        return screen(app)[app.table.region.y + 1]

    async def scene(app, pilot, source):
        await pilot._post_mouse_events([MouseScrollDown], widget=app.table)
        await settled(pilot)
        assert here(app) == "site00000"
        assert "site00003" in top(app)
        await give(pilot, source, picture(*MANY, growth=3.0))
        assert "site00003" in top(app)
        await pilot._post_mouse_events([MouseScrollUp], widget=app.table)
        await settled(pilot)
        assert "site00000" in top(app)

    play(scene, picture(*MANY))


def test_a_click_moves_the_cursor_and_a_double_click_opens():
    async def scene(app, pilot, _source):
        await click(pilot, app.table, 50, 2)
        assert here(app) == "mid"
        assert app.table.display
        await click(pilot, app.table, 50, 9)  # below the last row
        assert here(app) == "mid"
        await click(pilot, app.table, 50, 3, times=2)
        assert here(app) == "low"
        assert not app.table.display

    play(scene)


# --- the pane -------------------------------------------------------------------------------------


def test_enter_gives_the_stack_the_screen_and_escape_takes_it_back():
    async def scene(app, pilot, _source):
        assert "frame30" not in said(app)
        await press(pilot, "enter")
        assert "SITE" not in said(app)
        await press(pilot, "pagedown")
        assert "frame30" in said(app)
        await press(pilot, "end")
        assert "frame59" in said(app)
        await press(pilot, "home")
        assert "frame0" in said(app)
        await press(pilot, "escape")
        assert "SITE" in said(app)
        assert "frame59" not in said(app)

    play(scene, picture(DEEP))


@pytest.mark.parametrize("key", ["enter", "escape"])
def test_after_the_whole_screen_keys_move_the_cursor_again(key):
    async def scene(app, pilot, _source):
        await press(pilot, "enter", key, "down")
        assert "SITE" in said(app)
        assert here(app) == "mid"

    play(scene)


def test_tab_moves_to_the_pane_below_and_back():
    async def scene(app, pilot, source):
        await press(pilot, "tab", "end")
        assert "frame59" in said(app)
        await give(pilot, source, picture(DEEP, growth=3.0))
        assert "frame59" in said(app)
        await press(pilot, "tab", "home")
        assert app.focused is app.table

    play(scene, picture(DEEP))


def test_another_row_shows_its_pane_from_the_top():
    other = named("other", counts=counts(1, 1))

    async def scene(app, pilot, _source):
        await press(pilot, "tab", "end", "tab", "down", "up")
        assert "frame59" not in said(app)
        assert "frame0 " in said(app)

    play(scene, picture(DEEP, other))
