"""What the dashboard shows of pictures that come, end, fail or are hostile."""

import asyncio

import pytest
from textual.command import CommandPalette

from ebpftrace.model.picture import SourceLines
from ebpftrace.tui.app import Dashboard
from ebpftrace.tui.composer import Composer
from ebpftrace.tui.glyphs import ASCII, UNICODE
from ebpftrace.tui.options import Options
from tests.unit.builders import counts, frame, picture, target
from tests.unit.frozen import BLOCKS
from tests.unit.hostile import HOSTILE
from tests.unit.pilot import (
    THREE,
    WOOD,
    Source,
    ended,
    give,
    named,
    names,
    play,
    press,
    said,
    screen,
    settled,
    shows,
    stacked,
    until,
    write,
)

MONSTERS = [*HOSTILE, "", "x" * 100_000, "漢" * 50_000, "\x1b[31m" * 20_000]
MONSTROUS = tuple(
    named(
        name,
        counts=counts(1, 10_000 - n),
        frames=(frame(name, file=name, line=1, source=name), frame(name, module=name), frame()),
        allocator=name,
        family=name,
    )
    for n, name in enumerate(MONSTERS)
)


def hostile_picture():
    targets = [
        target(comm="[bold]\x1b[2J", exe="/tmp/[/x]\n\x9b", allocators=("[red]",)),
        target(pid=43, slot=2, comm="y" * 100_000, exe="", ended="exited"),
    ]
    return picture(*MONSTROUS, targets=tuple(targets), filters=("[/filter]",))


# --- hostile names --------------------------------------------------------------------------------


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("view", "12345678")
def test_hostile_names_are_text_in_every_view(view, glyphs):
    async def scene(app, pilot, source):
        source.found = BLOCKS
        source.text = SourceLines("\x1b[2J", 1, tuple(MONSTERS), None)
        await press(pilot, view)
        for _ in MONSTERS:
            fit_to_print(app, glyphs)
            await press(pilot, "down")
        for key in ("enter", "right", "end", "tab", "end", "escape", "home"):
            await press(pilot, key)
            fit_to_print(app, glyphs)

    play(scene, hostile_picture(), glyphs=glyphs, size=(120, 60))


def fit_to_print(app, glyphs):
    for row in screen(app):
        assert row.isprintable()
        assert glyphs is UNICODE or row.isascii()


def test_markup_and_escapes_stand_on_the_screen_as_they_are():
    async def scene(app, _pilot, _source):
        assert "[abi:cxx11] [abi:cxx11]:1" in said(app)
        assert "x[/]y" in said(app)
        assert "a·[2J·]0;title·b" in said(app)

    play(scene, hostile_picture(), size=(120, 60))


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_hostile_names_are_text_in_dialogs_marks_and_notifications(glyphs):
    async def scene(app, pilot, _source):
        await press(pilot, "question_mark", "end")
        fit_to_print(app, glyphs)
        assert "[no] \\[note] [/]" in said(app)
        await press(pilot, "escape")
        for name in HOSTILE:
            app._set_mark(name)
        await press(pilot, "escape", "M")
        fit_to_print(app, glyphs)
        assert "[abi:cxx11]" in said(app)
        await press(pilot, "escape", "m")
        fit_to_print(app, glyphs)
        await press(pilot, "escape", "escape", "escape")
        messages: set[str] = set()  # they are gone after some seconds
        for _ in HOSTILE:
            await press(pilot, "e", "y", "down")
            fit_to_print(app, UNICODE)  # the edge of a notification is Textual's
            messages |= {one.message for one in app._notifications}
        assert any("there is no source text of [abi:cxx11]" in one for one in messages)
        assert "sent to the terminal's clipboard" in said(app)

    notes = ("[no] \\[note] [/]", *MONSTERS, "[no] \\[note] [/]")
    play(scene, hostile_picture(), glyphs=glyphs, size=(120, 60), notes=lambda: notes)


def test_what_is_typed_into_the_palette_and_the_filter_is_text():
    async def scene(app, pilot, _source):
        for opens in ("colon", "slash"):
            await press(pilot, opens)
            for name in HOSTILE:
                await write(pilot, name.replace("\udc80", ""))
                await pilot.pause(0.02)
                fit_to_print(app, UNICODE)
            await press(pilot, "escape")
        assert not isinstance(app.screen, CommandPalette)

    play(scene, hostile_picture())


# --- pictures that come ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(100, 30), (20, 5), (1, 1)])
def test_until_the_first_picture_it_says_what_is_done(size):
    doing = ["attaching to [/app] (pid 42): compiling"]

    async def scene(app, pilot, source):
        assert doing[0][: size[0] - 1] in said(app)
        doing[0] = "placing 14 probes"
        await until(pilot, lambda: doing[0][: size[0] - 1] in said(app))
        await give(pilot, source, picture(*THREE))
        assert doing[0] not in said(app)

    play(scene, first=False, size=size, opening=lambda: doing[0])


