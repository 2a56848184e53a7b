"""The dashboard's views: how they are reached, groups, and what fits which screen."""

import asyncio
import time

import pytest
from textual.events import Resize
from textual.geometry import Size
from textual.widgets import Tab, Tabs

from ebpftrace.model.losses import Losses
from ebpftrace.tui import app as dashboard_app
from ebpftrace.tui.composer import Composer
from ebpftrace.tui.view import KINDS
from tests.unit.builders import counts, picture, target
from tests.unit.pilot import (
    THREE,
    WOOD,
    click,
    give,
    here,
    named,
    names,
    play,
    press,
    resize,
    said,
    screen,
    settled,
    shows,
)

LOST = Losses({"map_busy": 3})
KEYS = tuple(zip("12345678", KINDS, strict=True))


def active(app):
    return app.query_one(Tabs).active


def titled(app):
    """The title of the pane."""
    return app.pane.line_at(0)[0].text.split("  ")[0].strip()


def row_of(app, words):
    return next(y for y, row in enumerate(screen(app)) if words in row)


# --- reaching them --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["key", "tab", "name"])
def test_each_view_is_reached_by_its_key_by_its_tab_and_by_name(way):
    async def scene(app, pilot, _source):
        for key, kind in (*KEYS[1:], KEYS[0]):
            if way == "key":
                await press(pilot, key)
            elif way == "tab":
                await click(pilot, app.query_one(f"#{kind}", Tab), 1, 0)
            else:
                await app.run_action(f"view('{kind}')")
                await settled(pilot)
            assert (app.view.kind, active(app)) == (kind, kind)
            assert app.flame.display is (kind == "flame")
            assert app.table.display is (kind != "flame")
            assert app.focused is (app.flame if kind == "flame" else app.table)
            assert titled(app).startswith(kind)

    play(scene, picture(*WOOD))


def test_v_goes_through_all_views_and_round_and_capital_v_back():
    async def scene(app, pilot, _source):
        seen = []
        for _ in KINDS:
            await press(pilot, "v")
            seen.append(app.view.kind)
        assert seen == [*KINDS[1:], "sites"]
        await press(pilot, "V")
        assert app.view.kind == active(app) == "flame"

    play(scene, picture(*WOOD))


def test_views_that_are_asked_for_faster_than_they_are_made_end_at_the_last_one(monkeypatch):
    compose = Composer.compose

    def slowly(composer, request):
        time.sleep(0.02)
        return compose(composer, request)

    async def scene(app, pilot, _source):
        monkeypatch.setattr(Composer, "compose", slowly)
        for kind in (*KINDS, "modules", "functions", "calls"):
            app.action_view(kind)
        await settled(pilot)
        assert app.view.kind == active(app) == "calls"
        for kind in KINDS * 3:
            await app.run_action(f"view('{kind}')")
            await asyncio.sleep(0.008)
            await pilot._wait_for_screen()
            assert app.view.kind == kind
        await settled(pilot)
        assert app.view.kind == active(app) == "flame"

    play(scene, picture(*WOOD))


@pytest.mark.parametrize("kind", ["sites", "functions", "callers", "flame"])
def test_a_key_that_comes_before_the_rows_of_a_new_view_harms_nothing(kind):
    async def scene(app, pilot, _source):
        for first in ("sites", "functions", "callers", "flame"):
            for then in ("open", "copy", "frame(1)", "close"):
                app.action_view(first)
                await settled(pilot)
                app.action_view(kind)
                await app.run_action(then)
                app.unfold(open_it=True)
                app.unfold(open_it=False)
                app.show_pane(from_top=True)
                await settled(pilot)

    play(scene, picture(*WOOD), size=(80, 24))


