"""The dashboard's keys and its cursor, pressed by Textual's pilot."""

import asyncio
import threading

import pytest
from textual.events import MouseScrollDown

from ebpftrace.analysis.selection import Selection
from ebpftrace.tui.app import Dashboard, Options
from ebpftrace.tui.glyphs import UNICODE
from tests.unit.builders import counts, frame, picture, site
from tests.unit.pilot import THREE, Source, here, named, names, play, said, screen, until


def test_the_screen_has_the_target_totals_sites_stack_losses_and_cost():
    async def scene(app, _pilot, _source):
        for phrase in (
            "app (pid 42)",
            "tracked  5.9 KiB in 15 blocks",
            "big [app]",
            "2.9 KiB in 1 block  -5 B/s  oldest 3.0 s  malloc (glibc)",
            "lost nothing",
            "of memory",
            "q quit",
        ):
            assert phrase in said(app)

    play(scene)


@pytest.mark.parametrize(
    "key,order",
    [
        ("b", ["low", "mid", "big"]),  # it is sorted by bytes: turned round
        ("n", ["mid", "low", "big"]),
        ("g", ["low", "mid", "big"]),
        ("a", ["low", "mid", "big"]),
        ("r", ["low", "mid", "big"]),
    ],
)
def test_each_key_sorts(key, order):
    async def scene(app, pilot, _source):
        assert names(app) == ["big", "mid", "low"]
        await pilot.press(key)
        assert names(app) == order
        await pilot.press("r")
        assert names(app) == order[::-1]

    play(scene)


def test_a_click_on_a_title_sorts_and_a_second_one_turns_round():
    async def scene(app, pilot, _source):
        x = screen(app)[app.table.region.y].index("BLOCKS")
        await pilot.click(app.table, offset=(x, 0))
        await pilot.pause()
        assert names(app) == ["mid", "low", "big"]
        await pilot.click(app.table, offset=(x, 0))
        await pilot.pause()
        assert names(app) == ["big", "low", "mid"]

    play(scene)


def test_the_command_line_chooses_the_first_order():
    async def scene(app, _pilot, _source):
        assert names(app)[0] == "low"
        assert "OLDEST▼" in said(app)

    play(scene, selection=Selection("age", top=0))


def test_the_cursor_stays_on_its_site_while_rows_move():
    async def scene(app, pilot, source):
        await pilot.press("down")
        assert here(app) == "mid"
        assert "site 2 of 3" in said(app)
        grown = THREE[1]._replace(counts=counts(9, 9999))
        source.give(picture(THREE[0], grown, THREE[2]))
        await until(pilot, lambda: names(app)[0] == "mid")
        assert here(app) == "mid"
        await pilot.pause()
        assert "site 1 of 3" in said(app)
        assert next(row for row in screen(app) if row.startswith("▸")).count("mid [app]") == 1

    play(scene)


def test_a_chosen_site_that_holds_nothing_any_more_stays_on_the_screen():
    async def scene(app, pilot, source):
        await pilot.press("down")
        source.give(picture(THREE[0], THREE[1]._replace(counts=counts(0, 0, freed=3))))
        await until(pilot, lambda: app.picture is source.newest)
        assert here(app) == "mid"

    play(scene)


def test_until_a_site_is_chosen_the_cursor_stays_on_the_first_row():
    async def scene(app, pilot, source):
        source.give(picture(*THREE, named("new", counts=counts(1, 99_999))))
        await until(pilot, lambda: len(names(app)) == 4)
        assert here(app) == "new"
        await pilot.press("end")
        assert here(app) == "low"
        await pilot.press("home")
        source.give(picture(*THREE))
        await until(pilot, lambda: len(names(app)) == 3)
        assert here(app) == "big"

    play(scene)


def test_only_a_window_of_many_rows_is_drawn_and_the_cursor_is_in_it():
    sites = [named(f"site{n:05}", counts=counts(1, 100_000 - n)) for n in range(10_000)]

    async def scene(app, pilot, _source):
        for key, name in [
            ("end", "site09999"),
            ("up", "site09998"),
            ("home", "site00000"),
            ("pagedown", None),
            ("j", None),
            ("k", None),
            ("pageup", "site00000"),
        ]:
            await pilot.press(key)
            await pilot.pause()
            assert name in {None, here(app)}
            assert any(row.startswith("▸") and here(app) in row for row in screen(app))

    play(scene, picture(*sites))


def test_the_wheel_moves_the_window_and_not_the_cursor():
    sites = [named(f"site{n:02}", counts=counts(1, 1000 - n)) for n in range(90)]

    async def scene(app, pilot, source):
        await pilot._post_mouse_events([MouseScrollDown], widget=app.table)
        await pilot.pause()
        assert here(app) == "site00"
        assert "site00" not in "\n".join(screen(app)[5:10])
        source.give(picture(*sites, growth=3.0))
        await until(pilot, lambda: app.picture is source.newest)
        assert "site00" not in "\n".join(screen(app)[5:10])

    play(scene, picture(*sites))


def test_enter_gives_the_stack_the_screen_and_escape_takes_it_back():
    deep = site("deep", frames=tuple(frame(f"frame{n}") for n in range(60)))

    async def scene(app, pilot, _source):
        assert "frame30" not in said(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "SITE" not in said(app)
        await pilot.press("pagedown")
        await pilot.pause()
        assert "frame30" in said(app)
        await pilot.press("end")
        await pilot.pause()
        assert "frame59" in said(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "SITE" in said(app)
        assert "frame59" not in said(app)

    play(scene, picture(deep))


def test_tab_moves_to_the_stack_below():
    deep = site("deep", frames=tuple(frame(f"frame{n}") for n in range(60)))

    async def scene(app, pilot, source):
        await pilot.press("tab", "end")
        await pilot.pause()
        assert "frame59" in said(app)
        source.give(picture(deep, growth=3.0))
        await until(pilot, lambda: app.picture is source.newest)
        assert "frame59" in said(app)
        await pilot.press("tab", "home")
        assert app.focused is app.table

    play(scene, picture(deep))


def test_the_help_has_keys_and_notes():
    async def scene(app, pilot, _source):
        await pilot.press("question_mark")
        await pilot.pause()
        assert "sort by bytes" in said(app)
        await pilot.press("end")
        await pilot.pause()
        assert "libfoo.so has no symbols" in said(app)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "SITE" in said(app)

    play(scene, notes=lambda: ("libfoo.so has no symbols",))


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_q_and_ctrl_c_leave(key):
    async def main():
        app = Dashboard(Source(picture(*THREE)), Options(), UNICODE)
        async with app.run_test(notifications=True) as pilot:
            await pilot.press(key)
            await pilot.pause()
        assert app.return_code == 0
        assert app.failure is None

    asyncio.run(main())


def test_it_leaves_when_told_to():
    async def main():
        told = threading.Event()
        app = Dashboard(Source(picture(*THREE)), Options(stopped=told.is_set), UNICODE)
        async with app.run_test(notifications=True):
            told.set()
            for _ in range(200):
                await asyncio.sleep(0.01)
                if app.return_code is not None:
                    break
        assert app.return_code == 0

    asyncio.run(main())
