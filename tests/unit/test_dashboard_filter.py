"""What the dashboard leaves out: by a filter, since a mark, during a pause."""

import pytest

from tests.unit.builders import counts, picture
from tests.unit.pilot import (
    THREE,
    WOOD,
    give,
    here,
    named,
    names,
    play,
    press,
    resize,
    said,
    screen,
    shows,
    write,
)

# --- filter ---------------------------------------------------------------------------------------


def test_a_filter_narrows_as_it_is_typed_and_enter_keeps_it():
    async def scene(app, pilot, _source):
        await press(pilot, "slash")
        assert app.focused is app.filter
        await write(pilot, "par")
        assert names(app) == ["alloc"]
        assert shows(app, "1 row; escape shows more again")
        await press(pilot, "enter")
        assert app.focused is app.table
        assert names(app) == ["alloc"]
        await press(pilot, "2")
        assert names(app) == ["alloc"]
        assert app.table.rows.row(0).counts.bytes == 6000
        await press(pilot, "escape")
        assert names(app) == ["alloc", "copy"]
        assert not app.filter.display

    play(scene, picture(*WOOD))


def test_letters_that_are_commands_elsewhere_are_text_in_the_filter():
    typed = "qvVbngaromMpesyjkhf?/:.,'12345678 "

    async def scene(app, pilot, _source):
        await press(pilot, "slash")
        await write(pilot, typed)
        assert app.filter.value == app.view.query == typed
        assert app.view.kind == "sites"
        assert not app.paused
        assert app.screen is app.screen_stack[0]
        assert app.is_running
        await press(pilot, "space", "q")
        assert app.filter.value == typed + " q"
        assert app.return_code is None

    play(scene)


def test_what_is_half_typed_is_named_and_the_rest_is_found():
    async def scene(app, pilot, _source):
        await press(pilot, "slash")
        await write(pilot, "mid size>")
        assert shows(app, "size> is not clear yet: size takes a size such as 64k or 1M.")
        assert names(app) == ["mid"]
        await write(pilot, "1k")
        assert "not clear" not in said(app)

    play(scene, size=(140, 30))


def test_escape_clears_a_filter_and_closes_an_empty_one():
    async def scene(app, pilot, _source):
        await press(pilot, "slash")
        await write(pilot, "nothing like it")
        assert names(app) == []
        assert "nothing of it holds anything that is asked for" in said(app)
        await press(pilot, "escape")
        assert len(names(app)) == 3
        assert (app.filter.value, app.filter.display, app.focused) == ("", False, app.table)
        await press(pilot, "slash", "escape")
        assert not app.filter.display
        await press(pilot, "down")
        assert here(app) == "mid"

    play(scene)


def test_in_the_flame_view_enter_in_the_filter_goes_back_to_the_boxes():
    async def scene(app, pilot, _source):
        await press(pilot, "f", "slash")
        await write(pilot, "parse")
        await press(pilot, "enter", "down")
        assert app.focused is app.flame
        assert app.flame.box.node.label == "alloc"
        assert "cache" not in said(app)

    play(scene, picture(*WOOD))


# --- marks ----------------------------------------------------------------------------------------


def grown(name, by):
    return tuple(
        one._replace(counts=counts(one.counts.blocks + 1, one.counts.bytes + by))
        if one.at.id == name
        else one
        for one in THREE
    )


def test_a_mark_shows_only_what_has_grown_since():
    async def scene(app, pilot, source):
        await press(pilot, "m")
        assert "Name of the mark" in said(app)
        assert "mark 1" in said(app)
        await write(pilot, "before the load")
        await press(pilot, "enter")
        assert names(app) == []
        await give(pilot, source, picture(*grown("low", 500), since_attach_s=72.0))
        assert names(app) == ["low"]
        assert app.site.counts.bytes == 500
        assert shows(app, "grown since before the load, 1m 00s ago 1 row")
        assert shows(app, "before the load")
        await press(pilot, "escape")
        assert len(names(app)) == 3

    play(scene)


def test_the_proposed_name_is_taken_by_enter_and_a_used_one_gets_a_number():
    async def scene(app, pilot, _source):
        await press(pilot, "m", "enter", "m")
        assert "mark 2" in said(app)
        await press(pilot, "enter", "m")
        await write(pilot, "mark 1")
        await press(pilot, "enter", "m")
        await write(pilot, "qpm 1")  # letters are text here
        await press(pilot, "enter")
        assert app.marks.names == ("mark 1", "mark 2", "mark 1 2", "qpm 1")
        assert app.view.mark == "qpm 1"

    play(scene)


def test_escape_or_no_name_sets_no_mark():
    async def scene(app, pilot, _source):
        await press(pilot, "m", "escape")
        await press(pilot, "m", "space", "enter")
        assert app.marks.names == ()
        assert len(names(app)) == 3

    play(scene)


@pytest.mark.parametrize("key", ["M", "apostrophe"])
def test_a_mark_is_chosen_from_those_that_are_set_or_none(key):
    async def scene(app, pilot, source):
        await press(pilot, "m", "enter")
        await give(pilot, source, picture(*grown("low", 500)))
        await press(pilot, "m", "enter")
        assert names(app) == []
        await press(pilot, key)
        assert shows(app, "since the attach: everything")
        await press(pilot, "down", "enter")
        assert (app.view.mark, names(app)) == ("mark 1", ["low"])
        await press(pilot, key, "escape")
        assert app.view.mark == "mark 1"
        await press(pilot, key, "enter")
        assert (app.view.mark, len(names(app))) == (None, 3)

    play(scene)


# --- pause ----------------------------------------------------------------------------------------


def test_a_pause_holds_the_picture_and_says_how_old_it_is_while_tracing_goes_on():
    async def scene(app, pilot, source):
        await press(pilot, "p")
        assert shows(app, "PAUSED")
        later = picture(named("new", counts=counts(1, 9)), since_attach_s=22.0)
        await give(pilot, source, later)
        assert shows(app, "PAUSED, 10.0 s behind; p goes on")
        assert names(app) == ["big", "mid", "low"]
        await press(pilot, "n", "down", "2", "1")
        assert sorted(names(app)) == ["big", "low", "mid"]
        await press(pilot, "p")
        assert names(app) == ["new"]
        assert "PAUSED" not in said(app)

    play(scene)


def test_a_pause_before_the_first_picture_holds_nothing_back():
    async def scene(app, pilot, source):
        await press(pilot, "p")
        await give(pilot, source, picture(*THREE))
        assert len(names(app)) == 3

    play(scene, first=False)


def test_a_pause_holds_the_line_of_time_and_the_growth_too():
    async def scene(app, pilot, source):
        await press(pilot, "p")
        before = list(app.edges.timeline.lines), list(app.edges.header.lines[1])
        for second in range(13, 60):
            later = picture(named("new", counts=counts(1, 99_999 * second)), since_attach_s=second)
            await give(pilot, source, later)
        assert (list(app.edges.timeline.lines), list(app.edges.header.lines[1])) == before
        await press(pilot, "p")
        assert (list(app.edges.timeline.lines), list(app.edges.header.lines[1])) != before

    play(scene)


def test_another_size_of_the_screen_is_shared_out_anew():
    async def scene(app, pilot, _source):
        wide = [row.strip() for row in screen(app)]
        await resize(pilot, 42, 20)
        await resize(pilot, 100, 30)
        assert [row.strip() for row in screen(app)] == wide

    play(scene)
