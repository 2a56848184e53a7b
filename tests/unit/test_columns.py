"""The table's text: the cells of a row, the line over them, and what finds room."""

import itertools

import pytest
from rich.cells import cell_len

from ebpftrace.analysis.grouping import Group
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import Selection
from ebpftrace.analysis.tree import Node
from ebpftrace.model.ids import Pid, StackId
from ebpftrace.model.picture import Cohort
from ebpftrace.tui.columns import COLUMNS, Judged, Moment, choose, heading, line_of, sort_at, trend
from ebpftrace.tui.glyphs import ASCII, UNICODE
from ebpftrace.tui.rows import GroupRows, Row, Shoot, SiteRows, TreeRows
from ebpftrace.tui.view import GROUPED, KINDS, TREES, View
from tests.unit.builders import counts, frame, site
from tests.unit.hostile import HOSTILE
from tests.unit.texts import MONSTROUS, plain

VIEW = View(Selection(top=0))
RULES = Rules.standard()
WIDTHS = (1, 5, 10, 20, 40, 80, 100, 250)
LEAK = tuple(Cohort(epoch, 1, 100) for epoch in range(60))


def row(one=None, rules=RULES):
    return SiteRows((one or site(),), (0,), rules).row(0)


def shoot(label="serve", place="serve.c:42", leaf=False, is_open=True, depth=1):
    node = Node(("main", label), label, place, counts(3, 300), 2.0, 5.0, (0,), 100, leaf, 2)
    return TreeRows([Shoot(node, depth, is_open)], (site(),)).row(0)


def group(title="app", sites=3):
    members = range(sites)
    one = Group("app", title, counts(6, 600), 2.0, 5.0, members)
    return GroupRows([one], [site(cohorts=LEAK)] * sites).row(0)


def row_of(kind, name):
    if kind == "sites":
        return row(site(frames=(frame(name), frame(name)), allocator=name))
    return group(name) if kind in GROUPED else shoot(name, name)


def line(one, width=100, *, kind="sites", several=False, glyphs=UNICODE, here=False, now=12.0):
    columns = choose(width, VIEW.of(kind), several)
    return line_of(one, columns, Moment(now, 1000, glyphs, Judged()), here, width)


def shown(one: Row, width=100, **given):
    return plain(line(one, width, **given))


def titles(width=100, view=VIEW, several=False, glyphs=UNICODE):
    return plain(heading(choose(width, view, several), view, width, glyphs))


# --- a site ---------------------------------------------------------------------------------------


def test_a_row_has_every_figure_and_who_called():
    frames = (frame("leak"), frame("serve"), frame("main"))
    said = shown(row(site(counts=counts(2, 250), growth=2048.0, frames=frames)), 140)
    assert said.split()[:9] == ["250", "B", "25.0%", "2", "+120", "KiB", "12.0", "s", "malloc"]
    assert said.rstrip().endswith(" leak [app] ← serve ← main")


def test_the_responsible_frame_names_the_site_and_its_callers_follow():
    frames = (
        frame("xmalloc"),
        frame("std::vector<int>::reserve(unsigned long)", module="/lib/libx.so"),
        frame("app::Cache<int>::put(int)", file="/src/cache.cpp", line=42),
        frame("app::serve(app::Job const&)", file="/src/serve.cpp", line=7),
        frame("main"),
    )
    one = row(site(frames=frames))
    assert " app::Cache<…>::put cache.cpp:42 ← app::serve ← main" in shown(one, 160)
    in_ascii = shown(one, 160, glyphs=ASCII)
    assert " app::Cache<...>::put cache.cpp:42 <- app::serve <- main" in in_ascii


def test_code_without_a_name_is_its_offset():
    one = site(frames=(frame(None), frame("outer", module="/lib/libx.so")))
    assert " 0x1234 [app] ← outer" in shown(row(one))


