"""The flame graph page: what it holds, and that names cannot become part of it.

How it looks and answers to clicks, `scripts/check-flame-page` sees in a real browser.
"""

import base64
import hashlib
import json
import re
import sys
import zlib
from array import array
from html.parser import HTMLParser
from typing import Any, NamedTuple

import pytest

from ebpftrace.export.formats.subject import MEASURES, Subject, measured
from ebpftrace.model.losses import Losses
from ebpftrace.model.snapshot import Trigger
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.subjects import exported, subject
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import host, snapshot

BREAKING = [
    *HOSTILE,
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "\"'`><img src=x onerror=alert(1)>",
    "line\u2028paragraph\u2029",
    "{{data}}{{script}}",
    "&amp;&#60;b&gt;",
    "${alert(1)}",
    "very long " + "x" * 100_000,
]


class Data(NamedTuple):
    tables: Any
    held: list[Any]
    before: list[Any]
    function: Any
    depth: Any
    ends: Any


class Elements(HTMLParser):
    """Every element with its attributes, and the text of styles and scripts by kind."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.words = ""
        self._inside: tuple[str, dict[str, str | None]] = ("", {})
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self._inside = (tag, dict(attrs))
        self.found.append(self._inside)

    def handle_endtag(self, tag):
        self._inside = ("", {})

    def handle_data(self, data):
        tag, given = self._inside
        if tag in ("script", "style"):
            kind = given.get("type") or tag
            self.texts.setdefault(kind, []).append(data)
        self.words += data


def page(given: Subject) -> str:
    return exported("html", given).decode()


def data(text: str) -> Data:
    """As the script reads it."""
    (packed,) = Elements(text).texts["text/plain"]
    raw = zlib.decompress(base64.b64decode(packed))
    length = int.from_bytes(raw[:4], "little")
    tables = json.loads(raw[8 : 8 + length])
    at = 8 + -(-length // 8) * 8

    def column(kind: str, count: int) -> Any:
        nonlocal at
        values = array(kind)
        values.frombytes(raw[at : at + count * values.itemsize])
        if sys.byteorder == "big":
            values.byteswap()
        at += count * values.itemsize
        return values

    floats = 4 + 4 * tables["diff"] + tables["growth"]
    columns = [column("d", tables["ends"]) for _ in range(floats)]
    function, _, depth = (column("I", tables["nodes"]) for _ in range(3))
    ends = column("I", tables["ends"])
    assert at == len(raw)
    return Data(tables, columns[:4], columns[4:8] if tables["diff"] else [], function, depth, ends)


def test_the_data_of_the_page_sums_up_to_the_totals_in_every_measure():
    shown = picture(
        site("a", counts=counts(3, 70, freed=9)),
        site("b", frames=(frame("f"), frame("main")), counts=counts(2, 1 << 40)),
        totals=counts(10, 1 << 41, freed=100),
    )
    given = subject(snapshot=snapshot(shown))
    found = data(page(given))
    assert [sum(column) for column in found.held] == [
        measured(given.counts, measure) for measure in MEASURES
    ]
    assert "[call sites that were not recorded]" in found.tables["names"]


@pytest.mark.parametrize("measure", MEASURES)
def test_the_page_begins_with_the_measure_that_was_asked_for(measure):
    tables = data(page(subject(site(), measure=measure))).tables
    assert MEASURES[tables["measure"]] == measure


def test_the_data_of_a_diff_has_the_totals_of_both_snapshots():
    base = snapshot(picture(site("f", counts=counts(1, 40))))
    found = data(page(subject(site("f", counts=counts(2, 70)), base=base)))
    assert [sum(column) for column in found.held] == [70, 2, 70, 2]
    assert [sum(column) for column in found.before] == [40, 1, 40, 1]


def test_the_policy_lets_in_exactly_the_style_and_the_script_of_the_page():
    found = Elements(page(subject(site())))
    (policy,) = (given["content"] for _, given in found.found if "http-equiv" in given)
    (style,), (script,) = found.texts["style"], found.texts["script"]
    assert policy is not None
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_nothing_is_loaded_and_nothing_runs_outside_the_script():
    text = page(subject(site()))
    assert not re.search(r"https?:|[\"'(]//", text)
    for tag, given in Elements(text).found:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert not {"src", "href", "style"} & given.keys()
        assert not [name for name in given if name.startswith("on")]


def everywhere(name: str) -> Subject:
    """The name, cleaned as where it comes in, wherever a target or a host can put one."""
    said = clean(name)
    frames = (frame(said, module=f"/srv/{said}", file=f"/src/{said}.c", line=3), frame("main"))
    shown = picture(site(said, frames=frames), targets=(target(comm=said, exe=said),))
    return subject(
        snapshot=snapshot(
            shown, host=host(name=said), trigger=Trigger("end", said), tool=said, notes=(said,)
        ),
        file=said,
        base=snapshot(shown, file=said),
    )


@pytest.mark.parametrize("name", BREAKING, ids=range(len(BREAKING)))
def test_no_name_becomes_markup_or_script(name):
    plain = Elements(page(everywhere("plain")))
    text = page(everywhere(name))
    found = Elements(text)
    assert [tag for tag, _ in found.found] == [tag for tag, _ in plain.found]
    assert found.texts["script"] == plain.texts["script"]
    assert "{{" not in plain.words
    tables = data(text).tables
    assert clean(name) in tables["names"]
    assert f"/src/{clean(name)}.c" in tables["files"]


def test_a_long_name_is_cut_outside_the_data():
    assert len(page(everywhere("x" * 100_000))) < 200_000


def test_the_assets_cannot_end_the_element_that_they_are_in():
    found = Elements(page(subject(site())))
    for text in (*found.texts["script"], *found.texts["style"]):
        assert not re.search(r"</s|<!--|<script", text, re.IGNORECASE)


def test_the_page_says_whose_memory_it_is_and_when_and_where_it_was_recorded():
    words = Elements(page(subject(site()))).words
    assert "Memory of app (pid 42)" in words
    assert "100 B in 1 block in use on web1, 2026-11-20 12:00:00 UTC, after 12.0 s." in words
    assert "The process ended." in words
    assert "/srv/app --port 80" in words
    assert "app.ebpftrace" in words


def test_what_was_lost_and_what_is_suppressed_stands_above_the_graph():
    shown = picture(site("a"), site("known"), losses=Losses({"stacks_full": 7}))
    given = subject(snapshot=snapshot(shown))
    hiding = type(given.selection)(suppressions=suppressions("known"))
    text = page(Subject.of(given.snapshot, "x", hiding))
    above = Elements(text[: text.index("<details>")]).words
    assert "LOST stacks_full 7" in above
    assert "1 site with 100 B in 1 block by 1 suppression" in above
    assert "allocations counted without a stack" in Elements(text).words


def test_a_diff_says_what_it_compares_with():
    base = snapshot(picture(site("f", counts=counts(1, 1024))), file="before.ebpftrace")
    words = Elements(page(subject(site("f", counts=counts(2, 4096)), base=base))).words
    assert "+3.0 KiB since 2026-11-20 12:00:00 UTC: 1.0 KiB in 1 block then (before.ebp" in words


def test_a_snapshot_without_sites_is_a_page():
    tables = data(page(subject())).tables
    assert (tables["nodes"], tables["ends"], tables["names"]) == (0, 0, [])
