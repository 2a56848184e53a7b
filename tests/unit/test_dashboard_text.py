"""What the dashboard says of a picture: pure functions, without an app."""

import pytest
from rich.cells import cell_len

from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import SORT_KEYS, Selection
from ebpftrace.model.ids import Pid, StackId
from ebpftrace.model.losses import LOSSES, UNDETECTED, Losses
from ebpftrace.model.picture import Cost, Counts, Naming
from ebpftrace.tui.columns import COLUMNS, Moment, choose, heading, row, sort_at
from ebpftrace.tui.glyphs import ASCII, UNICODE, glyphs_for
from ebpftrace.tui.header import ENDED, header_lines, wanted
from ebpftrace.tui.room import room
from ebpftrace.tui.rows import View, arrange, index_of
from ebpftrace.tui.status import status_lines
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.pilot import named

HOSTILE = [
    "[abi:cxx11]",
    "[/usr/lib]",
    "x[/]y",
    "[bold red]",
    "a\x1b[2J\x1b]0;title\x07b",
    "c1\x9b31m\x85\x90",
    "bidi\u202e\u2066evil",
    "two\nlines\ttab\rback",
    "lone\udc80surrogate",
    "wide漢字名前",
    "z\u0301\u0301\u0301algo",
]
VIEW = View(Selection(top=0))
RULES = Rules.standard()


def plain(line):
    return "".join(span.text for span in line)


def texts(lines):
    return [plain(line) for line in lines]


def names(rows):
    return [one.at.frames[0].function for one in rows]


# --- glyphs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [0, 1, 2, 7, 20, 200])
@pytest.mark.parametrize("name", [*HOSTILE, "", "x" * 100_000, "漢" * 100_000, "\x1b" * 100_000])
def test_a_name_takes_exactly_the_cells_it_is_given(name, width, glyphs):
    for right in (False, True):
        assert cell_len(glyphs.fit(name, width, right)) == width


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_control_character_passes(name, glyphs):
    shown = glyphs.fit(name, 60)
    assert shown.isprintable()
    assert glyphs is UNICODE or shown.isascii()


@pytest.mark.parametrize("name", ["[abi:cxx11]", "[/usr/lib]", "x[/]y", "[bold red]"])
def test_markup_is_text(name):
    assert UNICODE.fit(name, 20).rstrip() == name


def test_a_cut_name_shows_that_it_is_cut():
    assert UNICODE.fit("session_create", 8) == "session…"
    assert ASCII.fit("session_create", 8) == "session~"


@pytest.mark.parametrize(
    "encoding,environment,expected",
    [
        ("utf-8", {}, UNICODE),
        ("UTF8", {"LANG": "de_DE.UTF-8"}, UNICODE),
        ("latin-1", {}, ASCII),
        (None, {}, ASCII),
        ("utf-8", {"LC_ALL": "C", "LANG": "en_US.UTF-8"}, ASCII),
        ("utf-8", {"LC_CTYPE": "C.UTF-8", "LANG": "POSIX"}, ASCII),
        ("utf-8", {"LC_ALL": "C.UTF-8", "LANG": "C"}, UNICODE),
    ],
)
def test_who_has_no_utf8_gets_ascii(encoding, environment, expected):
    assert glyphs_for(encoding, environment) is expected


# --- rows -----------------------------------------------------------------------------------------

FOUR = (
    named("big", counts=counts(1, 1000), oldest_at=5.0),
    named("many", counts=counts(9, 10), oldest_at=5.0),
    named("fast", growth=50.0, oldest_at=5.0),
    named("old", oldest_at=1.0),
)


@pytest.mark.parametrize(
    "key,first", [("bytes", "big"), ("blocks", "many"), ("growth", "fast"), ("age", "old")]
)
def test_each_key_has_its_own_first_row_and_the_other_way_round_its_last(key, first):
    view = View(Selection(key, top=0))
    assert names(arrange(picture(*FOUR), view, (), None))[0] == first
    assert names(arrange(picture(*FOUR), view.reversed(), (), None))[-1] == first


@pytest.mark.parametrize("key", SORT_KEYS)
def test_the_order_does_not_depend_on_the_order_before(key):
    sites = [named(f"{n}", counts=counts(2, 8), growth=0.0) for n in range(20)]
    view = View(Selection(key, top=0))
    once = arrange(picture(*sites), view, (), None)
    assert arrange(picture(*reversed(sites)), view, sites, None) == once


def test_a_site_that_holds_nothing_is_no_row_unless_it_is_looked_at():
    gone = named("gone", counts=counts(0, 0, freed=5))
    assert names(arrange(picture(gone, FOUR[0]), VIEW, (), None)) == ["big"]
    assert names(arrange(picture(gone, FOUR[0]), VIEW, (), "gone")) == ["big", "gone"]


def test_older_and_top_of_the_command_line_hold_in_the_table():
    assert names(arrange(picture(*FOUR), View(Selection(top=0, older=8.0)), (), None)) == ["old"]
    assert len(arrange(picture(*FOUR), View(Selection(top=2)), (), None)) == 2


