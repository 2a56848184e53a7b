"""A folder of builds holds whole files that nobody else can have written, and few of them."""

import os
import signal
import time
from pathlib import Path

import pytest

from ebpftrace.kernel import build_folder
from ebpftrace.kernel.build_folder import MOST_FILES, BuildFolder

KEY = "5e" * 32
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "compiled"


@pytest.fixture
def kept(path: Path) -> Path:
    """The file of `KEY`."""
    BuildFolder(path).keep(KEY, b"what was compiled")
    return path / f"{KEY}.build"


def refused(path: Path) -> str:
    with pytest.raises(OSError, match=r".") as caught:
        BuildFolder(path).read(KEY)
    return str(caught.value)


def key(number: int) -> str:
    return f"{number:064x}"


@pytest.mark.parametrize("umask", [0, 0o777])
def test_whatever_the_umask_a_file_is_read_again_and_is_ours_alone(path, umask):
    before = os.umask(umask)
    try:
        BuildFolder(path).keep(KEY, b"one")
        assert BuildFolder(path).read(KEY) == b"one"
    finally:
        os.umask(before)
    made = {entry.name: entry.stat().st_mode & 0o7777 for entry in path.parent.rglob("*")}
    assert made == {"compiled": 0o700, f"{KEY}.build": 0o600}


def test_what_is_kept_again_replaces_what_was(kept, path):
    BuildFolder(path).keep(KEY, b"another")
    assert BuildFolder(path).read(KEY) == b"another"


def test_what_is_not_there_is_not_found(path):
    with pytest.raises(FileNotFoundError):
        BuildFolder(path).read(KEY)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(kept, path, mode):
    kept.chmod(mode)
    assert "others could have written it" in refused(path)


@needs_root
def test_a_file_or_folder_of_another_user_is_refused(kept, path):
    os.chown(kept, NOBODY, NOBODY)
    assert "others could have written it" in refused(path)
    os.chown(kept, 0, 0)
    os.chown(path, NOBODY, NOBODY)
    assert "another user" in refused(path)


def test_a_folder_that_others_may_write_is_refused(kept, path):
    path.chmod(0o777)
    assert "others may write it" in refused(path)


def test_a_link_is_not_followed(kept, path, tmp_path):
    victim = kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(victim)
    assert "symbolic links" in refused(path)


def test_a_link_is_replaced_and_what_it_leads_to_stays(kept, path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    kept.unlink()
    kept.symlink_to(victim)
    BuildFolder(path).keep(KEY, b"one")
    assert (victim.read_bytes(), kept.is_symlink()) == (b"precious", False)


def test_a_pipe_is_refused_at_once(kept, path):
    kept.unlink()
    os.mkfifo(kept, 0o600)
    assert "others could have written it" in refused(path)


def test_a_file_that_is_too_large_is_not_read(kept, path):
    os.truncate(kept, build_folder.MOST_BYTES + 1)
    assert "too large" in refused(path)


def test_a_disk_that_is_full_leaves_what_was_there_and_nothing_else(kept, path, monkeypatch):
    def full(*unused):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(OSError, match="No space"):
        BuildFolder(path).keep(KEY, b"another")
    assert [entry.name for entry in path.iterdir()] == [kept.name]
    assert kept.read_bytes() == b"what was compiled"


@pytest.mark.parametrize("again", [False, True])
def test_a_kill_while_a_file_is_written_leaves_no_part_of_it(path, again):
    folder = BuildFolder(path)
    if again:
        folder.keep(KEY, b"what was compiled")
    child = os.fork()
    if child == 0:
        os.link = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        folder.keep(KEY, b"another")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [entry.name for entry in path.iterdir()] == ([f"{KEY}.build"] if again else [])


def test_a_file_system_without_nameless_files_keeps_them_as_well(path, monkeypatch):
    opened = os.open

    def without(name, flags, *rest, **more):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return opened(name, flags, *rest, **more)

    monkeypatch.setattr(os, "open", without)
    for data in (b"one", b"another"):
        BuildFolder(path).keep(KEY, data)
        assert BuildFolder(path).read(KEY) == data
    assert [entry.name for entry in path.iterdir()] == [f"{KEY}.build"]


def test_what_was_not_used_for_longest_goes_first(path):
    folder = BuildFolder(path)
    for number in range(MOST_FILES):
        folder.keep(key(number), b"x")
        os.utime(path / f"{key(number)}.build", (1000 + number, 1000 + number))
    folder.read(key(0))
    folder.keep(key(MOST_FILES), b"x")
    numbers = {int(entry.stem, 16) for entry in path.iterdir()}
    assert numbers == {0, *range(2, MOST_FILES + 1)}


def test_only_files_of_its_own_are_dropped_and_unfinished_ones_of_long_ago(path):
    folder = BuildFolder(path)
    long_ago = time.time() - 2 * 3600
    others = ["README", "x.build", f".{key(1)}.build.77", f".{key(2)}.build.78"]
    for name in others:
        (path / name).write_bytes(b"")
        os.utime(path / name, (long_ago, long_ago))
    os.utime(path / others[3])
    folder.keep(KEY, b"x")
    assert {entry.name for entry in path.iterdir()} == {
        f"{KEY}.build",
        "README",
        "x.build",
        others[3],
    }