def test_each_view_has_what_the_sites_hold():
    async def scene(app, pilot, _source):
        expected = {
            "functions": ["alloc", "copy"],
            "modules": ["app"],
            "processes": ["app (pid 42)"],
            "allocators": ["malloc (glibc)"],
            "calls": ["main", "serve", "parse", "alloc", "cache", "log"],
        }
        for kind, titles in expected.items():
            app.action_view(kind)
            await settled(pilot)
            assert names(app) == titles

    play(scene, picture(*WOOD))


# --- groups ---------------------------------------------------------------------------------------


def test_enter_on_a_group_shows_its_sites_alone_and_escape_all_again():
    async def scene(app, pilot, _source):
        await press(pilot, "2", "enter")
        assert app.view.kind == active(app) == "sites"
        assert names(app) == ["alloc", "alloc"]
        assert shows(app, "function alloc [app] 2 rows; escape shows more again")
        await press(pilot, "escape")
        assert names(app) == ["alloc", "alloc", "copy"]
        assert not app.edges.scope.display

    play(scene, picture(*WOOD))


def test_the_cursor_stays_on_its_group():
    async def scene(app, pilot, source):
        await press(pilot, "2", "down")
        assert app.table.key == app.table.rows.key(1)
        grown = WOOD[2]._replace(counts=counts(1, 99_000))
        await give(pilot, source, picture(*WOOD[:2], grown))
        assert names(app) == ["copy", "alloc"]
        assert app.table.position == 0

    play(scene, picture(*WOOD))


# --- screens --------------------------------------------------------------------------------------

SIZES = [(20, 5), (1, 1), (2, 40), (80, 24), (250, 70)]


@pytest.fixture
def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy host draws so many screens for longer than a picture may be late."""
    monkeypatch.setattr(dashboard_app, "_LATE_INTERVALS", 1_000)


@pytest.mark.usefixtures("never_late")
@pytest.mark.parametrize("size", SIZES)
def test_every_view_fills_every_screen_with_totals_and_losses(size):
    async def scene(app, pilot, _source):
        for key, kind in KEYS:
            await press(pilot, key)
            assert app.view.kind == kind
            for more in ("down", "enter", "right", "end", "tab", "end", "escape", "escape"):
                await press(pilot, more)
                assert [len(row) for row in screen(app)] == [size[0]] * size[1]
            if size[0] >= 20 and size[1] >= 5:
                assert "tracked" in said(app)
                assert "LOST" in said(app)

    play(scene, picture(*WOOD, losses=LOST), size=size)


@pytest.mark.usefixtures("never_late")
def test_a_hundred_sizes_without_a_pause_end_at_the_last_one():
    async def scene(app, pilot, _source):
        for key in ("1", "f", "6"):
            await press(pilot, key)
            before = screen(app)
            for n in range(100):
                size = (1 + n * 37 % 250, 1 + n * 23 % 70)
                app._driver._size = size
                app.post_message(Resize(Size(*size), Size(*size)))
                if n % 10 == 0:
                    await pilot._wait_for_screen()
            await resize(pilot, 100, 30)
            assert screen(app) == before

    play(scene, picture(*WOOD))


def test_two_hundred_processes_have_a_row_each_and_the_header_counts_the_rest():
    targets = [target(pid=n, slot=n, comm=f"worker{n}") for n in range(1, 201)]
    sites = [named(f"f{n}", pid=n, slot=n, counts=counts(1, 1000 - n)) for n in range(1, 201)]

    async def scene(app, pilot, _source):
        assert "200 programs" in said(app)
        await press(pilot, "4", "down", "enter")
        assert here(app) == "f2"
        await press(pilot, "escape", "question_mark", "end")
        assert shows(app, "Notes")

    play(scene, picture(*sites, targets=tuple(targets)), size=(80, 24))


def test_before_the_first_picture_every_view_can_be_chosen():
    async def scene(app, pilot, source):
        for key, _ in KEYS:
            await press(pilot, key)
        await give(pilot, source, picture(*THREE))
        assert app.view.kind == active(app) == "flame"

    play(scene, first=False)
