"""The dashboard's call tree, caller tree and flame view."""

import pytest

from tests.unit.builders import counts, picture
from tests.unit.pilot import (
    WOOD,
    click,
    give,
    names,
    play,
    press,
    resize,
    said,
    screen,
    stacked,
)

# --- trees ----------------------------------------------------------------------------------------


def test_right_opens_a_node_then_goes_in_and_left_closes_it_or_goes_out():
    async def scene(app, pilot, _source):
        await press(pilot, "6")
        assert names(app) == ["main", "serve", "parse", "alloc", "cache", "log"]
        for key, position, rows in [
            ("left", 0, ["main"]),
            ("left", 0, ["main"]),
            ("right", 0, ["main", "serve", "parse", "alloc", "cache", "log"]),
            ("right", 1, 6),
            ("left", 1, ["main", "serve", "log"]),
            ("left", 0, 3),
            ("right", 1, 3),
            ("right", 1, 6),
            ("right", 2, 6),
            ("right", 3, 6),
            ("right", 3, 6),  # a leaf
            ("left", 2, 6),
        ]:
            await press(pilot, key)
            assert app.table.position == position, key
            assert rows in (len(names(app)), names(app))

    play(scene, picture(*WOOD))


@pytest.mark.parametrize("way", ["key", "mouse"])
def test_enter_or_a_double_click_turns_a_node(way):
    async def scene(app, pilot, _source):
        async def turn():
            if way == "key":
                await press(pilot, "enter")
            else:
                await click(pilot, app.table, 50, 1, times=2)

        await press(pilot, "6")
        await turn()
        assert names(app) == ["main"]
        await turn()
        assert len(names(app)) == 6

    play(scene, picture(*WOOD))


def test_the_caller_tree_begins_with_the_function_to_blame():
    async def scene(app, pilot, _source):
        await press(pilot, "7")
        assert names(app)[:2] == ["alloc", "parse"]
        assert "copy" in names(app)

    play(scene, picture(*WOOD))


def test_the_cursor_stays_on_its_node_while_others_grow():
    async def scene(app, pilot, source):
        await press(pilot, "6", "end")
        assert names(app)[app.table.position] == "log"
        grown = WOOD[2]._replace(counts=counts(1, 99_000))
        await give(pilot, source, picture(*WOOD[:2], grown))
        assert names(app)[app.table.position] == "log"
        assert app.table.position == 1

    play(scene, picture(*WOOD))


# --- flame ----------------------------------------------------------------------------------------


def boxes(app):
    return [box.node.label for box in app.flame._boxes if box.node is not None]


def chosen(app):
    return app.flame.box.node.label


def test_the_flame_view_moves_by_its_boxes_and_the_pane_follows():
    async def scene(app, pilot, _source):
        await press(pilot, "f")
        assert chosen(app) == "all › main"
        assert "9.8 KiB in 3 blocks at 3 sites" in said(app)
        for key, box, held in [
            ("down", "serve", "8.8 KiB in 2 blocks at 2 sites"),
            ("left", "log", "1.0 KiB in 1 block at 1 site"),
            ("left", "log", "1.0 KiB in 1 block at 1 site"),
            ("right", "serve", "8.8 KiB in 2 blocks at 2 sites"),
            ("j", "parse", "5.9 KiB in 1 block at 1 site"),
            ("left", "cache", "2.9 KiB in 1 block at 1 site"),
            ("k", "serve", "8.8 KiB in 2 blocks at 2 sites"),
            ("home", "all › main", "9.8 KiB in 3 blocks at 3 sites"),
            ("up", "all › main", "9.8 KiB in 3 blocks at 3 sites"),
        ]:
            await press(pilot, key)
            assert chosen(app) == box
            assert "".join(one.text for one in app.pane.lines[0]) == f"{box} app"
            assert held in said(app)

    play(scene, picture(*WOOD))


def test_enter_zooms_and_escape_shows_everything_again():
    async def scene(app, pilot, _source):
        await press(pilot, "f", "down", "enter")
        assert boxes(app) == ["serve", "cache", "parse", "alloc", "alloc"]
        assert "within serve" in said(app)
        await press(pilot, "down", "enter")
        assert boxes(app) == ["parse", "alloc"]
        await press(pilot, "escape")
        assert boxes(app)[0] == "all › main"
        await press(pilot, "escape")
        assert app.view.kind == "flame"

    play(scene, picture(*WOOD))


def test_a_click_chooses_a_box_and_a_double_click_zooms_to_it():
    async def scene(app, pilot, _source):
        await press(pilot, "f")
        row = screen(app)[app.flame.region.y + 2]
        await click(pilot, app.flame, row.index("parse"), 2)
        assert chosen(app) == "parse"
        assert "parse" in "".join(one.text for one in app.pane.lines[0])
        assert boxes(app)[0] == "all › main"
        await click(pilot, app.flame, row.index("cache"), 2, times=2)
        assert boxes(app) == ["cache", "alloc"]
        await click(pilot, app.flame, 3, app.flame.size.height - 1)  # where no box is
        assert boxes(app) == ["cache", "alloc"]

    play(scene, picture(*WOOD))


def test_the_flame_view_is_laid_out_anew_for_another_screen_and_another_picture():
    async def scene(app, pilot, source):
        await press(pilot, "f", "down")
        await resize(pilot, 60, 24)
        assert app.flame._boxes[0].width == app.flame.size.width == 60
        await give(pilot, source, picture(*WOOD, stacked("alloc", "new", "main", size=50_000)))
        assert "new" in boxes(app)
        assert chosen(app) == "serve"

    play(scene, picture(*WOOD))


def test_boxes_too_small_for_a_cell_are_summed_and_can_be_chosen():
    many = [stacked(f"f{n:03}", "main", size=10) for n in range(500)]
    big = stacked("alloc", "main", size=500_000)

    async def scene(app, pilot, _source):
        await press(pilot, "f", "down", "right")
        assert app.flame.box.node is None
        assert "500 smaller" in said(app) or app.flame.box.summed == 500
        await press(pilot, "enter", "left", "enter")
        assert boxes(app) == ["alloc"]

    play(scene, picture(big, *many))
