"""What the pane says: about a site, about a row that stands for several, about nothing."""

from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.style import Style

from ebpftrace.analysis.responsible import Rules
from ebpftrace.model.ids import Address, Pid, Tid
from ebpftrace.model.picture import Block, Cohort, SiteBlocks, SizeClass, SourceLines
from ebpftrace.tui.canvas import strip
from ebpftrace.tui.detail import Look, chosen_frame, group_lines, nothing_lines, site_lines
from ebpftrace.tui.glyphs import ASCII, UNICODE
from ebpftrace.tui.rows import Row, SiteRows, part_of
from ebpftrace.tui.survey import Subject, Survey
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.composing import VIEW
from tests.unit.hostile import HOSTILE
from tests.unit.pilot import named
from tests.unit.texts import MONSTROUS, plain, texts

RULES = Rules.standard()
WIDTHS = (30, 80, 150)
SERVE = frame("serve", file="/src/serve.c", line=42, source="p = malloc(n);")
MAIN = frame("main", file="/src/main.c", line=7, source="serve();")
LEAK = named(
    "leak",
    frames=(frame("xmalloc"), SERVE, MAIN),
    counts=counts(60, 6000),
    cohorts=tuple(Cohort(epoch, 1, 100) for epoch in range(60)),
)
TEXT = SourceLines("/src/serve.c", 41, ("void *p;", "p = malloc(n);", "use(p);"))
BLOCKS = SiteBlocks(
    60, 6000, (SizeClass(64, 60, 6000),), (Block(Address(0x7F00), 100, 2.0, Tid(43)),)
)


def look(*sites, surveyed=None, chosen=None, glyphs=UNICODE, **given):
    shown = picture(*(sites or (LEAK,)), **{"since_attach_s": 60.0, **given})
    return Look(shown, RULES, chosen, surveyed, glyphs)


def survey(one=LEAK, at=SERVE, blocks=BLOCKS, text=TEXT):
    return Survey(Subject(one, at), blocks, text)


def pane(one=LEAK, width=80, **given):
    return texts(site_lines(one, look(one, **given), width))


def group(*sites, width=80, row=None, **given):
    rows = SiteRows(sites, range(len(sites)), RULES)
    return texts(group_lines(row or rows.row(0), part_of(sites), look(*sites, **given), width))


# --- a site ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_lines_say_what_a_site_holds_and_how_that_grows(width):
    said = pane(width=width)
    assert said[0] == "5.9 KiB in 60 blocks  +0 B/min  oldest 1m 00s  malloc (glibc)"
    assert said[1].startswith("growing +5.9 KiB/min (")
    assert said[2] == "allocated 60 (5.9 KiB), freed 0 (0 B)"


def test_growth_is_an_alarm_here_as_in_the_table():
    assert [row[0].role for row in site_lines(LEAK, look(), 80)][1] == "alarm"
    held = LEAK._replace(cohorts=(Cohort(0, 60, 6000),))
    steady = list(site_lines(held, look(held), 80))[1]
    assert (plain(steady), steady[0].role) == ("steady", "good")


def test_the_pid_is_named_with_several_targets_only():
    assert "pid" not in pane()[0]
    assert pane(targets=(target(), target(pid=Pid(43))))[0].endswith("  pid 42")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("surveyed", [None, survey(), survey(text=None), survey(blocks=None)])
def test_every_frame_of_the_stack_is_there(width, surveyed):
    said = "\n".join(pane(width=width, surveyed=surveyed))
    for name in ("xmalloc", "▸ serve", "main"):
        assert f"{name}  " in said


