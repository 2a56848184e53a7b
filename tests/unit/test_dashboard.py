"""The dashboard as its user meets it: keys pressed by Textual's pilot, the screen read as text."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from textual.events import MouseScrollDown

from ebpftrace.analysis.selection import Selection
from ebpftrace.model.losses import Losses
from ebpftrace.tui.app import Dashboard, Options
from ebpftrace.tui.glyphs import ASCII, UNICODE
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.test_dashboard_text import HOSTILE, named


class Source:
    """Gives what `give` was last called with; raises `failure` once it is set."""

    def __init__(self, first=None):
        self.newest = first
        self.failure = None
        self.changed = threading.Condition()

    def give(self, newest):
        with self.changed:
            self.newest = newest
            self.changed.notify_all()

    def fail(self, failure):
        with self.changed:
            self.failure = failure
            self.changed.notify_all()

    def latest(self):
        return self.newest

    def after(self, seen, timeout):
        with self.changed:
            self.changed.wait_for(lambda: self.failure or self.newest is not seen, timeout)
            if self.failure:
                raise self.failure
            return None if self.newest is seen else self.newest

    def blocks(self, _site, _limit=0):
        return ()


THREE = (
    named("big", counts=counts(1, 3000), oldest_at=9.0, growth=-5.0),
    named("mid", counts=counts(9, 2000), oldest_at=5.0, growth=9.0),
    named("low", counts=counts(5, 1000), oldest_at=1.0, growth=99.0),
)


def screen(app):
    return [strip.text for strip in app.screen._compositor.render_strips()]


def said(app):
    return "\n".join(screen(app))


def names(app):
    return [one.at.frames[0].function for one in app.table.rows]


def here(app):
    return app.table.site.at.id


async def until(pilot, condition):
    for _ in range(500):
        await pilot.pause(0.01)
        if condition():
            return
    raise AssertionError("not so within 5 s:\n" + said(pilot.app))


@asynccontextmanager
async def dashboard(source, size=(100, 30), glyphs=UNICODE, **options):
    app = Dashboard(source, Options(**options), glyphs)
    async with app.run_test(size=size, notifications=True) as pilot:
        if source.newest is not None:
            await until(pilot, lambda: app.picture is source.newest)
        await pilot.pause()
        yield app, pilot


def play(scene, first=None, **given):
    """Run `scene(app, pilot, source)` on a dashboard that shows `first`."""

    async def main():
        source = Source(first if first is not None else picture(*THREE))
        async with dashboard(source, **given) as (app, pilot):
            await scene(app, pilot, source)

    asyncio.run(main())


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

    play(scene, notes=("libfoo.so has no symbols",))


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


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_hostile_names_are_text_everywhere(glyphs):
    monsters = [*HOSTILE, "x" * 100_000, "\x1b[31m" * 20_000]
    sites = [
        named(name, counts=counts(1, 10_000 - n), frames=(frame(name, file=name, line=1),) * 3)
        for n, name in enumerate(monsters)
    ]
    hostile = target(comm="[bold]\x1b[2J", exe="/tmp/[/x]\n\x9b", allocators=("[red]",))

    async def scene(app, pilot, _source):
        for _ in monsters:
            for row in screen(app):
                assert row.isprintable()
                assert glyphs is UNICODE or row.isascii()
            await pilot.press("down")
            await pilot.pause()
        assert "[abi:cxx11] [app]" in said(app)
        assert "x[/]y" in said(app)
        assert "[bold]·[2J (pid 42)" in said(app).replace("?", "·")
        await pilot.press("question_mark")
        await pilot.pause()
        assert "\x1b" not in said(app)
        assert "[no] \\[note]" in said(app)

    first = picture(*sites, targets=(hostile,), filters=("[/filter]",))
    play(scene, first, glyphs=glyphs, size=(120, 60), notes=("[no] \\[note] [/]",))


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (5, 2), (40, 12), (80, 24), (250, 70)])
def test_every_size_has_totals_and_losses(size):
    async def scene(app, pilot, _source):
        for key in ("enter", "enter", "question_mark", "escape", "down", "tab", "end"):
            await pilot.press(key)
            await pilot.pause()
            assert [len(row) for row in screen(app)] == [size[0]] * size[1]
        if size[1] >= 5:
            assert "tracked" in said(app)
            assert "LOST" in said(app)

    play(scene, picture(*THREE, losses=Losses({"map_busy": 3})), size=size)


def test_a_resize_draws_the_stack_for_the_new_width():
    async def scene(app, pilot, _source):
        for size in ((10, 3), (100, 30), (200, 50), (100, 30)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.05)
            assert len(screen(app)) == size[1]
        assert "  big [app]" in said(app)
        assert "lost nothing" in said(app)

    play(scene)


def test_the_final_picture_is_shown_and_the_screen_stays():
    async def scene(app, pilot, source):
        source.give(picture(*THREE, final=True, targets=(target(ended="exited"),)))
        await until(pilot, lambda: app.picture.final)
        await pilot.pause()
        assert "every target has ended" in said(app)
        assert "app (pid 42)  ended" in said(app)
        await pilot.press("n")
        assert names(app)[0] == "mid"
        assert app.is_running

    play(scene)


def test_a_source_that_fails_ends_the_dashboard_with_its_exception():
    async def main():
        source = Source(picture(*THREE))
        async with dashboard(source) as (app, pilot):
            source.fail(RuntimeError("the poller broke"))
            for _ in range(200):
                await asyncio.sleep(0.01)
                if app.failure:
                    break
            await pilot.pause()
        assert str(app.failure) == "the poller broke"
        assert app.return_code == 1

    asyncio.run(main())


def test_a_defect_in_the_drawing_is_raised_to_the_caller(monkeypatch, capsys):
    source = Source(picture(*THREE))
    app = Dashboard(source, Options(), UNICODE)

    async def main():
        async with app.run_test(notifications=True):
            monkeypatch.setattr(app, "_show", lambda: 1 // 0)
            source.give(picture())
            await asyncio.sleep(0.3)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert isinstance(app.failure, ZeroDivisionError)
    assert "Traceback" not in capsys.readouterr().err


def test_a_picture_that_nobody_took_is_replaced():
    async def scene(app, pilot, source):
        for growth in range(200):
            source.give(picture(*THREE, growth=float(growth)))
        await until(pilot, lambda: app.picture is source.newest)
        assert "+199 B/s" in said(app)

    play(scene)


def test_an_empty_picture_says_so():
    async def scene(app, pilot, _source):
        assert "no allocation since the attach" in said(app)
        await pilot.press("down", "up", "end", "home", "pagedown", "enter", "escape", "r", "g")

    play(scene, picture())


def test_keys_before_the_first_picture_do_nothing():
    async def main():
        source = Source()
        async with dashboard(source) as (app, pilot):
            await pilot.press("down", "end", "enter", "question_mark", "escape", "b", "r", "tab")
            source.give(picture(*THREE))
            await until(pilot, lambda: app.picture is not None)
            await pilot.pause()
            assert "big [app]" in said(app)

    asyncio.run(main())


def test_pictures_that_do_not_come_are_said():
    async def scene(app, pilot, _source):
        app._came -= 60
        await until(pilot, lambda: "no picture for 1m" in said(app))

    play(scene)
