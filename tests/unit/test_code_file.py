import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ebpftrace.model.ids import Address, FileOffset, ImageAddress
from ebpftrace.symbols.code_file import CodeFile
from ebpftrace.symbols.file_lines import Line
from ebpftrace.symbols.lines import Lines
from ebpftrace.symbols.resolver.client import Resolver
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module
from ebpftrace.target.root import TargetRoot
from tests.unit.debug_builders import ODD, SOURCE, TAIL, at, build, stripped, written
from tests.unit.readelf_rows import find_library


@pytest.fixture(scope="module")
def lines() -> Iterator[Lines]:
    one = Lines(Resolver(), lambda: None)
    yield one
    one.close()


def module_of(path: Path, name: str | None = None) -> Module:
    part = Mapping(
        Address(0x1000), Address(0x2000), "r-xp", FileOffset(0), "00:01", 5, name or str(path)
    )
    return Module(("00:01", 5, str(path)), (part,), os.open(path, os.O_RDONLY), "")


@pytest.fixture
def found(lines: Lines) -> Iterator[Callable[..., tuple[Line, ...]]]:
    """What is found at an address of a file, mapped by a process of the root directory given."""
    opened: list[TargetRoot] = []

    def ask(
        path: Path, address: int, folder: str | Path = "/", name: str | None = None
    ) -> tuple[Line, ...]:
        ours = folder == "/"
        root = TargetRoot(os.open(folder, os.O_PATH | os.O_DIRECTORY), is_ours=ours)
        opened.append(root)
        module = module_of(path, name)
        identity = module.identity
        assert identity
        lines.want(
            identity,
            [ImageAddress(address)],
            lambda: CodeFile(module, identity, root, {os.geteuid()}),
        )
        module.close()  # what is asked for must not depend on it
        lines.settle(20)
        told = lines.find(identity, ImageAddress(address))
        assert told is not None, "it is still pending"
        return told

    yield ask
    for root in opened:
        root.close()


def test_a_program_of_a_closed_directory_has_lines_and_their_text(found, tmp_path):
    source = tmp_path / "p.cpp"
    shutil.copy(SOURCE, source)
    path = build(tmp_path / "program", "-g", source=source)
    told = found(path, at(path, *TAIL))
    assert [(line.location.line, line.source) for line in told] == [
        (17, "return hidden(size + sizeof(T));"),
        (23, "return pool.take(more);"),
        (25, "return grab(size);"),
    ]


@pytest.mark.parametrize("flag", ["-Wl,--build-id=sha1", "-Wl,--build-id=none"])
def test_its_debug_file_may_lie_in_a_closed_directory(found, tmp_path, flag):
    assert tmp_path.parent.stat().st_mode & 0o077 == 0
    path = build(tmp_path / "program", "-g", flag)
    address = at(path, *TAIL)
    stripped(path, tmp_path / "program.debug")
    assert [line.location.line for line in found(path, address)] == [17, 23, 25]


def test_the_debug_file_of_a_container_is_found_in_its_own_tree(found, tmp_path):
    path = build(tmp_path / "program", "-g")
    address = at(path, *TAIL)
    debug = tmp_path / "root/opt/.debug/program.debug"
    debug.parent.mkdir(parents=True)
    stripped(path, debug)
    told = found(path, address, tmp_path / "root", "/opt/program")
    assert [line.location.line for line in told] == [17, 23, 25]


def test_what_a_hostile_file_is_called_and_says_is_clean(found, lines, tmp_path):
    source = written(tmp_path / "odd.c", ODD)
    path = build(tmp_path / "odd", "-g", source=source)
    ((location, text),) = found(path, at(path, "<odd>", "jmp"))
    assert location.file is not None
    assert location.file.isprintable()
    assert location.file.startswith("/tmp/a·[31mb·c")
    assert text is None
    other = build(tmp_path / "other", "-g")
    address = at(other, *TAIL)
    stripped(other, tmp_path / "other.debug")
    build(tmp_path / "other.debug", "-g", "-O1")
    assert found(other, address, name=f"{tmp_path}/e\x1b[2J\nvil") == ()
    (note,) = lines.naming().notes
    assert note.isprintable()
    assert f"{tmp_path}/other.debug is not the debug file of {tmp_path}/e·[2J·vil" in note


def test_what_is_no_program_has_no_lines_and_the_next_one_has(found, tmp_path):
    junk = tmp_path / "junk"
    junk.write_bytes(b"\x7fELF" + bytes(range(256)))
    assert found(junk, 64) == ()
    path = build(tmp_path / "program", "-g")
    assert len(found(path, at(path, *TAIL))) == 3


def test_descriptors_are_given_back(tmp_path):
    path = build(tmp_path / "program", "-g")
    stripped(path, tmp_path / "program.debug")
    root = TargetRoot(os.open("/", os.O_PATH | os.O_DIRECTORY), is_ours=True)
    before = len(os.listdir("/proc/self/fd"))
    module = module_of(path)
    identity = module.identity
    assert identity
    file = CodeFile(module, identity, root, ())
    assert len(file.files()) >= 2
    assert len(file.files()) == len(file.files())
    file.close()
    module.close()
    assert len(os.listdir("/proc/self/fd")) == before
    root.close()


def test_a_file_of_another_tree_never_has_the_key_of_one_of_ours(tmp_path):
    def key(path: Path, *, ours: bool) -> str | None:
        module = module_of(path)
        assert module.identity
        root = TargetRoot(os.open("/", os.O_PATH | os.O_DIRECTORY), is_ours=ours)
        file = CodeFile(module, module.identity, root, {os.geteuid()})
        file.close()
        root.close()
        module.close()
        return file.key

    libc = find_library("libc.so.6")
    mine = key(libc, ours=True)
    assert mine
    assert key(libc, ours=False) not in (mine, None)
    copy = tmp_path / "libc.so.6"
    shutil.copy(libc, copy)
    copy.chmod(0o644)
    assert key(copy, ours=False) not in (mine, key(libc, ours=False), None)


def test_it_is_known_from_outside_whether_there_can_be_debug_information(tmp_path):
    def may_be(path: Path) -> bool:
        module = module_of(path)
        assert module.identity
        root = TargetRoot(os.open("/", os.O_PATH | os.O_DIRECTORY), is_ours=True)
        file = CodeFile(module, module.identity, root, {os.geteuid()})
        try:
            return file.may_be_described()
        finally:
            file.close()
            root.close()
            module.close()

    program = build(tmp_path / "whole", "-g")
    assert may_be(program)
    stripped(program, tmp_path / "whole.debug")
    assert may_be(program), "its debug file is beside it"
    (tmp_path / "whole.debug").unlink()
    assert not may_be(program)
