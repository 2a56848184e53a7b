"""Snapshots in a directory: whole or not there, and nobody else's files touched."""

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ebpftrace.errors import EbpftraceError, UsageError
from ebpftrace.snapshot.storage.folder import Folder, Keep, NotWritten, listed, write_new
from tests.unit.folders import FIRST, NIGHT, appended, kept, opened, seen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "snaps"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refusal(path: object) -> str:
    with pytest.raises(UsageError) as caught:
        Folder.open(str(path), Keep())
    return str(caught.value)


def failure(folder: Folder, *pieces: bytes) -> str:
    with pytest.raises(NotWritten) as caught:
        folder.write(NIGHT, "end", pieces or [b"whole"])
    return str(caught.value)


def test_a_snapshot_is_one_file_of_its_owner_named_by_its_time(path):
    with opened(path) as folder:
        written = folder.write(NIGHT, "interval", [b"a", b"", b"bc" * 100_000])
    assert written == str(path / FIRST)
    assert Path(written).read_bytes() == b"a" + b"bc" * 100_000
    assert {name: stat.S_IMODE((path / name).stat().st_mode) for name in os.listdir(path)} == {
        ".lock": 0o600,
        FIRST: 0o600,
    }


def test_names_sort_by_time_also_two_of_one_millisecond_and_when_the_clock_goes_back(path):
    with opened(path) as folder:
        taken = [NIGHT, NIGHT, NIGHT - timedelta(days=3), NIGHT + timedelta(hours=1), NIGHT]
        written = [kept(folder, at, kind) for at, kind in zip(taken, "edcba", strict=True)]
    assert written == sorted(written)
    assert listed(str(path)) == [str(path / name) for name in written]


def test_names_go_on_from_a_file_of_the_future_until_somebody_moves_it_away(path, caplog):
    path.mkdir()
    (path / "20990101T000000.999Z-end.ebpftrace").touch()
    with opened(path) as folder:
        assert "20990101T000000.999Z, later than this host's clock" in caplog.text
        assert kept(folder) == "20990101T000001.000Z-interval.ebpftrace"
        for name in seen(path):
            (path / name).unlink()
        kept(folder)
        (path / "20990101T000001.001Z-interval.ebpftrace").unlink()
    with opened(path) as folder:
        assert kept(folder) == FIRST


def test_after_the_last_of_all_names_comes_a_sentence(path):
    path.mkdir()
    (path / "99991231T235959.999Z-end.ebpftrace").touch()
    with opened(path) as folder:
        assert "all names that it could have are taken" in failure(folder)


def test_a_name_that_is_taken_is_not_overwritten_or_followed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    with opened(path) as folder:
        (path / FIRST).symlink_to(victim)
        (path / FIRST.replace("123", "124")).mkdir()
        assert kept(folder) == FIRST.replace("123", "125")
    assert victim.read_text() == "precious"
    assert listed(str(path)) == [str(path / FIRST.replace("123", "125"))]


@pytest.mark.parametrize("planted", ["link", "file"])
def test_a_temporary_file_that_is_there_is_not_written_through(
    path, tmp_path, monkeypatch, planted
):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 2 * size)
    with opened(path) as folder:
        lying_in_wait = path / f".tmp-ebpftrace-{0:016}"
        if planted == "link":
            lying_in_wait.symlink_to(victim)
        else:
            os.link(victim, lying_in_wait)
        assert "File exists" in failure(folder)
        assert lying_in_wait.exists()
    assert victim.read_text() == "precious"


def test_a_file_that_may_not_be_so_large_leaves_the_old_ones_and_a_sentence(path):
    with opened(path) as folder:
        kept(folder)
        with files_of_at_most(10_000):
            said = failure(folder, b"x" * 6000, b"y" * 6000)
        assert said == (
            f"No snapshot was written to {path}: File too large. "
            "Raise the limit for a file: ulimit -f unlimited (systemd: LimitFSIZE=infinity)."
        )
        assert seen(path) == [FIRST]
        kept(folder)
    assert len(seen(path)) == 2


@pytest.mark.parametrize(
    "error, said",
    [
        (OSError("lost"), "it could not be made (OSError: lost)"),
        (ZeroDivisionError("of it"), "it could not be made (ZeroDivisionError: of it)"),
        (EbpftraceError("It is too large."), ": It is too large."),
    ],
)
def test_what_making_it_raises_leaves_nothing_and_ends_in_a_sentence(path, error, said):
    def pieces() -> Iterator[bytes]:
        yield b"begin"
        raise error

    with opened(path) as folder:
        with pytest.raises(NotWritten) as caught:
            folder.write(NIGHT, "end", pieces())
        assert said in str(caught.value)
        assert not seen(path)
        kept(folder)


def test_an_interrupt_leaves_nothing_and_goes_on(path):
    def pieces() -> Iterator[bytes]:
        yield b"begin"
        raise KeyboardInterrupt

    with opened(path) as folder:
        with pytest.raises(KeyboardInterrupt):
            folder.write(NIGHT, "end", pieces())
        assert not seen(path)


