"""A stream holds whole records, and a failure costs none of those before it."""

import os
import resource
from datetime import timedelta
from pathlib import Path

import pytest

from ebpftrace.snapshot.storage.folder import Folder, Keep, NotWritten, listed
from tests.unit.folders import NIGHT, appended, kept, opened, seen
from tests.unit.test_folder import files_of_at_most

FIRST = "20261121T031500.123Z.ebpfstream"
SECOND = "20261121T031500.124Z.ebpfstream"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "snaps"


def failure(folder: Folder, record: bytes = b"record.") -> str:
    with pytest.raises(NotWritten) as caught:
        appended(folder, record)
    return str(caught.value)


def test_a_stream_is_one_file_with_a_head_and_the_records(path):
    with opened(path) as folder:
        assert [appended(folder) for _ in range(3)] == [FIRST] * 3
        assert folder.append(NIGHT + timedelta(days=1), lambda: b"", lambda: b"!") == str(
            path / FIRST
        )
    assert (path / FIRST).read_bytes() == b"head.record.record.record.!"
    assert (path / FIRST).stat().st_mode & 0o777 == 0o600
    assert listed(str(path)) == [str(path / FIRST)]


def test_each_run_begins_a_stream_of_its_own(path):
    for _ in range(2):
        with opened(path) as folder:
            appended(folder)
    assert seen(path) == [FIRST, SECOND]


def test_a_record_that_fails_half_way_is_cut_off_and_a_new_stream_begins(path):
    with opened(path) as folder:
        appended(folder)
        with files_of_at_most(1000):
            assert "File too large" in failure(folder, b"x" * 2000)
        assert (path / FIRST).read_bytes() == b"head.record."
        assert appended(folder) == SECOND
    assert (path / SECOND).read_bytes() == b"head.record."


def test_where_the_cut_fails_too_the_next_record_is_in_a_new_stream(path, monkeypatch):
    def no(*_given: object) -> None:
        raise OSError(5, "Input/output error")

    with opened(path) as folder:
        appended(folder)
        monkeypatch.setattr("os.ftruncate", no)
        monkeypatch.setattr("os.fdatasync", no)
        assert "The disk may be failing (see dmesg)" in failure(folder)
        monkeypatch.undo()
        assert appended(folder) == SECOND
    assert (path / FIRST).read_bytes().startswith(b"head.record.")


def test_a_stream_that_cannot_begin_is_not_there(path):
    with opened(path) as folder, files_of_at_most(1000):
        for _ in range(3):
            failure(folder, b"x" * 2000)
        assert not seen(path)


def test_a_record_that_cannot_be_made_begins_a_new_stream(path):
    def no() -> bytes:
        raise ZeroDivisionError

    with opened(path) as folder:
        appended(folder)
        with pytest.raises(NotWritten, match="it could not be made"):
            folder.append(NIGHT, lambda: b"head.", no)
        # What it had noted as written is not in the file.
        with pytest.raises(NotWritten, match="it could not be made"):
            folder.append(NIGHT, no, lambda: b"record.")
        assert seen(path) == [FIRST]
        assert appended(folder) == SECOND
    assert (path / FIRST).read_bytes() == b"head.record."


@pytest.mark.parametrize("what", ["removed", "moved away", "cut", "written to"])
def test_a_stream_that_others_lay_hands_on_goes_on_in_a_new_file(path, tmp_path, what):
    with opened(path) as folder:
        appended(folder)
        if what == "removed":
            (path / FIRST).unlink()
        elif what == "moved away":
            (path / FIRST).rename(tmp_path / "stream")
        elif what == "cut":
            os.truncate(path / FIRST, 3)
        else:
            with (path / FIRST).open("ab") as file:
                file.write(b"theirs")
        new = appended(folder)
        assert (path / new).read_bytes() == b"head.record."
        assert new == SECOND


def test_snapshots_and_a_stream_live_side_by_side(path):
    with opened(path, Keep(count=4)) as folder:
        for _ in range(3):
            kept(folder)
            appended(folder)
    assert len(seen(path)) == 4


def test_no_descriptor_is_left_of_streams_that_ended(path):
    before = len(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with opened(path, Keep(bytes=40)) as folder:
        for _ in range(20):
            appended(folder)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            assert "may not open more than" in failure(folder)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(os.listdir("/proc/self/fd")) == before
