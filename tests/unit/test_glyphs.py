"""What may be drawn at all, and how text is laid over lines."""

import dataclasses

import pytest
from rich.cells import cell_len

from ebpftrace.tui.glyphs import ASCII, UNICODE, glyphs_for
from ebpftrace.tui.lines import Span, flowed, line, wrapped
from tests.unit.hostile import HOSTILE
from tests.unit.texts import MONSTROUS, plain, texts


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [0, 1, 2, 7, 20, 200])
@pytest.mark.parametrize("name", [*HOSTILE, *MONSTROUS, "\x1b" * 100_000])
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


@pytest.mark.parametrize("name", MONSTROUS[1:])
def test_of_a_monstrous_name_only_what_can_be_seen_is_looked_at(name):
    assert len(UNICODE.safe(name, 20)) <= 100


def test_a_wide_character_that_is_cut_in_half_leaves_a_blank():
    assert UNICODE.fit("名前", 4) == "名前"
    assert UNICODE.fit("名前", 3) == "名…"
    assert UNICODE.fit("a名前", 3) == "a …"


def test_the_signs_of_the_screen_have_signs_in_ascii():
    assert ASCII.safe("▸ │ ▾ −1 …", 20) == "> | v -1 ..."


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_sign_takes_one_cell_but_that_between_callers(glyphs):
    signs = dataclasses.asdict(glyphs)
    del signs["ascii_only"], signs["caller"]
    for sign in (*signs.pop("up"), *signs.pop("across"), *signs.values()):
        assert cell_len(sign) == 1
        assert glyphs is UNICODE or sign.isascii()


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


# --- lines ----------------------------------------------------------------------------------------


def test_a_bare_string_is_plain():
    assert line("a", Span("b", "strong")) == (Span("a", "plain"), Span("b", "strong"))


def test_text_that_fits_is_one_line():
    assert texts(wrapped("x" * 20, 20, 3)) == ["x" * 20]


def test_text_breaks_between_its_parts():
    said = texts(wrapped("serve_request  /src/serve.c:42  [app]", 32, 3))
    assert said == ["serve_request  /src/serve.c:42", "    [app]"]


def test_a_part_that_ends_too_early_is_no_place_to_break():
    assert texts(wrapped("ab  " + "x" * 30, 20, 3)) == ["ab  " + "x" * 16, "    " + "x" * 14]


@pytest.mark.parametrize("text", [*HOSTILE, *MONSTROUS, "名 " * 300])
@pytest.mark.parametrize("width", [0, 1, 5, 8, 30, 80, 200])
@pytest.mark.parametrize("most", [1, 2, 6])
def test_no_text_takes_more_lines_than_it_may_nor_loses_any(text, width, most):
    said = texts(wrapped(text, width, most, indent="", role="strong"))
    assert 1 <= len(said) <= most
    assert "".join(said).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(row) <= max(width, 2) for row in said[:-1])


def test_items_flow_on_so_many_lines_as_they_need():
    items = [Span(f"item {n}") for n in range(5)]
    assert texts(flowed(Span("LOST", "alarm"), items, 22, 9)) == [
        "LOST  item 0  item 1",
        "      item 2  item 3",
        "      item 4",
    ]


def test_items_that_find_no_room_are_counted():
    items = [Span(f"item {n}") for n in range(9)]
    assert texts(flowed(Span("LOST"), items, 26, 1)) == ["LOST  item 0  +8 (?)"]
    assert texts(flowed(Span("LOST"), items[:2], 26, 1)) == ["LOST  item 0  item 1"]
    assert texts(flowed(Span("LOST"), items, 1, 1)) == ["LOST  item 0  +8 (?)"]


def test_without_an_item_there_is_the_label():
    (row,) = flowed(Span("lost nothing", "good"), [], 80, 4)
    assert plain(row) == "lost nothing"
