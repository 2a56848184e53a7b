import fcntl
import os
import pwd
from pathlib import Path

import pytest

from ebpftrace.caches import default_directory
from ebpftrace.symbols import store as store_module
from ebpftrace.symbols.store import NAME, LineStore, StoreUnusable, key_of
from tests.unit.store_builders import KEY, filled, opened, places

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
NOBODY = 65534


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize("umask", [0, 0o777])
def test_whatever_the_umask_nobody_else_may_read_or_write(tmp_path, umask):
    before = os.umask(umask)
    try:
        with opened(tmp_path / "a" / "b") as store:
            store.add(KEY, places(0, 10))
            made = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    finally:
        os.umask(before)
    files = dict.fromkeys([NAME, f"{NAME}-wal", f"{NAME}-shm"], 0o600)
    assert made == {"a": 0o700, "b": 0o700, **files}


def test_a_directory_that_others_may_read_is_closed_to_them(directory):
    directory.mkdir(0o755)
    filled(directory)
    assert directory.stat().st_mode & 0o777 == 0o700


def refusal(directory: Path) -> str:
    with pytest.raises(StoreUnusable) as caught:
        LineStore.open(directory)
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_directory_that_others_may_write_is_refused(directory, mode):
    directory.mkdir()
    directory.chmod(mode)
    assert "others may write it" in refusal(directory)
    assert not list(directory.iterdir())


def test_a_parent_that_others_may_write_is_refused_unless_it_is_sticky(tmp_path):
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(0o777)
    assert f"{parent}: others may write it" in refusal(parent / "cache")
    parent.chmod(0o1777)
    filled(parent / "cache")


def test_a_link_is_refused_as_the_directory_and_followed_on_the_way(tmp_path):
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to("../" + tmp_path.name + "/real")
    assert "symbolic link" in refusal(tmp_path / "link")
    filled(tmp_path / "link" / "cache")
    assert (tmp_path / "real" / "cache" / NAME).is_file()
    (tmp_path / "real").chmod(0o777)
    assert "others may write it" in refusal(tmp_path / "link" / "cache")


def test_links_that_lead_in_a_circle_end_in_a_sentence(tmp_path):
    (tmp_path / "link").symlink_to("link")
    assert "Too many levels" in refusal(tmp_path / "link" / "cache")


@pytest.mark.parametrize("path", ["relative/cache", "/", "/dev/null", "/dev/null/cache"])
def test_what_is_no_directory_ends_in_a_sentence(path):
    assert refusal(Path(path)).startswith(f"Source lines are not kept in {path}: ")


def test_a_file_that_is_a_link_a_directory_or_open_to_others_is_refused(directory, tmp_path):
    directory.mkdir(0o700)
    path = directory / NAME
    (tmp_path / "victim").write_text("precious")
    path.symlink_to(tmp_path / "victim")
    assert "no regular file" in refusal(directory)
    path.unlink()
    path.mkdir()
    assert "no regular file" in refusal(directory)
    path.rmdir()
    path.touch()
    path.chmod(0o640)
    assert "0640 instead of 0600" in refusal(directory)
    assert (tmp_path / "victim").read_text() == "precious"


@needs_root
def test_what_belongs_to_another_user_is_refused(directory, tmp_path):
    path = filled(directory)
    os.chown(path, NOBODY, NOBODY)
    assert "another user" in refusal(directory)
    os.chown(path, 0, 0)
    os.chown(directory, NOBODY, NOBODY)
    assert "another user" in refusal(directory)
    os.chown(directory, 0, 0)
    (tmp_path / "theirs").symlink_to(tmp_path)
    os.chown(tmp_path / "theirs", NOBODY, NOBODY, follow_symlinks=False)
    assert "another user" in refusal(tmp_path / "theirs" / "cache")
    os.chown(tmp_path, NOBODY, NOBODY)
    assert f"{tmp_path}: it belongs to another user" in refusal(directory)


def test_where_another_copy_holds_the_directory_for_long_it_is_said(directory, monkeypatch):
    monkeypatch.setattr(store_module, "_OPENING_S", 0.05)
    filled(directory)
    fd = os.open(directory, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert "another copy" in refusal(directory)
    os.close(fd)


def test_the_key_of_a_file_is_its_build_id_and_its_size(tmp_path):
    path = tmp_path / "lib.so"
    path.write_bytes(b"x" * 77)
    path.chmod(0o755)
    with path.open("rb") as file:
        assert key_of(file.fileno(), "c0ffee") == "c0ffee-77"
        assert key_of(file.fileno(), None) is None
        assert key_of(file.fileno(), "") is None
    assert key_of(-1, "c0ffee") is None


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_file_that_others_may_write_has_no_key(tmp_path, mode):
    path = tmp_path / "lib.so"
    path.write_bytes(b"x")
    path.chmod(mode)
    with path.open("rb") as file:
        assert key_of(file.fileno(), "c0ffee") is None


@needs_root
def test_a_file_of_another_user_has_no_key(tmp_path):
    path = tmp_path / "lib.so"
    path.write_bytes(b"x")
    os.chown(path, NOBODY, NOBODY)
    with path.open("rb") as file:
        assert key_of(file.fileno(), "c0ffee") is None


def test_what_is_no_file_has_no_key():
    with Path(os.devnull).open("rb") as file:
        assert key_of(file.fileno(), "c0ffee") is None


def test_the_directory_is_the_one_of_the_effective_user(monkeypatch, tmp_path):
    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    assert default_directory() == Path("/var/caches/ebpftrace")
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    monkeypatch.setenv("HOME", str(tmp_path))
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    if home.is_dir():
        assert default_directory() == home / ".cache" / "ebpftrace"
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert default_directory() == tmp_path / ".cache" / "ebpftrace"
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    assert default_directory() is None
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_directory() is None
