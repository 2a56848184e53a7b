"""Recordings played again: pace, order, ends, and files that are damaged or made to do harm."""

import gzip
import io
import json
import math
import os
import threading
import time

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.cli.exits import Exit, exit_of
from ebpftrace.errors import UsageError
from ebpftrace.export import jsonl
from ebpftrace.model.picture import SourceLines
from ebpftrace.snapshot.loading import pictures
from tests.unit.builders import counts, frame, picture, site

GENEROUS_S = 5.0
INSTANT_S = 0.05


def line(*names, at=0.0, top=0, **given):
    """A picture `at` seconds since attach; its sites are of falling rank."""
    sites = [site(name, id=name, counts=counts(1, 1000 - rank)) for rank, name in enumerate(names)]
    out = io.StringIO()
    drawn = picture(*sites, since_attach_s=at, **given)
    jsonl.write(drawn, Selection(top=top), out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    """Writes lines, as text or as bytes, to a file; its path."""

    def write(*lines):
        path = tmp_path / "watch.jsonl"
        path.write_bytes(
            b"".join(one if not isinstance(one, str) else one.encode() for one in lines)
        )
        return str(path)

    return write


def following(replay, seen):
    found = replay.after(seen, GENEROUS_S)
    assert found is not None
    return found


def played(path, speed=math.inf):
    """All pictures, and what is said of them."""
    with pictures(path, speed) as replay:
        seen = [following(replay, None)]
        while not seen[-1].final:
            seen.append(following(replay, seen[-1]))
        return seen, replay.notes()


def refused(path):
    with pytest.raises(UsageError) as error:
        played(path)
    assert exit_of(error.value) is Exit.USAGE
    assert str(path) in str(error.value)
    return str(error.value)


def ids(picture):
    return [one.at.id for one in picture.sites]


def test_every_picture_comes_and_the_final_one_stays(file):
    path = file(line(at=1.0), line(at=2.0), line(at=3.0, final=True))
    with pictures(path, math.inf) as replay:
        seen = [replay.latest()]
        for _ in range(2):
            seen.append(following(replay, seen[-1]))
        assert [one.since_attach_s for one in seen] == [1.0, 2.0, 3.0]
        assert seen[-1].final
        assert replay.after(seen[-1], 0.01) is None
        assert replay.latest() is seen[-1]
        assert replay.after(seen[0], 0.0) is seen[-1]
        assert replay.notes() == ()


def test_pictures_are_as_far_apart_as_they_were_by_speed(file):
    path = file(*(line(at=float(n)) for n in range(1, 4)))
    with pictures(path, speed=10.0) as replay:
        begin = time.monotonic()
        first = replay.latest()
        assert replay.after(first, 0.02) is None
        third = following(replay, following(replay, first))
        took = time.monotonic() - begin
    assert third.since_attach_s == 3.0
    assert 0.18 < took < 1.0


def test_time_that_goes_back_or_stands_still_is_no_wait(file):
    path = file(*(line(at=at) for at in (1e6, 5.0, 5.0, 0.0)))
    begin = time.monotonic()
    seen, _ = played(path, speed=1.0)
    assert [one.since_attach_s for one in seen] == [1e6, 5.0, 5.0, 0.0, 0.0]
    assert time.monotonic() - begin < 1.0


def test_a_recording_that_was_cut_ends_with_its_last_picture_again_as_final(file):
    seen, notes = played(file(line("a", at=1.0), line("a", at=2.0)))
    assert [one.final for one in seen] == [False, False, True]
    assert seen[2].sites is seen[1].sites
    assert notes == ()


def test_a_half_written_last_line_is_left_out_and_said(file):
    for kept in (1, 20, 400):
        seen, (note,) = played(file(line("a"), line("b", at=2.0)[:kept]))
        assert ids(seen[-1]) == ["a"]
        assert seen[-1].final
        assert "its last line not whole" in note


def test_a_last_line_without_an_end_of_line_is_a_picture_if_it_is_whole(file):
    seen, notes = played(file(line("a"), line("b", at=2.0).rstrip()))
    assert ids(seen[-1]) == ["b"]
    assert notes == ()


def test_sites_keep_their_order_and_new_ones_come_last(file):
    path = file(line("a", "b"), line("c", "b", "a"), line("b", "d", "a", "c"))
    assert [ids(one) for one in played(path)[0][:3]] == [
        ["a", "b"],
        ["a", "b", "c"],
        ["a", "b", "c", "d"],
    ]


def test_a_site_that_was_below_top_is_left_out_and_comes_back_as_a_new_one(file):
    path = file(line("a", "b", "c"), line("c", "b", "x", top=2), line("a", "b", "c"))
    seen, (note,) = played(path)
    assert [ids(one) for one in seen[:3]] == [["a", "b", "c"], ["b", "c"], ["b", "c", "a"]]
    assert seen[1].totals.blocks == 3
    assert "Up to 1 sites" in note


def test_what_follows_a_final_picture_is_said_and_not_shown(file):
    seen, (note,) = played(file(line("a", final=True), line("b")))
    assert [ids(one) for one in seen] == [["a"]]
    assert "goes on after the final picture in line 1" in note


def test_the_one_line_of_source_that_was_recorded_is_given(file):
    known = frame(file="/srv/a.c", line=7, source="p = malloc(n);")
    with pictures(file(line("a"))) as replay:
        one = replay.latest().sites[0]
        assert replay.source(one, known, 5) == SourceLines("/srv/a.c", 7, ("p = malloc(n);",))
        assert replay.source(one, frame(file="/srv/a.c", line=7), 5) is None
        assert replay.blocks(one) is None


def test_a_wait_ends_soon_after_stop(file):
    path = file(line(at=0.0), line(at=1000.0))
    with pictures(path) as replay:
        ended = []

        def wait():
            assert replay.after(replay.latest(), GENEROUS_S) is None
            ended.append(time.monotonic())

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        stopped = time.monotonic()
        replay.stop()
        waiting.join(GENEROUS_S)
        assert ended[0] - stopped < INSTANT_S


def test_a_long_line_is_given_up_soon_after_stop(file):
    many = line(*(str(n) for n in range(20_000)))
    with pictures(file(line(), many), math.inf) as replay:
        ended = []

        def read():
            assert replay.after(replay.latest(), GENEROUS_S) is None
            ended.append(time.monotonic())

        reading = threading.Thread(target=read)
        reading.start()
        time.sleep(0.03)
        stopped = time.monotonic()
        replay.stop()
        reading.join(GENEROUS_S)
        assert ended[0] - stopped < 4 * INSTANT_S  # of which a loaded machine takes some


def test_nothing_comes_after_stop_and_nobody_spins(file):
    with pictures(file(line(), line(at=1.0)), math.inf) as replay:
        replay.stop()
        begin = time.monotonic()
        assert replay.after(replay.latest(), GENEROUS_S) is None
        assert 0.01 < time.monotonic() - begin < INSTANT_S * 2


def test_two_readers_see_the_same_pictures(file):
    with pictures(file(*(line(at=n / 100) for n in range(20)))) as replay:
        last = []

        def read():
            seen = replay.latest()
            while not seen.final:
                seen = replay.after(seen, GENEROUS_S) or seen
            last.append(seen)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for one in readers:
            one.start()
        for one in readers:
            one.join(GENEROUS_S)
        assert last[0] is last[1]


def test_gzip_is_known_by_its_bytes(file):
    packed = gzip.compress((line("a") + line("b", at=1.0, final=True)).encode())
    assert ids(played(file(packed))[0][-1]) == ["b"]


def test_a_gzip_file_whose_end_is_missing_gives_what_is_there(file):
    packed = gzip.compress("".join(line(str(n), at=float(n)) for n in range(2000)).encode())
    seen, (note,) = played(file(packed[: len(packed) // 2]))
    assert len(seen) > 100
    assert seen[-1].final
    assert "is missing" in note


def test_a_damaged_gzip_file_is_an_error_and_no_traceback(file):
    packed = bytearray(
        gzip.compress("".join(line(str(n), at=float(n)) for n in range(300)).encode())
    )
    for at in (len(packed) // 2, len(packed) - 6):
        broken = packed.copy()
        broken[at] ^= 0xFF
        refused(file(broken))


def test_a_line_that_is_too_long_is_refused_as_it_is_unpacked(file):
    packed = gzip.compress(b'{"schema": "' + b"x" * (65 << 20), 1)
    said = refused(file(packed))
    assert "line 1, is longer than 64 MB" in said


@pytest.mark.parametrize("content", [b"", b"\n", b"\x7fELF\x02\n", b"[]\n", line()[:50].encode()])
def test_a_file_without_a_picture_is_refused_at_once(file, content):
    path = file(content)
    with pytest.raises(UsageError, match="attach --json"):
        pictures(path)


def test_what_is_wrong_is_said_with_its_line(file):
    other = json.loads(line())
    other["totals"]["freed_bytes"] = "many"
    said = refused(file(line(), line(at=1.0), json.dumps(other) + "\n", line()))
    assert "line 3, is no picture: freed_bytes is text, not a whole number. Give a file" in said


def test_a_line_that_is_no_json_before_the_last_one_is_an_error(file):
    assert "line 2, is no picture: it is not JSON" in refused(file(line(), line()[:70], "\n"))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    assert "No such file" in refused(str(tmp_path / "nowhere"))
    assert "holds no snapshot" in refused(str(tmp_path))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "no regular file" in refused(str(path))


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_speed_is_more_than_nothing(file, speed):
    with pytest.raises(UsageError, match="speed"):
        pictures(file(line()), speed)
