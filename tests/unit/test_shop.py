"""The recording in tests/recordings: what is in it, and that it is nobody's."""

import gzip
import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.export import jsonl
from ebpftrace.snapshot import loading

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "tests/recordings/shop.jsonl.gz"
SOURCE = ROOT / "tests/recordings/shop.cpp"
MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def pictures():
    with loading.pictures(str(SHOP), math.inf) as replay:
        found = [replay.latest()]
        while (following := replay.after(found[-1], 0.0)) is not None:
            found.append(following)
        assert "were not recorded" in " ".join(replay.notes())
    return found


def holding(picture, function):
    """Bytes of the sites below a function of the shop."""
    return sum(
        site.counts.bytes
        for site in picture.sites
        if any(frame.function and function in frame.function for frame in site.at.frames)
    )


def test_the_recording_is_small_and_ends_by_itself(pictures):
    assert SHOP.stat().st_size < MOST_BYTES
    assert len(pictures) > 20
    assert [one.final for one in pictures].count(True) == 1
    assert pictures[-1].since_attach_s > 70


def test_nothing_was_lost_and_every_stack_is_whole(pictures):
    assert pictures[-1].losses.faults() == []
    assert all(site.at.complete for site in pictures[-1].sites)


def test_the_sites_do_what_the_program_says(pictures):
    middle, late, last = (pictures[len(pictures) * part // 8] for part in (3, 6, 7))
    assert holding(middle, "Sessions::open") < holding(late, "Sessions::open")
    assert holding(late, "Sessions::open") < holding(last, "Sessions::open")
    assert holding(middle, "Server::page") > 1.1 * holding(pictures[3], "Server::page")
    assert holding(last, "Server::page") == pytest.approx(holding(late, "Server::page"), rel=0.05)
    assert holding(last, "Catalog::load") == holding(middle, "Catalog::load") > 1_000_000
    bursts = {holding(one, "Orders::import") // 1_200_000 for one in pictures}
    assert bursts == {0, 1, 2, 3, 4}
    assert holding(last, "render") == 0
    made = [site.counts.allocated_blocks for site in last.sites if site.counts.blocks == 0]
    assert max(made) > 10_000


def test_the_cohorts_of_a_site_add_up_to_what_it_holds(pictures):
    for drawn in pictures:
        for site in drawn.sites:
            held = [sum(column) for column in zip(*site.cohorts, strict=True)][1:3] or [0, 0]
            assert held == [site.counts.blocks, site.counts.bytes]


def test_lines_and_inlined_functions_of_the_program_are_there(pictures):
    lines = SOURCE.read_text().splitlines()
    frames = {frame for site in pictures[-1].sites for frame in site.at.frames}
    ours = [frame for frame in frames if frame.file == "/srv/shop/src/shop.cpp"]
    assert len(ours) > 20
    assert any(frame.inlined for frame in frames)
    for frame in ours:
        assert frame.line is None or frame.source == lines[frame.line - 1].strip()


def test_no_path_of_the_machine_that_made_it_is_left():
    text = gzip.decompress(SHOP.read_bytes()).decode()
    paths = set(re.findall(r'"(/[^"]*)"', text))
    assert paths
    assert all(path.startswith(("/srv/shop/", "/usr/")) for path in paths)
    assert not re.search(r"/(home|root|tmp|work|mnt)/", text)


def test_a_picture_of_it_that_is_written_again_reads_the_same(pictures):
    out = io.StringIO()
    jsonl.write(pictures[-1], Selection(top=0), out)
    original = json.loads(gzip.decompress(SHOP.read_bytes()).splitlines()[-1])
    again = json.loads(out.getvalue())
    assert again.pop("suppressed")["sites"] == 0
    targets = zip(again["targets"], original["targets"], strict=True)
    sites = zip(again["sites"], original["sites"], strict=True)
    parts = ((again[name], original[name]) for name in ("losses", "cost", "totals"))
    for one, older in ((again, original), *parts, *targets, *sites):
        for key in one.keys() - older.keys():  # younger than the recording
            assert one.pop(key) in (None, [], {}, 1), "not known, or one program, as it was then"
    for one in (original, again):
        del one["others"]["sites"]  # what was left out is nobody's picture
        one["sites"].sort(key=lambda site: site["id"])
        for site in one["sites"]:
            del site["oldest_s"], site["trend"]  # of a moment that is kept to a millisecond only
    assert again == original


def test_open_shows_it_as_text():
    command = [sys.executable, "-m", "ebpftrace", "open", str(SHOP), "--text", "--speed=inf"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("since attach  mode full") > 20
    assert "shop::sessions::Sessions::open shop.cpp:" in done.stdout
    assert "were not recorded" in done.stderr