def test_the_line_to_blame_stands_in_the_stack_until_the_text_around_it_has_come():
    assert "    │ p = malloc(n);" in pane()
    surveyed = pane(surveyed=survey())
    assert "    │ p = malloc(n);" not in surveyed
    assert "Source" not in pane()
    start = surveyed.index("Source")
    assert surveyed[start : start + 4] == [
        "Source",
        "  41 │ void *p;",
        "▸ 42 │ p = malloc(n);",
        "  43 │ use(p);",
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_sizes_and_the_last_blocks_are_shown_once_they_have_been_read(width):
    assert not {"Held by size of block", "Last blocks"} & set(pane(width=width))
    said = "\n".join(pane(width=width, surveyed=survey()))
    for words in ("Held by age", "Held by size of block", "64-127 B", "Last blocks", "0x7f00"):
        assert words in said


@pytest.mark.parametrize("width", WIDTHS)
def test_what_was_found_of_another_site_is_not_shown(width):
    other = survey(one=named("other", frames=LEAK.at.frames))
    assert pane(width=width, surveyed=other) == pane(width=width)


def test_the_text_of_another_frame_is_not_shown_but_the_blocks_are():
    said = pane(surveyed=survey(at=MAIN))
    assert "Source" not in said
    assert "Last blocks" in said


def test_what_was_found_of_an_older_picture_of_the_site_is_shown():
    older = LEAK._replace(counts=counts(1, 1))
    assert pane(surveyed=survey(one=older)) == pane(surveyed=survey())


def test_the_frame_is_that_to_blame_unless_one_was_chosen():
    assert chosen_frame(LEAK, look()) == 1
    assert chosen_frame(LEAK, look(chosen=2)) == 2
    assert "▸ main  /src/main.c:7  [app]" in pane(chosen=2)


def test_a_frame_that_the_stack_does_not_have_any_more_is_not_chosen():
    assert chosen_frame(LEAK, look(chosen=3)) == 1
    assert chosen_frame(site(frames=()), look(chosen=0)) is None


@pytest.mark.parametrize("width", WIDTHS)
def test_a_site_without_a_stack_says_why(width):
    nothing = named("none", frames=())
    assert "(stack not here yet)" in "\n".join(pane(nothing, width, surveyed=survey(nothing, None)))


@pytest.mark.parametrize("text", [*HOSTILE, *MONSTROUS])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_hostile_names_and_hostile_source_take_a_bounded_number_of_lines(text, width, glyphs):
    here = frame(text, file=text, line=1, source=text)
    one = named("leak", frames=(here, here), cohorts=LEAK.cohorts)
    found = survey(one, here, text=SourceLines(text, 1, (text,) * 3))
    said = list(site_lines(one, look(one, surveyed=found, glyphs=glyphs), width))
    assert len(said) < 60
    drawn = [strip(row, width, Style(), glyphs).text for row in said]
    assert {cell_len(row) for row in drawn} == {width}
    assert all(row.isprintable() for row in drawn)
    assert glyphs is UNICODE or all(row.isascii() for row in drawn)


# --- several sites --------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_a_group_says_what_its_sites_hold_together_and_names_the_largest_first(width):
    sites = [named(f"s{n}", counts=counts(1, n)) for n in (100, 300, 200)]
    row = Row("app", "app", (), counts(3, 600), 2048.0, 0.0, LEAK.cohorts, "", "3 sites")
    said = group(*sites, width=width, row=row)
    assert said[:2] == ["app", "600 B in 3 blocks at 3 sites  +120 KiB/min"]
    assert said[2].startswith("growing ")
    assert said[3] == "allocated 3 (600 B), freed 0 (0 B)"
    assert "Held by age" in said
    assert said[-4:] == [
        "Its largest sites",
        "    300 B  s300 [app]",
        "    200 B  s200 [app]",
        "    100 B  s100 [app]",
    ]


def test_a_group_that_grows_is_an_alarm():
    rows = list(group_lines(SiteRows([LEAK], [0], RULES).row(0), part_of([LEAK]), look(), 80))
    assert rows[2][0].role == "alarm"


def test_a_group_whose_cohorts_are_not_added_up_says_nothing_of_its_age():
    row = SiteRows([LEAK], [0], RULES).row(0)._replace(cohorts=None)
    said = group(LEAK, row=row)
    assert "Held by age" not in said
    assert not any(words.startswith("growing") for words in said)


def test_the_sites_of_a_group_are_told_apart_by_three_callers():
    one = named("leak", frames=tuple(frame(name) for name in "abcdef"))
    assert group(one)[-1] == "    100 B  a [app] ← b ← c ← d"
    assert group(one, glyphs=ASCII)[-1] == "    100 B  a [app] <- b <- c <- d"


def test_of_very_many_sites_the_largest_fifty_are_named():
    sites = [named(f"s{n}", counts=counts(1, n)) for n in range(100)]
    said = group(*sites)
    named_ones = said[said.index("Its largest sites") + 1 :]
    assert [row.split()[2] for row in named_ones] == [f"s{n}" for n in range(99, 49, -1)]


# --- nothing --------------------------------------------------------------------------------------


def test_a_pane_without_a_row_says_why():
    assert texts(nothing_lines(picture(), VIEW)) == ["no allocation since the attach"]
    assert texts(nothing_lines(picture(site()), VIEW)) == ["no site holds anything"]
    filtered, marked = replace(VIEW, query="x"), replace(VIEW, mark="noon")
    assert (
        "that is asked for; escape shows more again"
        in texts(nothing_lines(picture(site()), filtered))[0]
    )
    assert texts(nothing_lines(picture(site()), marked)) == [
        "nothing has grown since noon; escape shows more again"
    ]