def test_what_the_user_skips_names_no_site():
    rules = RULES.with_skipped(["^pool_"])
    one = site(frames=(frame("pool_get"), frame("serve")))
    assert " serve [app]" in shown(row(one, rules))
    only = site(frames=(frame("pool_get"), frame("pool_run")))
    assert " pool_get [app] ← pool_run" in shown(row(only, rules))


def test_what_is_not_known_is_a_question_mark_or_blank():
    one = site(growth=None, oldest_at=None, allocator=None, frames=())
    said = shown(row(one), 140)
    assert said.split()[4:6] == ["?", "?"]
    assert "(stack not here yet)" in said
    assert "(stack not kept)" in shown(row(site(stack=StackId(0), frames=())))


def test_growth_below_a_byte_a_minute_is_none_and_a_loss_has_its_sign():
    assert " 0 B " in shown(row(site(growth=-0.001)))
    assert " -600 B " in shown(row(site(growth=-10.0)))


def test_an_age_of_after_now_is_none_of_before():
    assert " 0 ms " in shown(row(site(oldest_at=99.0)), 140)


def test_without_totals_there_is_no_share():
    columns = choose(100, VIEW, False)
    assert "%" not in plain(line_of(row(), columns, Moment(0.0, 0, UNICODE, Judged()), False, 100))


def test_a_leak_is_named_and_told_by_its_role():
    leaking = row(site(counts=counts(60, 6000), cohorts=LEAK))
    spans = line(leaking, 140, now=60.0)
    assert [span.text.strip() for span in spans if span.role == "alarm"] == ["growing"]
    assert "██████████" in plain(spans)


def test_blocks_from_before_the_attach_alone_are_steady():
    held = row(site(counts=counts(9, 900), cohorts=(Cohort(0, 9, 900, 900),)))
    assert " steady " in shown(held, 140, now=60.0)


def test_the_pid_is_a_column_only_with_several_targets_and_of_sites():
    assert "PID" not in titles(200)
    assert "PID" in titles(200, several=True)
    assert " 4242 " in shown(row(site(pid=Pid(4242))), 200, several=True)
    for kind in KINDS[1:]:
        assert "PID" not in titles(200, VIEW.of(kind), several=True)


# --- groups and trees -----------------------------------------------------------------------------


def test_a_group_says_of_how_many_sites_it_is_and_how_they_grow_together():
    said = shown(group(sites=3), 160, kind="modules", now=60.0)
    assert " 3 sites app " in said
    assert " growing " in said


def test_the_cohorts_of_a_very_large_group_are_added_up_before_it_is_drawn():
    one = group(sites=1000)
    assert one.cohorts is not None
    assert one.cohorts[0] == Cohort(0, 1000, 100_000)


def test_a_node_stands_by_its_depth_and_says_whether_it_is_open():
    for is_open, sign, in_ascii in ((True, "▾", "v"), (False, "▸", ">")):
        one = shoot(is_open=is_open)
        assert f"   {sign} serve serve.c:42 " in shown(one, kind="calls")
        assert f"   {in_ascii} serve serve.c:42 " in shown(one, kind="calls", glyphs=ASCII)
    assert "     serve serve.c:42 " in shown(shoot(leaf=True), kind="calls")


def test_the_place_of_a_node_is_no_caller_of_it():
    assert "←" not in shown(shoot(), kind="callers")
    assert shoot(place="").title == "serve"


def test_a_node_has_no_trend_of_its_own():
    assert trend(shoot(), 60.0) is None
    for kind in TREES:
        assert "TREND" not in titles(250, VIEW.of(kind))
        assert "HELD SINCE" not in titles(250, VIEW.of(kind))


# --- widths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("name", [*HOSTILE, *MONSTROUS])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_and_its_heading_take_exactly_the_width(kind, name, glyphs):
    one = row_of(kind, name)
    for width in WIDTHS:
        for here in (False, True):
            for several in (False, True):
                said = shown(one, width, kind=kind, several=several, glyphs=glyphs, here=here)
                assert cell_len(said) == width or width < 20
                assert glyphs is UNICODE or said.isascii()
        assert cell_len(titles(width, VIEW.of(kind), glyphs=glyphs)) == width


