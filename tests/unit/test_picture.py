"""The README's pictures and keys are those of today's dashboard, and the pictures need nothing else."""

import asyncio
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.segment import Segment
from rich.style import Style

from ebpftrace.tui.commands import COMMANDS
from ebpftrace.tui.guide import keys_of
from ebpftrace.tui.view import KINDS
from scripts.showing.picture import pictures
from scripts.showing.svg import drawn, texts

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCS = sorted((ROOT / "docs").glob("*.svg"))
MOST_BYTES = 120_000


@pytest.fixture(scope="module")
def made():
    return asyncio.run(pictures())


def line(*spans):
    return [Segment(text, style) for text, style in spans]


def places(svg):
    """Text, column and width in cells of every piece."""
    found = ET.fromstring(svg).iterfind("{*}g/{*}text")
    return [
        (one.text, *(round(float(one.attrib[key]) / 12.2) for key in ("x", "textLength")))
        for one in found
    ]


def test_each_picture_of_the_readme_is_one_that_the_script_makes(made):
    assert {path.name for path in DOCS} == set(made)
    assert all(f"(docs/{path.name})" in README for path in DOCS)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_picture_says_what_the_dashboard_says_now(path, made):
    now = texts(made[path.name])
    assert len(now) > 30
    assert texts(path.read_text()) == now, "docs/ is of an older dashboard: run scripts/picture"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_picture_is_small_and_asks_nobody_for_anything(path):
    text = path.read_text()
    assert path.stat().st_size < MOST_BYTES
    assert not any(asks in text for asks in ("url(", "@font-face", "@import", "href", "<script"))
    assert text.count("://") == 1  # the namespace of SVG


def test_the_watch_in_the_picture_still_goes_on_and_shows_its_mark(made):
    said = "\n".join(texts(made["dashboard.svg"]))
    assert "1m 12s since attach" in said
    assert "◆release" in said
    assert "new Session{};" in said
    assert "over" not in said.split("since attach")[0]


def test_the_readme_names_every_key_of_the_dashboard():
    keys = {key for one in COMMANDS for key in keys_of(one.keys).split()}
    between = {str(number) for number in range(2, len(KINDS))}
    assert f"`1` to `{len(KINDS)}`" in README
    assert [key for key in sorted(keys - between) if f"`{key}`" not in README] == []


def test_each_piece_of_text_keeps_its_column_and_width():
    svg = drawn([line(("  a b   c ", None), ("日本  x", None), ("▁█", None))], "")
    assert places(svg) == [("a b", 2, 3), ("c", 8, 1), ("日本", 10, 4), ("x", 16, 1), ("▁█", 17, 2)]
    assert texts(svg) == ["  a b   c 日本  x▁█"]


def test_lines_without_text_keep_their_place():
    assert texts(drawn([line(("   ", None)), line(("x", None)), []], "")) == ["", "x"]
    assert texts(drawn([], "")) == []


def test_names_are_text_and_no_markup():
    name = '<b>&amp;</b> "[/x]"'
    svg = drawn([line((name, None))], name)
    assert texts(svg) == [name]
    assert "<b>" not in svg


def test_reverse_text_stands_on_a_ground_of_its_own_colour():
    green = Style(color="green", reverse=True)
    root = ET.fromstring(drawn([line(("ab", green), ("c", green), ("d", None))], ""))
    (ground,) = root.iterfind("{*}g/{*}rect")
    assert float(ground.attrib["width"]) == pytest.approx(3 * 12.2)
    assert ground.attrib["fill"] not in root.findtext("{*}style", "")