def test_a_key_pressed_again_turns_the_order_round():
    assert VIEW.sorted_by("blocks") == View(Selection("blocks", top=0))
    assert VIEW.sorted_by("bytes").reverse
    assert not VIEW.sorted_by("bytes").sorted_by("growth").reverse


def test_a_site_is_found_by_its_id():
    assert index_of(FOUR, "fast") == 2
    assert index_of(FOUR, "gone") is None
    assert index_of(FOUR, None) is None


# --- columns --------------------------------------------------------------------------------------


def shown(one, width=100, several=False, glyphs=UNICODE, here=False):
    moment = Moment(12.0, 1000)
    return plain(row(one, choose(width, several), moment, RULES, here, width, glyphs))


def test_a_row_has_every_figure_and_who_called():
    one = site(
        counts=counts(2, 250), growth=2048.0, frames=(frame("leak"), frame("serve"), frame("main"))
    )
    words = shown(one).split()
    assert words[:8] == ["250", "B", "25.0%", "2", "+2.0", "KiB", "12.0", "s"]
    assert "leak [app] ← serve ← main" in shown(one)


def test_the_responsible_frame_names_the_site_and_its_callers_follow():
    frames = (
        frame("xmalloc"),
        frame("std::vector<int>::reserve(unsigned long)", module="/lib/libx.so"),
        frame("app::Cache<int>::put(int)", file="/src/cache.cpp", line=42),
        frame("app::serve(app::Job const&)", file="/src/serve.cpp", line=7),
        frame("main"),
    )
    assert "  app::Cache<…>::put cache.cpp:42 ← app::serve ← main" in shown(
        site(frames=frames), 140
    )
    ascii_row = shown(site(frames=frames), 140, glyphs=ASCII)
    assert "  app::Cache<...>::put cache.cpp:42 <- app::serve <- main" in ascii_row


def test_code_without_a_name_is_its_offset():
    one = site(frames=(frame(None), frame("outer", module="/lib/libx.so")))
    assert "  0x1234 [app] ← outer" in shown(one)


def test_what_the_user_skips_names_no_site():
    rules = RULES.with_skipped(["^pool_"])
    one = site(frames=(frame("pool_get"), frame("serve")))
    columns = choose(100, False)
    assert "  serve [app]" in plain(row(one, columns, Moment(1.0, 1), rules, False, 100, UNICODE))
    only = site(frames=(frame("pool_get"), frame("pool_run")))
    said = plain(row(only, columns, Moment(1.0, 1), rules, False, 100, UNICODE))
    assert "  pool_get [app] ← pool_run" in said


def test_what_is_not_known_is_a_question_mark():
    one = site(growth=None, oldest_at=None, allocator=None, frames=())
    assert shown(one).split()[4:6] == ["?", "?"]
    assert "stack not here yet" in shown(one)
    assert "stack not kept" in shown(site(stack=StackId(0), frames=()))


def test_the_pid_is_a_column_only_with_several_targets():
    assert "PID" not in plain(heading(choose(100, False), VIEW, 100, UNICODE))
    assert "PID" in plain(heading(choose(120, True), VIEW, 120, UNICODE))
    assert " 4242 " in shown(site(pid=Pid(4242)), 120, several=True)


@pytest.mark.parametrize("width", [1, 5, 10, 20, 40, 80, 100, 250])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_row_and_its_heading_take_exactly_the_width(name, width, glyphs):
    one = site(frames=(frame(name), frame(name)))
    for here in (False, True):
        cells = cell_len(shown(one, width, glyphs=glyphs, here=here))
        assert cells == width or width < 20
    assert cell_len(plain(heading(choose(width, False), VIEW, width, glyphs))) == width


def test_bytes_and_the_name_stay_on_the_narrowest_screen():
    assert [column.title for column in choose(20, True)] == ["BYTES"]
    assert "BYTES▼ SITE" in plain(heading(choose(20, True), VIEW, 20, UNICODE))


def test_the_sorted_column_shows_its_direction_without_a_colour():
    columns = choose(100, False)
    assert "BYTES▼" in plain(heading(columns, VIEW, 100, UNICODE))
    assert "BYTES^" in plain(heading(columns, VIEW.reversed(), 100, ASCII))
    assert "OLDESTv" in plain(heading(columns, VIEW.sorted_by("age"), 100, ASCII))


def test_the_cursor_shows_without_a_colour():
    assert shown(site(), here=True).startswith("▸")
    assert shown(site(), here=False).startswith(" ")


def test_a_click_on_a_title_sorts_by_what_stands_below_it():
    columns = choose(100, False)
    titles = plain(heading(columns, VIEW, 100, UNICODE))
    for column in COLUMNS:
        if column.sort:
            assert sort_at(columns, titles.index(column.title)) == column.sort
    assert sort_at(columns, titles.index("SITE")) is None


# --- header ---------------------------------------------------------------------------------------


def header(*sites, most=7, late=None, **given):
    return texts(header_lines(picture(*sites, **given), len(sites), late, most))


