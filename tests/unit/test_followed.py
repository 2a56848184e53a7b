"""What a recorder writes, followed while it is written: directories and streams."""

import os
import shutil
import threading
import time

import pytest

from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import Trigger
from ebpftrace.snapshot import following as module
from ebpftrace.snapshot.loading import following
from ebpftrace.snapshot.storage.folder import listed
from tests.unit.builders import picture, site
from tests.unit.kept_files import Stream, keep
from tests.unit.snapshot_builders import snapshot

GENEROUS_S = 5.0
NOTHING_S = 0.6  # twice as long as it takes to look again


def at(seconds, *names, **given):
    sites = (site(name, id=f"1-{ord(name[0]):016x}") for name in names or "a")
    return snapshot(picture(*sites, since_attach_s=float(seconds)), **given)


def coming(source, seen=None):
    found = source.after(seen, GENEROUS_S)
    assert found is not None, source.notes()
    return found


def moments(source, count):
    """Of the next pictures."""
    seen = [coming(source)]
    while len(seen) < count:
        seen.append(coming(source, seen[-1]))
    assert source.after(seen[-1], NOTHING_S) is None
    return [one.since_attach_s for one in seen]


def ids(found):
    return [one.at.frames[0].function for one in found.sites]


def test_the_newest_comes_first_then_every_newer_one(tmp_path):
    for number in range(3):
        keep(tmp_path, number, at(number))
    with following(str(tmp_path)) as source:
        first = coming(source)
        assert first.since_attach_s == 2.0
        for number in range(3, 6):
            keep(tmp_path, number, at(number))
        assert moments(source, 4) == [2.0, 3.0, 4.0, 5.0]


def test_an_empty_directory_is_waited_for_and_that_is_said(tmp_path):
    with following(str(tmp_path)) as source:
        assert source.doing == f"waiting for the first snapshot in {tmp_path}"
        assert source.after(None, 0.3) is None
        keep(tmp_path, 0, at(7))
        assert coming(source).since_attach_s == 7.0


def test_no_picture_is_final_for_a_view_and_its_snapshot_still_is(tmp_path):
    ended = picture(final=True)
    keep(tmp_path, 0, snapshot(ended, trigger=Trigger("end", "app ended.")))
    with following(str(tmp_path)) as source:
        seen = coming(source)
        assert not seen.final
        kept = source.snapshot(seen)
        assert kept is not None
        assert kept.picture.final


def test_sites_keep_their_order_across_files(tmp_path):
    keep(tmp_path, 0, at(0, *"ab"))
    with following(str(tmp_path)) as source:
        seen = [coming(source)]
        for number, names in enumerate(("cba", "bdac"), 1):
            keep(tmp_path, number, at(number, *names))
            seen.append(coming(source, seen[-1]))
    assert [ids(one) for one in seen] == [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]]


def test_another_watch_is_noted_and_begins_with_an_order_of_its_own(tmp_path):
    keep(tmp_path, 0, at(9, *"ab"))
    with following(str(tmp_path)) as source:
        seen = coming(source)
        keep(tmp_path, 1, at(1, *"ba", watch="b2"))
        seen = coming(source, seen)
        assert ids(seen) == ["b", "a"]
        (note,) = source.notes()
        assert "another watch began" in note


def test_what_retention_removes_meanwhile_is_passed_over(tmp_path, monkeypatch):
    keep(tmp_path, 0, at(0))
    with following(str(tmp_path)) as source:
        seen = coming(source)
        gone = keep(tmp_path, 1, at(1))
        keep(tmp_path, 2, at(2))

        def slow(path):
            found = listed(path)
            gone.unlink(missing_ok=True)
            return found

        monkeypatch.setattr(module, "listed", slow)
        assert coming(source, seen).since_attach_s == 2.0
        assert source.notes() == ()


def test_a_damaged_file_is_noted_and_the_next_one_comes(tmp_path):
    keep(tmp_path, 0, at(0))
    with following(str(tmp_path)) as source:
        seen = coming(source)
        damaged = keep(tmp_path, 1, at(1))
        damaged.write_bytes(damaged.read_bytes()[:90])
        keep(tmp_path, 2, at(2))
        assert coming(source, seen).since_attach_s == 2.0
        assert str(damaged) in source.notes()[0]


