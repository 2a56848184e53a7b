"""What the dashboard hides, and how it says so."""

from dataclasses import replace

import pytest

from ebpftrace.analysis.marks import Mark
from ebpftrace.analysis.selection import Selection
from ebpftrace.analysis.suppressed import By, Suppressed
from ebpftrace.model.losses import Losses
from ebpftrace.tui.composer import Composer
from ebpftrace.tui.detail import nothing_lines
from ebpftrace.tui.guide import guide_lines
from ebpftrace.tui.scope import scope_line
from ebpftrace.tui.view import KINDS, View
from tests.unit.builders import counts, picture, site, suppressions
from tests.unit.composing import FOREST, keys, shown, titles
from tests.unit.pilot import WOOD, names, play, press, said, screen, shows
from tests.unit.texts import plain, texts

HIDING = Selection(top=0, suppressions=suppressions("parse", "never"))
VIEW = View(HIDING)
HIDDEN = Suppressed(3, 40, 1 << 20, (By("ours", 2, 30, 1 << 19), By("theirs", 1, 10, 1 << 19)))
WORDS = "hidden 3 sites with 1.0 MiB in 40 blocks by 2 suppressions (ours, theirs)"


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_no_view_has_what_is_hidden(kind):
    found = shown(*FOREST, view=VIEW.of(kind), room=(80, 9))
    ids = {one.at.id for at in range(len(found.rows)) for one in found.rows.sites(at)}
    assert ids == {"one", "three"}
    assert not any("parse" in title for title in titles(found))
    assert found.suppressed == (1, 2, 200, (("leak:parse", 1, 2, 200),))


def test_shares_are_of_everything_that_is_held():
    assert shown(*FOREST, view=VIEW).whole == sum(one.counts.bytes for one in FOREST)


def test_a_row_that_is_looked_at_goes_when_it_is_hidden():
    assert keys(shown(*FOREST, view=VIEW, held="two")) == ["one", "three"]


def test_a_mark_a_filter_and_what_is_hidden_hold_together():
    mark = Mark("m", picture(*FOREST))
    more = [one._replace(counts=counts(20, 5000)) for one in FOREST]
    view = replace(VIEW, query="serve", mark="m")
    assert keys(shown(*more, view=view, mark=mark)) == ["one"]


def test_what_becomes_known_of_a_stack_hides_its_site_in_the_next_order():
    by = Composer()
    plainly = site("f", id="late")
    assert keys(shown(plainly, by=by, view=VIEW)) == ["late"]
    known = site("parse", id="late")
    assert keys(shown(known, by=by, view=VIEW, anew=1)) == []


# --- words ----------------------------------------------------------------------------------------


def scope(**given):
    return scope_line(picture(), View(Selection(top=0), **given), None, 7, None, hidden=HIDDEN)


def test_the_line_of_what_is_not_shown_says_it_in_full_where_there_is_room():
    assert plain(scope()) == WORDS
    assert scope()[0].role == "strong"


def test_beside_a_filter_it_comes_first_and_short():
    assert plain(scope(query="x")) == (
        "hidden 3 sites with 1.0 MiB  filter x  7 rows; escape shows more again"
    )


def test_where_every_row_is_hidden_the_pane_does_not_say_that_there_is_none():
    drawn = picture(site())
    said = texts(nothing_lines(drawn, VIEW, HIDDEN))
    assert said == ["no site holds anything that is not hidden"]
    assert texts(nothing_lines(drawn, VIEW)) == ["no site holds anything"]


def test_the_help_has_each_suppression_that_hides_something():
    said = texts(guide_lines(picture(), (), 80, HIDDEN))
    at = said.index("Hidden by suppressions, and counted in the totals")
    assert said[at + 1 : at + 3] == [
        "  ours: 2 sites with 512 KiB in 30 blocks",
        "  theirs: 1 site with 512 KiB in 10 blocks",
    ]


# --- on the screen --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 5)])
def test_it_is_on_every_screen_also_beside_losses_and_a_filter(size):
    async def scene(app, pilot, _source):
        assert any(row.startswith("hidden 1 site") for row in screen(app))
        await press(pilot, "slash", "m")
        assert any(row.startswith("hidden 1 site") for row in screen(app))

    drawn = picture(*WOOD, losses=Losses({"map_busy": 3, "stacks_full": 4}))
    play(scene, drawn, size=size, selection=HIDING)


def test_rows_and_help_agree():
    async def scene(app, pilot, _source):
        assert names(app) == ["alloc", "copy"]
        assert shows(app, "hidden 1 site with 5.9 KiB in 1 block by 1 suppression (leak:parse)")
        await press(pilot, "question_mark", "end")
        assert "leak:parse: 1 site with 5.9 KiB in 1 block" in said(app)

    play(scene, picture(*WOOD), size=(100, 40), selection=HIDING)
