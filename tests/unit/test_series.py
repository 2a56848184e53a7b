"""The pictures that a file holds, from the first to that of its snapshot."""

import gzip
from dataclasses import replace

import pytest

from ebpftrace.errors import UsageError
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.loading import load
from ebpftrace.snapshot.series import Series
from tests.unit.builders import picture, site
from tests.unit.kept_files import Stream, keep
from tests.unit.said import line_of_picture
from tests.unit.snapshot_builders import snapshot


def at(seconds, watch="a1"):
    return snapshot(picture(site(id="1-7"), since_attach_s=seconds), watch=watch)


def line(seconds, **given):
    return line_of_picture(
        at(seconds).picture if not given else replace(at(seconds).picture, **given)
    )


def series(path):
    return Series(str(path), load(str(path)))


def seconds(made):
    return [drawn.since_attach_s for drawn in made()]


def test_of_a_snapshot_there_is_one(tmp_path):
    assert seconds(series(keep(tmp_path, 0, at(5.0)))) == [5.0]


def test_of_a_stream_there_are_all_in_every_pass(tmp_path):
    stream = Stream(tmp_path, 0)
    for moment in (1.0, 2.0, 3.0):
        stream.add(at(moment))
    made = series(stream.path)
    assert seconds(made) == seconds(made) == [1.0, 2.0, 3.0]


def test_what_a_stream_got_after_its_snapshot_was_loaded_is_not_there(tmp_path):
    stream = Stream(tmp_path, 0)
    stream.add(at(1.0))
    made = series(stream.path)
    stream.add(at(2.0))
    assert seconds(made) == [1.0]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_of_a_recording_there_are_all(tmp_path, pack):
    path = tmp_path / "r"
    path.write_bytes(pack(line(1.0) + line(2.0) + line(2.5, final=True)))
    assert seconds(series(path)) == [1.0, 2.0, 2.5]


def test_of_a_file_with_several_recordings_it_is_the_last(tmp_path):
    path = tmp_path / "r"
    path.write_bytes(line(1.0) + line(7.0, final=True) + line(0.5) + line(3.0) + line(6.0))
    assert seconds(series(path)) == [0.5, 3.0, 6.0]


def test_of_a_directory_there_are_all_of_the_newest_watch(tmp_path):
    for number, kept in enumerate((at(1.0, "old"), at(9.0, "old"), at(1.5), at(2.0), at(60.0))):
        keep(tmp_path, number, kept)
    assert seconds(series(tmp_path)) == [1.5, 2.0, 60.0]


def test_the_streams_of_a_directory_follow_each_other(tmp_path):
    for number, moments in ((0, (1.0, 2.0)), (1, (3.0, 4.0))):
        stream = Stream(tmp_path, number)
        for moment in moments:
            stream.add(at(moment))
    other = Stream(tmp_path, -5)
    other.add(at(0.5, "old"))
    assert seconds(series(tmp_path)) == [1.0, 2.0, 3.0, 4.0]


def test_one_that_cannot_be_read_is_noted_and_one_that_was_removed_is_not(tmp_path):
    damaged, gone = keep(tmp_path, 0, at(1.0)), keep(tmp_path, 1, at(2.0))
    keep(tmp_path, 2, at(3.0))
    keep(tmp_path, 3, at(4.0))
    made = series(tmp_path)
    damaged.write_bytes(damaged.read_bytes()[:-30])
    gone.unlink()
    assert seconds(made) == [3.0, 4.0]
    (note,) = made.notes()
    assert note.startswith(f"{damaged} ends at byte")


def test_a_damaged_record_is_noted(tmp_path):
    stream = Stream(tmp_path, 0)
    stream.add(at(1.0))
    size = stream.path.stat().st_size
    for moment in (2.0, 3.0):
        stream.add(at(moment))
    broken = bytearray(stream.path.read_bytes())
    broken[size + 40] ^= 0xFF
    whole = stream.path.read_bytes()
    made = series(stream.path)
    stream.path.write_bytes(broken)
    assert seconds(made) == [1.0, 3.0]
    assert "could not be read" in " ".join(made.notes())
    stream.path.write_bytes(whole)
    assert seconds(made) == [1.0, 2.0, 3.0]


def test_a_file_that_has_gone_is_a_sentence(tmp_path):
    path = keep(tmp_path, 0, at(5.0))
    made = series(path)
    path.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        seconds(made)


def test_every_picture_but_the_snapshots_own_is_given_the_names_that_are_known_here(tmp_path):
    stream = Stream(tmp_path, 0)
    for moment in (1.0, 2.0):
        stream.add(at(moment))

    def named(drawn: Picture) -> Picture:
        return replace(drawn, mode="named")

    last: Snapshot = load(str(stream.path))
    last = replace(last, picture=named(last.picture))
    made = list(Series(str(stream.path), last, named)())
    assert [drawn.mode for drawn in made] == ["named", "named"]
    assert made[-1] is last.picture


def test_one_picture_at_a_time_is_held(tmp_path):
    for number in range(3):
        keep(tmp_path, number, at(float(number + 1)))
    made = series(tmp_path)
    opened = made()
    first = next(opened)
    keep(tmp_path, 1, at(1.5))  # not read yet
    assert [first.since_attach_s, *(one.since_attach_s for one in opened)] == [1.0, 1.5, 3.0]