def test_where_a_file_cannot_have_two_names_it_is_renamed(path, monkeypatch):
    def link(*_given: object, **_more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", link)
    with opened(path) as folder:
        assert [kept(folder), kept(folder)] == [FIRST, FIRST.replace("123", "124")]
        (path / FIRST.replace("123", "125")).symlink_to("nowhere")
        assert kept(folder) == FIRST.replace("123", "126")
    assert len(seen(path)) == 4


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_a_directory_that_goes_while_recording_is_made_anew(path, tmp_path, how, caplog):
    with opened(path) as folder:
        kept(folder)
        appended(folder)
        if how == "removed":
            for name in os.listdir(path):
                (path / name).unlink()
            path.rmdir()
        else:
            path.rename(tmp_path / "old")
        if how == "replaced":
            path.mkdir(0o755)
        assert kept(folder) == FIRST
        appended(folder)
        assert "was removed or replaced" in caplog.text
        assert len(seen(path)) == 2
        assert "is in use" in refusal(path)


def test_a_directory_that_becomes_a_link_in_a_place_of_others_ends_in_a_sentence(path, tmp_path):
    aim = tmp_path / "aim"
    aim.mkdir()
    with opened(path) as folder:
        tmp_path.chmod(0o777)
        path.rename(tmp_path / "old")
        path.symlink_to(aim)
        assert f"No snapshot was written to {path}: it is a symbolic link" in failure(folder)
        assert not list(aim.iterdir())
        path.unlink()
        assert kept(folder) == FIRST


def test_a_path_that_becomes_a_file_or_loses_its_parent_ends_in_a_sentence(tmp_path):
    path = tmp_path / "parent" / "snaps"
    path.parent.mkdir()
    with opened(path) as folder:
        path.rename(tmp_path / "old")
        path.touch()
        assert "Not a directory" in failure(folder)
        path.unlink()
        path.parent.rmdir()
        assert f"{path.parent}: No such file or directory. Make that directory" in failure(folder)
        path.parent.mkdir()
        assert kept(folder) == FIRST


def test_a_directory_that_cannot_be_used_is_refused_in_a_sentence(path, tmp_path, monkeypatch):
    assert "/dev/null: Not a directory" in refusal("/dev/null/snaps")
    assert "the one given is empty" in refusal("")
    path.touch()
    assert refusal(path) == (
        f"Snapshots cannot be kept in {path}: Not a directory. Give a directory."
    )
    path.unlink()
    path.mkdir()
    (path / ".lock").symlink_to(tmp_path / "victim")
    assert ".lock: Too many levels of symbolic links" in refusal(path)
    (path / ".lock").unlink()
    os.mkfifo(path / ".lock")
    assert ".lock: it is no regular file" in refusal(path)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "No such file or directory" in refusal("snaps")
    assert not (tmp_path / "victim").exists()


def test_the_directories_above_it_are_made_for_us_alone(tmp_path):
    path = tmp_path / "a" / "b" / "snaps"
    with opened(path) as folder:
        assert kept(folder) == FIRST
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent, tmp_path / "a")} == {
        0o700
    }


def test_no_descriptor_stays_open_whatever_fails(path, tmp_path):
    before = os.listdir("/proc/self/fd")
    with opened(path) as folder, files_of_at_most(1000):
        refusal(path)
        failure(folder, b"x" * 2000)
        with pytest.raises(NotWritten):
            appended(folder, b"x" * 2000)
        appended(folder)
        refusal("/dev/null/snaps")
    with pytest.raises(NotWritten):
        write_new(tmp_path / "no", NIGHT, [b""])
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_one_that_is_asked_for_is_a_new_file_without_a_lock(tmp_path):
    written = [write_new(tmp_path, NIGHT, [b"whole"]) for _ in range(3)]
    assert seen(tmp_path) == [Path(one).name for one in written]
    assert [Path(one).read_bytes() for one in written] == [b"whole"] * 3
    assert {stat.S_IMODE(Path(one).stat().st_mode) for one in written} == {0o600}
    assert written[0] == str(tmp_path / "20261121T031500.123Z-asked.ebpftrace")


def test_one_that_is_asked_for_where_there_is_no_directory_ends_in_a_sentence(
    tmp_path, monkeypatch
):
    gone = tmp_path / "gone"
    with pytest.raises(NotWritten, match=f"to {gone}: No such file or directory"):
        write_new(gone, NIGHT, [b""])
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(NotWritten, match="to the current directory: No such file or directory"):
        write_new(Path(), NIGHT, [b""])


def test_readers_find_only_regular_files_of_our_names_in_order_of_time(tmp_path):
    ours = [
        "20251121T031500.123Z-asked.ebpftrace",
        "20261121T031500.123Z-end.ebpftrace",
        "20261121T031500.123Z.ebpfstream",
    ]
    others = [
        "20261321T031500.123Z-end.ebpftrace",  # no such month
        "20261121T031500.123Z-END.ebpftrace",
        "20261121T031500.123Z-end.ebpftrace.gz",
        "20261121T031500.123Z-end.ebpfstream",
        "20261121T031500Z-end.ebpftrace",
        "\u0662\u0660\u0662\u06661121T031500.123Z-end.ebpftrace",
        ".lock",
        ".tmp-ebpftrace-0000000000000000",
    ]
    for name in (*ours[::-1], *others):
        (tmp_path / name).touch()
    (tmp_path / "20301121T031500.123Z-end.ebpftrace").mkdir()
    (tmp_path / "20301121T031500.123Z.ebpfstream").symlink_to(tmp_path / ours[0])
    os.mkfifo(tmp_path / "20301121T031500.124Z.ebpfstream")
    assert listed(str(tmp_path)) == [str(tmp_path / name) for name in ours]


def test_readers_are_told_why_a_directory_cannot_be_listed(tmp_path):
    assert listed(str(tmp_path)) == []
    (tmp_path / "file").touch()
    for bad, why in ((tmp_path / "no", "No such file"), (tmp_path / "file", "Not a directory")):
        with pytest.raises(UsageError, match=f"{bad} cannot be listed: {why}"):
            listed(str(bad))
