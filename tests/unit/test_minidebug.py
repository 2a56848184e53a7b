import lzma
import os
import subprocess
import time
from pathlib import Path

import pytest

from ebpftrace.model.ids import ImageAddress
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.minidebug import MOST_UNPACKED, mini_debug_image
from tests.unit.elf_builder import LOCAL, TEXT_ADDRESS, Elf, Part, Sym
from tests.unit.test_elf import opened

PROGRAM = """
__attribute__((noinline, noclone)) static int hidden(int n) { return n * 3 + 1; }
int main(int count, char **unused) { return hidden(count) + hidden(count + 2); }
"""
PACKED = 512


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def build(folder: Path) -> tuple[Path, int]:
    """A stripped program with its functions packed as Fedora does, and where `hidden` is."""
    source, program, debug = folder / "p.c", folder / "p", folder / "p.debug"
    mini, names = folder / "p.mini", folder / "names"
    source.write_text(PROGRAM)
    run("gcc", "-g", "-O1", source, "-o", program)
    listed = [line.split() for line in run("nm", "--defined-only", program).splitlines()]
    functions = {name: int(value, 16) for value, kind, name in listed if kind in "tT"}
    names.write_text("\n".join(functions))
    run("objcopy", "--only-keep-debug", program, debug)
    run("objcopy", "-S", "--remove-section", ".gdb_index", "--remove-section", ".comment",
        f"--keep-symbols={names}", debug, mini)  # fmt: skip
    run("strip", "--strip-all", "-R", ".comment", program)
    (folder / "p.mini.xz").write_bytes(lzma.compress(mini.read_bytes()))
    run("objcopy", "--add-section", f".gnu_debugdata={folder / 'p.mini.xz'}", program)
    return program, functions["hidden"]


def test_a_stripped_program_is_named_by_what_it_brings_along(tmp_path):
    program, hidden = build(tmp_path)
    assert run("nm", program) == ""
    with program.open("rb") as file:
        named = SymbolTable(ElfImage.open(file.fileno())).find(ImageAddress(hidden + 1))
    assert named == ("hidden", hidden)


def with_packed(packed: bytes) -> bytes:
    part = Part(b".gnu_debugdata", PACKED, len(packed))
    return Elf([Sym("shown")], b"\x55" * PACKED + packed, parts=[part]).build()


def test_the_packed_functions_are_added_to_those_of_the_file():
    inner = Elf([Sym("hidden", 32, bind=LOCAL, table="symtab")]).build()
    with opened(with_packed(lzma.compress(inner))) as image:
        table = SymbolTable(image)
    names = [table.find(ImageAddress(TEXT_ADDRESS + at)) for at in (0, 33)]
    assert [named.name if named else None for named in names] == ["shown", "hidden"]


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return lzma.compress(bytes(MOST_UNPACKED + 1), preset=0)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\x7fELF",
        lzma.compress(b"not an ELF file"),
        lzma.compress(Elf([Sym("hidden", 32)]).build())[:-40],
        lzma.compress(Elf([Sym("hidden", 32)]).build())[:20] + bytes(200),
        lzma.compress(Elf([Sym("hidden", 32)]).build(), format=lzma.FORMAT_ALONE),
        # A dictionary of 128 MiB is more memory than the decompressor may take.
        lzma.compress(
            Elf([Sym("hidden", 32)]).build(),
            filters=[
                {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 27, "mf": lzma.MF_HC3}
            ],
        ),
    ],
    ids=["empty", "not packed", "no ELF", "cut", "broken", "not xz", "too much memory"],
)
def test_what_is_broken_costs_only_its_own_names(packed):
    before = len(os.listdir("/proc/self/fd"))
    with opened(with_packed(packed)) as image, mini_debug_image(image) as inner:
        assert inner is None
        assert len(SymbolTable(image)) == 1
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_bomb_is_given_up(bomb):
    with opened(with_packed(bomb)) as image:
        start = time.perf_counter()
        assert len(SymbolTable(image)) == 1
        assert time.perf_counter() - start < 5