def test_the_header_names_the_target_its_memory_and_the_totals():
    said = "\n".join(header(site(counts=counts(2, 2048)), growth=512.0))
    for phrase in (
        "12.0 s since attach  mode full  1 site",
        "app (pid 42)  resident 8.6 MiB, +40.0 KiB since attach  glibc  /srv/app",
        "tracked  2.0 KiB in 2 blocks, +2.0 KiB since attach, +512 B/s",
        "allocated 2 (2.0 KiB), freed 0 (0 B)",
    ):
        assert phrase in said


def test_the_last_line_left_is_the_totals():
    assert header(site(), most=1)[0].startswith("tracked")
    assert len(header(site(), most=2)) == 2


def test_the_header_says_how_many_places_are_looked_up_until_all_are():
    some = Naming(wanted=5_678, pending=4_444, notes=("no debug files", "no debug files"))
    said = header(site(), naming=some)
    assert said[-1] == "lines    1 234 of 5 678 places looked up; no debug files"
    assert wanted(picture(naming=some)) == 5
    assert not any(row.startswith("lines") for row in header(site(), naming=Naming(wanted=5_678)))
    assert wanted(picture(naming=Naming(wanted=5_678))) == 4
    assert header(site(), naming=some, most=4) == header(site(), most=4)


def test_an_ended_target_is_marked_beside_its_name():
    assert "app (pid 42)  replaced by exec  resident" in header(targets=(target(ended="exec"),))[1]


def test_a_final_picture_says_so_and_what_to_do():
    assert header(site(), final=True)[0].startswith(ENDED)
    assert header(site(), final=True, most=1)[0].startswith(ENDED)


def test_pictures_that_do_not_come_are_said():
    assert header(site(), late=7)[0].startswith("no picture for 7.0 s")


def test_many_targets_are_counted_and_the_living_come_first():
    targets = [target(pid=Pid(n), ended="exited" if n < 8 else None) for n in range(10)]
    said = header(targets=tuple(targets), most=7)
    assert len(said) == 7
    assert "(pid 8)" in said[1]
    assert "(pid 9)" in said[2]
    assert "7 more processes, 7 of them ended" in said[4]
    assert wanted(picture(targets=tuple(targets))) == 7


# --- status ---------------------------------------------------------------------------------------


def status(width=100, most=5, **given):
    return texts(status_lines(picture(**given), width, most))


def test_a_good_day_says_that_nothing_was_lost():
    assert status()[0] == "lost nothing"


def test_a_fact_stands_beside_and_is_no_loss():
    assert status(losses=Losses({"unmatched_free": 1234}))[0] == (
        "lost nothing  seen unmatched_free 1 234"
    )


def test_every_loss_has_its_name_and_count_on_the_screen():
    given = {loss.name: 7 for loss in LOSSES if loss.name not in UNDETECTED}
    said = " ".join(status(250, 5, losses=Losses(given)))
    assert said.startswith("LOST")
    assert "nothing" not in said
    for name in given:
        assert f"{name} 7" in said


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("most", [1, 2, 4])
def test_losses_that_find_no_room_are_counted(width, most):
    given = {loss.name: 7 for loss in LOSSES}
    said = status(width, most, losses=Losses(given))
    assert len(said) <= most
    assert said[0].startswith("LOST  blocks_full 7")
    assert any("(?)" in line[:width] for line in said)


def test_a_map_that_is_nearly_full_is_named():
    cost = Cost(hits_per_s=5.0, map_fill_percent={"blocks": 93.0, "stacks": 2.0})
    said = "\n".join(status(cost=cost))
    assert "the map of blocks is 93 % full" in said
    assert "stacks" not in said
    assert "5 probe hits/s" in said


def test_the_losses_come_first_when_there_is_one_line():
    assert status(most=1) == ["lost nothing"]


# --- room -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [1, 2, 3, 5, 12, 16, 24, 30, 70])
@pytest.mark.parametrize("width", [20, 80, 160, 250])
@pytest.mark.parametrize("rows", [0, 5, 10_000])
def test_totals_and_losses_always_have_a_line_and_the_table_the_rest(width, height, rows):
    given = room(width, height, header=7, status=5, rows=rows)
    assert given.header >= 1
    assert given.status >= 1
    left = height - given.header - given.status - (0 if given.beside else given.pane)
    assert left >= (3 if height >= 5 else height - 2)


def test_the_stack_goes_beside_the_table_where_it_is_wide():
    assert room(200, 40, 4, 3, 5).beside
    assert not room(100, 40, 4, 3, 5).beside


def test_a_short_table_leaves_its_lines_to_the_stack():
    assert room(100, 30, 4, 3, 3).pane > room(100, 30, 4, 3, 50).pane


def test_ten_thousand_sites_keep_their_figures():
    sites = [named(f"{n}", counts=Counts(n, n * 7, 0, 0, 0, 0)) for n in range(10_000)]
    rows = arrange(picture(*sites), VIEW, (), None)
    assert [one.counts.blocks for one in rows[:2]] == [9999, 9998]
    assert arrange(picture(*sites), VIEW, rows, None) == rows
