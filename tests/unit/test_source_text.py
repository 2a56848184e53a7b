import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.symbols.source_text import SourceText
from ebpftrace.target.root import TargetRoot

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")
USER = 12345


class Tree:
    """A file tree that its user (12345) and everybody may enter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = TargetRoot(os.open(folder, os.O_PATH | os.O_DIRECTORY))
        self.text = SourceText(self.root.open_file, {USER})

    def add(self, content: str | bytes, name: str = "a.c", mode: int = 0o644) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def line(self, number: int | None, path: str | None = "/a.c") -> str | None:
        return self.text.line(path, number)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    tmp_path.chmod(0o755)
    one = Tree(tmp_path)
    yield one
    one.root.close()


def test_a_line_comes_without_its_indentation_and_its_end(tree):
    tree.add("one\n\tif (x)\t{ \r\n  three")
    assert [tree.line(n) for n in (1, 2, 3)] == ["one", "if (x)  {", "three"]


def test_lines_that_are_not_there_or_empty_have_no_text(tree):
    tree.add("one\n\n   \nfour\n")
    for number in (None, -1, 0, 2, 3, 5, 6, 1 << 40):
        assert tree.line(number) is None


def test_text_is_clean_and_cut(tree):
    tree.add(
        b"a\x1b]0;x\x07\xe2\x80\xae \xff\xc3\xa9 [b]\n" + b"x" * 10_000 + b"\n" + b"\xc3\xa9" * 999
    )
    assert tree.line(1) == "a·]0;x·· ·é [b]"
    assert tree.line(2) == "x" * 240
    assert tree.line(3) == "é" * 240


@pytest.mark.parametrize("path", [None, "", "a.c", "./a.c", "../a.c", "<built-in>"])
def test_only_whole_paths_are_opened(tree, path):
    tree.add("one\n")
    assert tree.line(1, path) is None


@pytest.mark.parametrize("path", ["/none.c", "/a\0.c", "/a.c/b", "/" + "x" * 5000, "/\ud800", "/"])
def test_what_cannot_be_opened_has_no_text(tree, path):
    tree.add("one\n")
    assert tree.line(1, path) is None


@needs_root
def test_of_files_that_only_some_may_read_the_users_own_are_shown(tree):
    path = tree.add("secret\n", mode=0o600)
    assert tree.line(1) is None
    os.chown(tree.add("own\n", "own.c", mode=0o600), USER, USER)
    assert tree.line(1, "/own.c") == "own"
    os.chown(path, 0, USER)
    path.chmod(0o640)
    assert SourceText(tree.root.open_file, {USER}).line("/a.c", 1) is None


@needs_root
def test_files_that_all_may_read_in_a_directory_that_only_root_may_enter_stay_unseen(tree):
    path = tree.add("plans\n", "home/plans.c")
    path.parent.chmod(0o700)
    assert tree.line(1, "/home/plans.c") is None
    assert SourceText(tree.root.open_file, {0}).line("/home/plans.c", 1) == "plans"
    os.chown(path.parent, USER, USER)
    assert SourceText(tree.root.open_file, {USER}).line("/home/plans.c", 1) == "plans"
    assert SourceText(tree.root.open_file, {7, USER}).line("/home/plans.c", 1) == "plans"
    assert SourceText(tree.root.open_file, set()).line("/home/plans.c", 1) is None


@needs_root
def test_afterwards_we_are_who_we_were(tree):
    tree.add("one\n", mode=0o600)
    for path in ("/a.c", "/none.c"):
        tree.line(1, path)
    threads = Path("/proc/thread-self/status").read_text()
    assert threads.partition("Uid:")[2].split()[:4] == ["0"] * 4
    assert Path(tree.folder / "a.c").read_text() == "one\n"


@needs_root
def test_the_passwords_of_the_host_are_not_shown():
    root = TargetRoot(os.open("/", os.O_PATH | os.O_DIRECTORY))
    text = SourceText(root.open_file, {USER})
    assert text.line("/etc/passwd", 1) is not None
    assert text.line("/etc/shadow", 1) is None
    root.close()


def test_nothing_but_files_is_read(tree):
    os.mkfifo(tree.folder / "fifo", 0o666)
    (tree.folder / "zero").symlink_to("/dev/zero")
    for path in ("/fifo", "/zero", "/dev/zero"):
        assert tree.line(1, path) is None
    with_proc = TargetRoot(os.open("/", os.O_PATH | os.O_DIRECTORY))
    assert SourceText(with_proc.open_file, {0}).line("/dev/zero", 1) is None
    with_proc.close()


def test_files_beyond_four_megabytes_are_not_read(tree):
    tree.add(b"one\n" + bytes((4 << 20) - 4))
    tree.add(b"one\n" + bytes((4 << 20) - 3), "large.c")
    assert tree.line(1) == "one"
    assert tree.line(1, "/large.c") is None
    os.truncate(tree.folder / "large.c", 1 << 40)
    assert SourceText(tree.root.open_file, {USER}).line("/large.c", 1) is None


def test_a_file_is_read_once(tree):
    path = tree.add("one\ntwo\n")
    assert tree.line(1) == "one"
    path.write_text("changed\n")
    assert tree.line(2) == "two"
    assert tree.line(1, "/none.c") is None
    tree.add("late\n", "none.c")
    assert tree.line(1, "/none.c") is None


def test_whatever_files_are_made_of_what_is_held_is_limited(tree):
    content = b"abc\n" * (1 << 17)
    for n in range(20):
        tree.add(content, f"{n}.c")
        assert tree.line(7, f"/{n}.c") == "abc"
    # A line of three bytes takes 36 as an object, and 8 in its list.
    assert sum(map(len, tree.text._files.values())) * 44 < 32 << 20


def test_paths_of_files_that_are_not_there_are_not_held_without_end(tree, monkeypatch):
    monkeypatch.setattr("ebpftrace.symbols.source_text._MOST_HELD", 10_000)
    for n in range(1000):
        assert tree.line(1, f"/{n}.c") is None
    assert len(tree.text._files) < 300