def test_keys_before_the_first_picture_do_nothing():
    async def scene(app, pilot, source):
        await press(pilot, *"brngaom.,eysp", "down", "end", "enter", "tab", "slash", "escape", "o")
        await press(pilot, "question_mark", "escape", "M", "escape")
        await give(pilot, source, picture(*THREE))
        assert len(names(app)) == 3

    play(scene, first=False)


def test_a_picture_that_nobody_took_is_replaced():
    async def scene(app, pilot, source):
        for growth in range(200):
            source.give(picture(*THREE, growth=float(growth)))
        await settled(pilot)
        assert app.picture is source.newest
        assert app.picture.growth == 199.0

    play(scene)


def test_an_empty_picture_says_so_in_every_view():
    async def scene(app, pilot, _source):
        for view in "12345678":
            await press(pilot, view)
            assert "no allocation since the attach" in said(app)
            await press(pilot, "down", "end", "enter", "left", "right", "y", "escape", "escape")

    play(scene, picture())


def test_pictures_that_do_not_come_are_said_until_one_comes():
    async def scene(app, pilot, source):
        app._came -= 60
        await until(pilot, lambda: "no picture for 1m" in said(app))
        await give(pilot, source, picture(*THREE, growth=1.0))
        assert "no picture for" not in said(app)

    play(scene)


def test_time_that_goes_backwards_is_shown_as_it_is():
    async def scene(app, pilot, source):
        for view in "168":
            await press(pilot, view, "p")
            for now in (100.0, 5.0, 0.0, -3.0, 50.0):
                await give(pilot, source, picture(*WOOD, since_attach_s=now))
            await press(pilot, "p")
            assert shows(app, "50.0 s since attach")

    play(scene, picture(*WOOD, since_attach_s=100.0))


def test_sites_that_come_and_go_are_shown_in_the_picture_they_are_of():
    async def scene(app, pilot, source):
        for view in "12678":
            await press(pilot, view, "end")
            for sites in ((), WOOD, WOOD[1:], (stacked("f", "g", "h"),), WOOD):
                await give(pilot, source, picture(*sites))
                await press(pilot, "down")
            assert "tracked  9.8 KiB" in said(app)
            assert shows(app, "alloc")

    play(scene, picture(*WOOD))


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", "1268")
def test_the_final_picture_is_shown_in_whole_and_the_screen_stays(view):
    grown = stacked("late", "main", size=90_000)

    async def scene(app, pilot, source):
        await press(pilot, view)
        await give(pilot, source, picture(*WOOD, growth=1.0))
        ended = (target(ended="exited"),)
        await give(pilot, source, picture(*WOOD, grown, final=True, targets=ended))
        assert "every target has ended" in said(app)
        assert "app (pid 42)  ended" in said(app)
        assert "late" in said(app)
        await press(pilot, "1", "r")
        assert names(app)[-1] == "late"
        assert app.is_running

    play(scene, picture(*WOOD), at_once=False)


def test_it_leaves_when_told_to():
    told = []

    async def scene(app, pilot, _source):
        await press(pilot, "question_mark")
        told.append(True)
        await ended(app)
        assert app.return_code == 0

    play(scene, stopped=lambda: bool(told))


@pytest.mark.parametrize("what", ["pictures", "blocks", "text"])
def test_a_source_that_raises_ends_the_dashboard_with_its_exception(what):
    broken = RuntimeError(f"the {what} broke")

    async def scene(app, pilot, source):
        if what == "pictures":
            source.fail(broken)
        elif what == "blocks":
            source.found = broken
        else:
            source.text = broken
        await press(pilot, "down")
        await ended(app)
        assert app.failure is broken
        assert app.return_code == 1

    play(scene)


def test_what_composing_raises_ends_the_dashboard_with_its_exception(monkeypatch):
    async def scene(app, pilot, _source):
        monkeypatch.setattr(Composer, "compose", lambda *_: 1 // 0)
        await press(pilot, "2")
        await ended(app)
        assert isinstance(app.failure, ZeroDivisionError)
        assert app.return_code == 1

    play(scene)


def test_a_defect_in_the_drawing_is_raised_to_the_caller(monkeypatch, capsys):
    source = Source(picture(*THREE))
    app = Dashboard(source, Options(), UNICODE)

    async def main():
        async with app.run_test(notifications=True):
            monkeypatch.setattr(app, "_show_edges", lambda: 1 // 0)
            source.give(picture())
            await asyncio.sleep(0.3)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert isinstance(app.failure, ZeroDivisionError)
    assert "Traceback" not in capsys.readouterr().err
