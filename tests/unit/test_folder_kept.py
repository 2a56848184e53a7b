"""What a recorder removes, and that no clock makes it remove what is young."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from ebpftrace.snapshot.storage.folder import Keep
from tests.unit.folders import NIGHT, NOBODY, Clocks, appended, kept, opened, seen

DAY = 86400.0
FOREIGN = "core.1234"
OLD = "20261120T031500.000Z-end.ebpftrace"  # a day before NIGHT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "snaps"
    path.mkdir()
    (path / FOREIGN).write_bytes(b"x" * 100_000)
    return path


def ours(path: Path) -> list[str]:
    assert FOREIGN in os.listdir(path)
    return [name for name in seen(path) if name != FOREIGN]


def test_as_many_files_stay_as_are_to_be_kept_the_newest_ones(path):
    with opened(path, Keep(count=3)) as folder:
        written = [kept(folder) for _ in range(10)]
    assert ours(path) == written[-3:]


def test_as_many_bytes_stay_as_are_to_be_kept(path):
    with opened(path, Keep(bytes=1000)) as folder:
        written = [kept(folder, data=b"x" * 300) for _ in range(10)]
        assert ours(path) == written[-3:]


@pytest.mark.parametrize("keep", [Keep(count=0), Keep(bytes=0), Keep(age_s=-1)])
def test_the_one_just_written_stays_whatever_is_to_be_kept(path, keep):
    with opened(path, keep) as folder:
        for _ in range(3):
            written = kept(folder)
            assert ours(path) == [written]


def test_without_bounds_everything_stays(path):
    with opened(path) as folder:
        for _ in range(20):
            kept(folder)
    assert len(ours(path)) == 20


def test_what_is_older_than_to_be_kept_goes(path):
    clocks = Clocks()
    with opened(path, Keep(age_s=100), clocks) as folder:
        written = []
        for _ in range(6):
            written.append(kept(folder, clocks.now()))
            clocks.go_on(40)
        assert ours(path) == written[-3:]


@pytest.mark.parametrize("jump", [-5 * DAY, 5 * DAY])
def test_a_clock_that_jumps_while_recording_removes_nothing_young(path, jump):
    clocks = Clocks()
    (path / OLD).touch()
    with opened(path, Keep(age_s=2 * DAY), clocks) as folder:
        first = kept(folder, clocks.now())
        clocks.wall += jump
        second = kept(folder, clocks.now())
        assert ours(path) == [OLD, first, second]
        clocks.go_on(1.5 * DAY)
        third = kept(folder, clocks.now())
        assert ours(path) == [first, second, third]


def test_a_file_of_the_future_goes_when_it_was_seen_for_so_long(path):
    clocks = Clocks()
    future = "20990101T000000.000Z-end.ebpftrace"
    (path / future).touch()
    with opened(path, Keep(age_s=DAY), clocks) as folder:
        kept(folder)
        clocks.go_on(DAY - 1)
        kept(folder)
        assert future in ours(path)
        clocks.go_on(2)
        kept(folder)
        assert future not in ours(path)


def test_a_file_that_somebody_puts_there_later_is_as_old_as_its_name_says(path):
    clocks = Clocks()
    with opened(path, Keep(age_s=DAY), clocks) as folder:
        clocks.go_on(2 * DAY)
        young = "20261122T221500.000Z-end.ebpftrace"
        (path / OLD).touch()
        (path / young).touch()
        written = kept(folder, clocks.now())
        assert ours(path) == [young, written]


def test_files_of_an_earlier_run_count(path):
    with opened(path) as folder:
        for _ in range(5):
            kept(folder)
    with opened(path, Keep(count=2)) as folder:
        assert len(ours(path)) == 5
        kept(folder)
        assert len(ours(path)) == 2


def test_links_and_directories_of_our_names_are_neither_counted_nor_removed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.touch()
    (path / OLD).symlink_to(victim)
    (path / OLD.replace("end", "ene")).mkdir()
    with opened(path, Keep(count=1, age_s=1)) as folder:
        kept(folder)
        kept(folder)
    assert len(ours(path)) == 3
    assert victim.exists()


def test_a_file_that_cannot_be_removed_is_told_once_and_passed_over(path, monkeypatch, caplog):
    (path / OLD).write_bytes(b"x" * 5000)
    unlink = os.unlink

    def stubborn(name: str, *, dir_fd: int) -> None:
        if name == OLD:
            raise PermissionError(1, "Operation not permitted")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr("os.unlink", stubborn)
    with opened(path, Keep(count=2, bytes=1000)) as folder:
        written = [kept(folder) for _ in range(5)]
        assert ours(path) == [OLD, *written[-2:]]
    assert caplog.text.count("cannot be removed") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_files_of_others_in_a_sticky_directory_are_neither_counted_nor_removed(path):
    path.chmod(0o1777)
    left_over = ".tmp-ebpftrace-0123456789abcdef"
    for name in (OLD, left_over):
        (path / name).touch()
        os.chown(path / name, NOBODY, NOBODY)
    with opened(path, Keep(count=1)) as folder:
        kept(folder)
        written = kept(folder)
        assert ours(path) == [left_over, OLD, written]


def test_a_stream_goes_on_in_one_file_until_it_has_a_share_of_what_is_kept(path):
    with opened(path, Keep(bytes=400)) as folder:
        streams = [appended(folder, b"x" * 30) for _ in range(12)]
        # A head of 5 bytes and four records are 125: more than a quarter of 400.
        assert [streams.count(name) for name in sorted(set(streams))] == [4, 4, 4]
        assert (path / streams[0]).read_bytes() == b"head." + b"x" * 120
        for _ in range(30):
            streams.append(appended(folder, b"x" * 30))
            assert sum((path / name).stat().st_size for name in ours(path)) <= 400
        assert ours(path)[-1] == streams[-1]


def test_a_stream_goes_on_for_a_share_of_the_time_that_is_kept(path):
    clocks = Clocks()
    with opened(path, Keep(age_s=100), clocks) as folder:
        streams = []
        for _ in range(40):
            streams.append(appended(folder, taken=clocks.now()))
            clocks.go_on(5)
        assert {streams.count(name) for name in set(streams)} == {5}
        # A stream is as old as its last record.
        assert len(ours(path)) == 5


def test_the_stream_that_is_written_stays_however_small_the_bounds(path):
    with opened(path, Keep(count=1)) as folder:
        stream = appended(folder)
        for _ in range(3):
            assert kept(folder) in ours(path)
            assert appended(folder) == stream
            assert ours(path) == [stream]


def test_a_stream_of_an_earlier_run_is_as_old_as_its_last_record(path):
    stream = path / "20261101T031500.000Z.ebpfstream"
    stream.touch()
    last = (NIGHT - timedelta(hours=1)).timestamp()
    os.utime(stream, (last, last))
    with opened(path, Keep(age_s=DAY)) as folder:
        kept(folder)
        assert stream.name in ours(path)
    with opened(path, Keep(age_s=1800)) as folder:
        kept(folder)
        assert stream.name not in ours(path)


def test_a_folder_that_cannot_be_listed_after_a_write_is_told(path, monkeypatch, caplog):
    def scandir(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    with opened(path, Keep(count=1)) as folder:
        monkeypatch.setattr("os.scandir", scandir)
        written = [kept(folder, NIGHT - timedelta(days=days)) for days in range(3)]
        monkeypatch.undo()
    assert ours(path) == written
    assert "stays: Input/output error" in caplog.text
