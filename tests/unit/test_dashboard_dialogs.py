"""What opens over the dashboard, what closes it, the command palette, and leaving."""

import asyncio
import re

import pytest
from textual.command import CommandPalette
from textual.widgets import OptionList

from ebpftrace.tui.commands import COMMANDS, FILTERS, MOVES
from ebpftrace.tui.guide import keys_of
from ebpftrace.tui.screens import Ask, Choose, Help
from tests.unit.builders import picture
from tests.unit.pilot import (
    THREE,
    WOOD,
    Source,
    dashboard,
    names,
    play,
    press,
    resize,
    said,
    screen,
    settled,
    size_of,
    until,
    write,
)

DIALOGS = [("question_mark", Help), ("m", Ask), ("M", Choose), ("colon", CommandPalette)]


def alone(app):
    return len(app.screen_stack) == 1


def leave(*keys, first=None):
    """The exit status after these keys."""

    async def main():
        async with dashboard(Source(first or picture(*THREE))) as (app, pilot):
            await press(pilot, *keys)
            await until_over(app)
        assert app.failure is None
        return app.return_code

    async def until_over(app):
        for _ in range(50):
            if app.return_code is not None:
                return
            await asyncio.sleep(0.01)

    return asyncio.run(main())


# --- help -----------------------------------------------------------------------------------------


def test_the_help_lists_every_key_filter_and_note():
    async def scene(app, pilot, _source):
        await press(pilot, "question_mark")
        read = set(screen(app))
        for _ in range(20):
            await press(pilot, "pagedown")
            read |= set(screen(app))
        text = "\n".join(read)
        for one in COMMANDS:
            assert re.search(rf"  {re.escape(keys_of(one.keys))} +{re.escape(one.title)}: ", text)
        for words, does in (*MOVES, *FILTERS):
            assert words in text
            assert does.split(",")[0] in text
        assert "libfoo.so has no symbols" in text

    play(scene, notes=lambda: ("libfoo.so has no symbols",), size=(140, 30))


@pytest.mark.parametrize("opens", ["question_mark", "h", "f1"])
def test_the_help_opens_and_closes(opens):
    async def scene(app, pilot, _source):
        for closes in ("escape", "q", "question_mark", "h", "enter"):
            await press(pilot, opens)
            assert isinstance(app.screen, Help)
            await press(pilot, closes)
            assert alone(app)
            assert "SITE" in said(app)
            assert app.return_code is None

    play(scene)


def test_the_help_goes_on_showing_its_text_while_pictures_come():
    async def scene(app, pilot, source):
        await press(pilot, "question_mark", "pagedown")
        before = screen(app)
        source.give(picture(THREE[2]))
        await settled(pilot)
        assert screen(app) == before
        await press(pilot, "escape")
        assert names(app) == ["low"]

    play(scene)


# --- the palette ----------------------------------------------------------------------------------


def offered(app):
    if not isinstance(app.screen, CommandPalette):
        return []
    options = app.screen.query_one(OptionList)
    return [
        str(options.get_option_at_index(n).prompt).split("\n")[0]
        for n in range(options.option_count)
    ]


@pytest.mark.parametrize("key", ["ctrl+p", "colon"])
def test_the_palette_finds_every_command_by_its_name(key):
    async def scene(app, pilot, _source):
        await press(pilot, key)
        titles = {one.title for one in COMMANDS if one.action != "command_palette"}
        await until(pilot, lambda: set(offered(app)) == titles)

    play(scene, size=(100, 60))


def test_the_palette_runs_what_is_chosen():
    async def scene(app, pilot, _source):
        for name, done in [
            ("View: call tree", lambda: app.view.kind == "calls"),
            ("Pause", lambda: app.paused),
            ("Sort by blocks", lambda: app.view.sort == "blocks"),
            ("Set a mark", lambda: isinstance(app.screen, Ask)),
        ]:
            await press(pilot, "colon")
            await write(pilot, name)
            await until(pilot, lambda name=name: offered(app)[:1] == [name])
            await press(pilot, "enter")
            await until(pilot, done)

    play(scene, picture(*WOOD))


# --- closing and leaving --------------------------------------------------------------------------


@pytest.mark.parametrize("key,kind", DIALOGS)
def test_escape_closes_a_dialog_and_leaves_the_rest_as_it_is(key, kind):
    async def scene(app, pilot, _source):
        await press(pilot, "slash", "m", "enter", key)
        assert isinstance(app.screen, kind)
        await press(pilot, "escape")
        await until(pilot, lambda: alone(app))
        assert app.view.query == "m"

    play(scene)


def test_escape_closes_what_is_on_top_one_thing_at_a_time():
    async def scene(app, pilot, _source):
        await press(pilot, "m", "enter")  # a mark, shown from the attach on
        await press(pilot, "M", "enter", "2", "enter", "slash")
        await write(pilot, "par")
        await press(pilot, "enter", "enter", "question_mark")
        state = lambda: (  # noqa: E731
            not alone(app),
            app.whole,
            app.view.within is not None,
            bool(app.view.query),
        )
        seen = [state()]
        for _ in range(5):
            await press(pilot, "escape")
            seen.append(state())
        assert seen == [
            (True, True, True, True),
            (False, True, True, True),
            (False, False, True, True),
            (False, False, False, True),
            (False, False, False, False),
            (False, False, False, False),
        ]
        assert app.return_code is None

    play(scene, picture(*WOOD))


def test_q_leaves_from_the_main_screen_with_status_0():
    assert leave("q") == 0
    assert leave("f", "q", first=picture(*WOOD)) == 0
    assert leave("enter", "tab", "q") == 0
    assert leave("slash", "x", "q") is None


@pytest.mark.parametrize("keys", [(), ("slash",), *((key,) for key, _ in DIALOGS)])
@pytest.mark.parametrize("key", ["ctrl+c", "ctrl+q"])
def test_ctrl_c_leaves_from_anywhere(keys, key):
    assert leave(*keys, key) == 0


@pytest.mark.parametrize("key,kind", DIALOGS)
@pytest.mark.parametrize("size", [(20, 5), (250, 70)])
def test_dialogs_open_on_every_screen(key, kind, size):
    async def scene(app, pilot, _source):
        await press(pilot, key)
        await pilot.pause(0.05)
        assert isinstance(app.screen, kind)
        assert size_of(app) == [size[0]] * size[1]
        await write(pilot, "pa")
        await pilot.pause(0.05)
        for other in ((1, 1), (4, 4), (6, 9), (100, 30)):
            await resize(pilot, *other)
        await press(pilot, "escape", "escape")
        assert alone(app)
        assert "lost nothing" in said(app)

    play(scene, size=size)