@pytest.mark.parametrize("name", HOSTILE)
def test_the_cursor_changes_the_roles_of_a_row_and_nothing_else_of_its_text(name):
    one = row(site(frames=(frame(name), frame("main"))))
    for width in WIDTHS:
        assert shown(one, width, here=True)[1:] == shown(one, width)[1:]


def test_the_name_is_set_apart_from_its_callers():
    spans = line(row(site(frames=(frame("leak"), frame("main")))))
    assert [(span.text.rstrip(), span.role) for span in spans[-2:]] == [
        ("leak [app]", "strong"),
        (" ← main", "label"),
    ]


def test_bytes_and_the_name_stay_on_the_narrowest_screen():
    for kind in KINDS:
        assert [one.title for one in choose(20, VIEW.of(kind), True)] == ["BYTES"]
    assert "BYTES▼ SITE" in titles(20, several=True)


def test_the_wider_the_screen_the_more_columns():
    for kind in KINDS:
        chosen = [choose(width, VIEW.of(kind), True) for width in range(250)]
        for few, many in itertools.pairwise(chosen):
            assert set(few) <= set(many)
    assert choose(250, VIEW, True) == COLUMNS


def test_names_keep_32_cells_of_an_ordinary_terminal():
    for kind in KINDS:
        taken = titles(80, VIEW.of(kind), several=True).index(
            "SITE" if kind == "sites" else kind.upper()
        )
        assert taken <= 48


# --- the line over the rows -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "key,title",
    [("bytes", "BYTES"), ("blocks", "BLOCKS"), ("growth", "GROWTH/min"), ("age", "OLDEST")],
)
def test_the_sorted_column_shows_its_direction_without_a_colour(key, title):
    view = View(Selection(key, top=0))
    assert f"{title}▼ " in titles(200, view)
    assert f"{title}^ " in titles(200, view.reversed(), glyphs=ASCII)


def test_the_names_stand_under_what_the_rows_are():
    assert titles().rstrip().endswith("SITE")
    for kind in KINDS[1:]:
        assert titles(view=VIEW.of(kind)).rstrip().endswith(kind.upper())


def test_the_cursor_shows_without_a_colour():
    assert shown(row(), here=True).startswith("▸")
    assert shown(row(), here=True, glyphs=ASCII).startswith(">")
    assert shown(row(), here=False).startswith(" ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_click_on_a_title_sorts_by_what_stands_below_it(kind):
    columns = choose(200, VIEW.of(kind), True)
    said = titles(200, VIEW.of(kind), several=True)
    for column in columns:
        start = said.index(column.title)
        assert sort_at(columns, start) == sort_at(columns, start + 4) == column.sort
    assert sort_at(columns, 190) is None


def test_a_trend_is_judged_anew_after_a_moment_and_when_time_goes_back():
    judged = Judged()
    leak = row(site(counts=counts(60, 6000), cohorts=LEAK))
    assert judged.word(leak, 60.0) == "growing"
    nothing = leak._replace(cohorts=(), counts=counts(0, 0, freed=60))
    assert judged.word(nothing, 61.0) == "growing"
    assert judged.word(nothing, 64.0) != "growing"
    assert judged.word(leak, 60.0) == "growing"


def test_the_family_of_a_site_is_a_column_only_where_a_target_has_several():
    *others, family = choose(250, VIEW, True, families=True)
    assert (tuple(others), family.title) == (COLUMNS, "FAMILY")
    assert family.text(row(), Moment(12.0, 1000, UNICODE, Judged())) == "glibc"
    assert choose(250, VIEW.of("functions"), True, families=True) == choose(
        250, VIEW.of("functions"), True
    )
    assert choose(20, VIEW, True, families=True) == choose(20, VIEW, True)
