"""The functions of a stripped program, by debug files that are its own."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target import code_names
from ebpftrace.target.code_names import looked_for, names_of
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.root import TargetRoot
from tests.unit.debug_builders import build, build_id, stripped, written

SOURCE = (
    "static void *malloc(long n) { return (void *)n; }\nint main(void) { return !malloc(1); }\n"
)


class Tree:
    """A file tree with a stripped program in it; what else there is, the tests add."""

    def __init__(self, folder: Path, *flags: str) -> None:
        work = folder / "work"
        work.mkdir()
        source = written(work / "one.c", SOURCE)
        whole = build(work / "one", "-g", "-O0", "-fno-builtin", *flags, source=source)
        self.id = build_id(whole)
        shutil.copy(whole, work / "whole")
        self.program, self.debug = stripped(whole, work / "one.debug"), work / "one.debug"
        self.folder = folder / "root"
        self.place("/opt/bin/one", self.program)
        self._file = self.program.open("rb")
        self.image = ElfImage.open(self._file.fileno())

    def place(self, path: str, file: Path) -> None:
        there = self.folder / path.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, there)

    def root(self) -> TargetRoot:
        return TargetRoot(os.open(self.folder, os.O_PATH | os.O_DIRECTORY))

    def found(self) -> list[str]:
        module: Any = SimpleNamespace(image=self.image, path="/opt/bin/one", name="/opt/bin/one")
        process: Any = None
        with names_of(process, module) as names:
            if names is None:
                return []
            (symbol,) = names.symbols(("malloc",))
            assert names.starts_between(ImageAddress(symbol.value - 1), ImageAddress(1 << 40))
            return [symbol.name]

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Tree(tmp_path, "-Wl,--build-id")
    opener = SimpleNamespace(open=lambda _: made.root())
    monkeypatch.setattr(code_names, "TargetRoot", opener)
    yield made
    made.close()


def test_without_a_debug_file_only_the_program_names_it(tree: Tree):
    assert tree.found() == []


@pytest.mark.parametrize("folder", ["/opt/bin", "/opt/bin/.debug", "/usr/lib/debug/opt/bin"])
def test_the_file_of_its_link_is_found_where_debuggers_look(tree: Tree, folder: str):
    tree.place(f"{folder}/one.debug", tree.debug)
    assert tree.found() == ["malloc"]


def test_the_file_of_its_build_id_is_found(tree: Tree):
    assert tree.id
    tree.place(f"/usr/lib/debug/.build-id/{tree.id[:2]}/{tree.id[2:]}.debug", tree.debug)
    assert tree.found() == ["malloc"]


def test_a_file_that_is_another_s_is_not_believed(tree: Tree, tmp_path: Path):
    other = build(
        tmp_path / "other", "-g", source=written(tmp_path / "o.c", SOURCE + "int more;\n")
    )
    tree.place("/opt/bin/one.debug", other)
    assert tree.found() == []


def test_neither_is_one_that_is_broken_or_is_no_file(tree: Tree, tmp_path: Path):
    tree.place("/opt/bin/one.debug", written(tmp_path / "broken", "\x7fELF"))
    assert tree.found() == []
    (tree.folder / "opt/bin/one.debug").unlink()
    os.mkfifo(tree.folder / "opt/bin/one.debug")
    assert tree.found() == []


def test_nothing_is_looked_for_where_the_symbols_are_in_the_program(tree: Tree, monkeypatch):
    def never(_: object) -> None:
        raise AssertionError("looked for")

    monkeypatch.setattr(code_names, "TargetRoot", SimpleNamespace(open=never))
    with (tree.program.parent / "whole").open("rb") as file:
        module: Any = SimpleNamespace(image=ElfImage.open(file.fileno()), path="/opt/bin/one")
        process: Any = None
        with names_of(process, module) as names:
            assert names is None


def test_no_descriptor_is_left(tree: Tree):
    tree.place("/opt/bin/one.debug", tree.debug)
    before = len(os.listdir("/proc/self/fd"))
    tree.found()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_looked_for_is_said(tree: Tree):
    assert tree.id
    assert looked_for(tree.image) == (
        f"/usr/lib/debug/.build-id/{tree.id[:2]}/{tree.id[2:]}.debug or one.debug"
    )
