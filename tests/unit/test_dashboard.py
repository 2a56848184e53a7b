"""What the dashboard shows of pictures that come, end, fail or are hostile, on screens of any size."""

import asyncio

import pytest

from ebpftrace.model.losses import Losses
from ebpftrace.tui.app import Dashboard, Options
from ebpftrace.tui.glyphs import ASCII, UNICODE
from tests.unit.builders import counts, frame, picture, target
from tests.unit.pilot import THREE, Source, dashboard, named, names, play, said, screen, until
from tests.unit.test_dashboard_text import HOSTILE


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
        assert "[abi:cxx11] [abi:cxx11]:1" in said(app)
        assert "x[/]y" in said(app)
        assert "[bold]·[2J (pid 42)" in said(app).replace("?", "·")
        await pilot.press("question_mark")
        await pilot.pause()
        assert "\x1b" not in said(app)
        assert "[no] \\[note]" in said(app)

    first = picture(*sites, targets=(hostile,), filters=("[/filter]",))
    play(scene, first, glyphs=glyphs, size=(120, 60), notes=lambda: ("[no] \\[note] [/]",))


@pytest.mark.parametrize("size", [(100, 30), (20, 5), (1, 1)])
def test_until_the_first_picture_it_says_what_is_done(size):
    doing = ["attaching to [/app] (pid 42): compiling"]

    async def main():
        source = Source()
        async with dashboard(source, size, opening=lambda: doing[0]) as (app, pilot):
            assert doing[0][: size[0] - 1] in said(app)
            doing[0] = "placing 14 probes"
            await until(pilot, lambda: doing[0][: size[0] - 1] in said(app))
            for key in ("enter", "question_mark", "escape", "r", "down"):
                await pilot.press(key)
            source.give(picture(*THREE))
            await until(pilot, lambda: app.picture is not None)
            await pilot.pause()
            assert doing[0] not in said(app)

    asyncio.run(main())


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
        assert "▸ big  [app]" in said(app)
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