def test_a_newest_file_that_is_damaged_is_said_while_it_waits(tmp_path):
    damaged = keep(tmp_path, 1, at(1))
    damaged.write_bytes(b"\x7fELF")
    with following(str(tmp_path)) as source:
        assert source.after(None, 0.3) is None
        assert str(damaged) in source.doing
        keep(tmp_path, 2, at(2))
        assert coming(source).since_attach_s == 2.0


def test_a_directory_that_is_made_anew_is_followed_on(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    keep(folder, 0, at(0))
    with following(str(folder)) as source:
        seen = coming(source)
        shutil.rmtree(folder)
        assert source.after(seen, NOTHING_S) is None
        assert "could not be looked at" in source.notes()[0]
        folder.mkdir()
        keep(folder, 1, at(1))
        assert coming(source, seen).since_attach_s == 1.0


def test_of_a_stream_the_last_record_comes_first_then_each_new_one(tmp_path):
    stream = Stream(tmp_path, 0)
    for number in range(3):
        stream.add(at(number))
    for path in (tmp_path, stream.path):
        with following(str(path)) as source:
            assert coming(source).since_attach_s == stream.last
            stream.add(at(stream.last + 1))
            stream.add(at(stream.last + 1))
            assert moments(source, 3) == [stream.last - 2, stream.last - 1, stream.last]


def test_a_record_that_is_half_written_comes_once_it_is_whole(tmp_path):
    stream = Stream(tmp_path, 0)
    stream.add(at(0))
    with following(str(stream.path)) as source:
        seen = coming(source)
        record = stream.record(at(1))
        stream.append(record[:40])
        assert source.after(seen, NOTHING_S) is None
        stream.append(record[40:])
        assert coming(source, seen).since_attach_s == 1.0


def test_the_next_stream_is_read_from_its_beginning_and_nothing_of_the_last_is_lost(tmp_path):
    first, second = Stream(tmp_path, 0), Stream(tmp_path / "..", 9)
    first.add(at(0))
    with following(str(tmp_path)) as source:
        coming(source)
        first.add(at(1))
        second.add(at(2))
        second.add(at(3))
        second.path.rename(tmp_path / second.path.name)
        assert moments(source, 4) == [0.0, 1.0, 2.0, 3.0]


def test_a_stream_that_goes_on_beside_an_older_snapshot_is_followed(tmp_path):
    stream = Stream(tmp_path, 0)
    keep(tmp_path, 5, at(5))
    time.sleep(0.02)
    stream.add(at(6))
    with following(str(tmp_path)) as source:
        assert coming(source).since_attach_s == 6.0
        keep(tmp_path, 7, at(7))
        stream.add(at(8))
        assert sorted(moments(source, 3)) == [6.0, 7.0, 8.0]


def test_nothing_is_lost_while_a_thread_writes_as_fast_as_it_can(tmp_path):
    count = 150
    keep(tmp_path, 0, at(0))

    def record():
        for number in range(1, count):
            keep(tmp_path, number, at(number))

    writer = threading.Thread(target=record)
    with following(str(tmp_path)) as source:
        seen = [coming(source)]
        writer.start()
        while len(seen) < count:
            seen.append(coming(source, seen[-1]))
        writer.join(GENEROUS_S)
        assert [one.since_attach_s for one in seen] == [float(n) for n in range(count)]


def test_a_wait_ends_soon_after_stop(tmp_path):
    with following(str(tmp_path)) as source:
        threading.Timer(0.05, source.stop).start()
        begin = time.monotonic()
        assert source.after(None, GENEROUS_S) is None
        assert time.monotonic() - begin < 0.5


def test_a_directory_in_which_nothing_changes_is_not_listed_again(tmp_path, monkeypatch):
    keep(tmp_path, 0, at(0))
    os.utime(tmp_path, (1, 1))  # else it may still change within a tick of its clock
    with following(str(tmp_path)) as source:
        seen = coming(source)
        assert source.after(seen, 0.6) is None
        monkeypatch.setattr(module, "listed", None)
        assert source.after(seen, 0.6) is None


def test_what_is_not_there_is_refused_before_anything_is_shown(tmp_path):
    (tmp_path / "file").touch()
    for name in ("nowhere", "file"):
        with pytest.raises(UsageError):
            following(str(tmp_path / name))
