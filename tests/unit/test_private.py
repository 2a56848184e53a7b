"""Into which directory we let ourselves be led."""

import os
from pathlib import Path

import pytest

from ebpftrace import private

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


def entered(path: Path) -> Path:
    fd = private.entered(path)
    try:
        return Path(os.readlink(f"/proc/self/fd/{fd}"))
    finally:
        os.close(fd)


def refusal(path: Path) -> str:
    with pytest.raises(OSError, match="Errno") as caught:
        private.entered(path)
    return f"{caught.value.filename}: {caught.value.strerror}"


@pytest.mark.parametrize("umask", [0, 0o777])
def test_only_the_last_component_is_made_and_nobody_else_may_enter(tmp_path, umask):
    before = os.umask(umask)
    try:
        assert entered(tmp_path / "made") == tmp_path / "made"
        assert refusal(tmp_path / "a" / "b") == f"{tmp_path}/a: No such file or directory"
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o7777 == 0o700
    assert os.listdir(tmp_path) == ["made"]


def test_the_mode_of_a_directory_that_is_there_stays(tmp_path):
    (tmp_path / "there").mkdir(0o755)
    entered(tmp_path / "there")
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_directory_that_others_may_write_is_refused_unless_it_is_sticky(tmp_path, mode):
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(mode)
    assert refusal(path) == f"{path}: others may write it"
    path.chmod(mode | 0o1000)
    entered(path)


def test_a_link_is_followed_where_nobody_else_could_have_put_it(tmp_path):
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to("../" + tmp_path.name + "/real")
    assert entered(tmp_path / "link") == tmp_path / "real"
    assert entered(tmp_path / "link" / "in") == tmp_path / "real" / "in"


def test_where_others_may_rename_a_directory_counts_and_a_link_does_not(tmp_path):
    shared, aim = tmp_path / "shared", tmp_path / "aim"
    for path in (shared, aim):
        path.mkdir()
    shared.chmod(0o777)
    (shared / "link").symlink_to(aim)
    (shared / "on the way").mkdir()
    (shared / "on the way" / "link").symlink_to(aim)
    assert entered(shared / "made") == shared / "made"
    for link in (shared / "link", shared / "on the way" / "link"):
        assert "symbolic link" in refusal(link)
        assert "symbolic link" in refusal(link / "made")
    assert not list(aim.iterdir())


def test_a_link_in_a_sticky_directory_counts_if_it_is_ours(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "aim").mkdir()
    (shared / "link").symlink_to(tmp_path / "aim")
    assert entered(shared / "link") == tmp_path / "aim"


@needs_root
def test_what_another_user_owns_is_passed_through_and_not_used(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "snaps").mkdir()
    (home / "link").symlink_to(tmp_path)
    for path in (home, home / "snaps", home / "link"):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    assert entered(home / "ours") == home / "ours"
    assert refusal(home / "snaps") == f"{home}/snaps: it belongs to another user"
    assert "symbolic link" in refusal(home / "link")
    os.chown(home, 0, 0)
    assert refusal(home / "link") == f"{home}/link: it is a symbolic link of another user"


def test_links_in_a_circle_and_what_is_no_directory_end_in_an_error(tmp_path):
    (tmp_path / "link").symlink_to("link")
    assert "Too many levels" in refusal(tmp_path / "link")
    (tmp_path / "file").touch()
    assert "Not a directory" in refusal(tmp_path / "file")
    assert "Not a directory" in refusal(tmp_path / "file" / "in")
    assert "no absolute path" in refusal(Path("relative"))
