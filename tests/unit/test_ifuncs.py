"""What an IFUNC stands for, by slots that a process may have filled with anything."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from ebpftrace.model.ids import Address, FileOffset, ImageAddress
from ebpftrace.probes.ifuncs import Place, chosen
from ebpftrace.target.elf_symbols import Symbol
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module
from ebpftrace.target.text import LiveText
from tests.unit.debug_builders import build, run, written

SOURCE = """
#include <stddef.h>
static char pool[65536];
static size_t used;
__attribute__((noinline)) static void *one(size_t size) { used += size; return pool + used; }
__attribute__((noinline)) static void *other(size_t size) { used += 2 * size; return pool; }
volatile int which;
static void *(*resolve(void))(size_t) { return which ? other : one; }
void *malloc(size_t size) __attribute__((ifunc("resolve")));
void free(void *block) { (void)block; }
void *(*volatile pointer)(size_t) = malloc;
void *twice(size_t size) { return (char *)malloc(size) + (size_t)malloc(size); }
"""
BIAS = 0x7F0000000000


class Memory:
    """Words by their addresses; elsewhere nothing can be read."""

    def __init__(self, words: dict[int, int]) -> None:
        self.words = words

    def read(self, address: int, length: int) -> bytes:
        return self.words[address].to_bytes(8, "little")[:length] if address in self.words else b""


class Library:
    """Built by gcc, and mapped at BIAS."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        key = ("00:01", 1, str(path))
        code = next(
            line.split() for line in run("readelf", "-lW", path).splitlines() if " R E " in line
        )
        offset, vaddr, size = (int(code[at], 16) for at in (1, 2, 4))
        self.mapping = Mapping(
            Address(BIAS + vaddr),
            Address(BIAS + vaddr + (size + 4095 & -4096)),
            "r-xp",
            FileOffset(offset),
            "00:01",
            1,
            str(path),
        )
        self.module = Module(key, (self.mapping,), self.fd, "")
        assert self.module.image
        self.image = self.module.image
        rows = [
            line.split() for line in run("readelf", "-rW", path).splitlines() if "malloc" in line
        ]
        self.slots = [int(row[0], 16) for row in rows]
        symbols = (line.split() for line in run("readelf", "-sW", path).splitlines())
        self.functions = {
            row[7].partition("@")[0]: Place(ImageAddress(int(row[1], 16)), int(row[2], 0))
            for row in symbols
            if len(row) > 7 and row[3] in ("FUNC", "IFUNC")
        }
        (self.malloc,) = {s for s in self.image.symbols(("malloc",)) if s.table == "dynsym"}

    def chosen(self, *values: int, bias: int = BIAS) -> Place | None:
        """With these values in its slots, in their order; addresses of the file, unless `bias` is 0."""
        words = {BIAS + slot: bias + value for slot, value in zip(self.slots, values, strict=False)}
        return chosen(self.module, [self.module], cast(LiveText, Memory(words)), self.malloc)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("ifunc")
    source = written(folder / "one.c", SOURCE)
    made = Library(build(folder / "libone.so", "-shared", "-fPIC", source=source))
    assert len(made.slots) >= 2
    yield made
    made.module.close()


def test_the_code_in_the_slots_is_what_was_chosen_with_its_size(library: Library):
    one, other = library.functions["one"], library.functions["other"]
    assert library.chosen(*[one[0]] * 2) == one
    assert library.chosen(*[other[0]] * 2) == other


def test_one_slot_that_is_filled_is_enough(library: Library):
    assert library.chosen(library.functions["one"][0]) == library.functions["one"]


def test_slots_that_differ_decide_nothing(library: Library):
    assert library.chosen(library.functions["one"][0], library.functions["other"][0]) is None


def test_an_empty_slot_or_none_that_can_be_read_decides_nothing(library: Library):
    assert library.chosen() is None
    assert library.chosen(0, 0, bias=0) is None


def test_the_resolver_is_not_what_it_chooses(library: Library):
    assert library.chosen(library.functions["resolve"][0]) is None


def test_the_way_to_the_loader_is_not_what_was_chosen(library: Library):
    for slot in library.slots:
        offset = library.image.file_offset(slot)  # type: ignore[arg-type]
        assert offset is not None
        unbound = int.from_bytes(library.image.read(offset, 8), "little")
        if unbound:
            words = {BIAS + slot: BIAS + unbound}
            memory = cast(LiveText, Memory(words))
            assert chosen(library.module, [library.module], memory, library.malloc) is None


def test_what_is_not_the_start_of_code_of_the_file_is_not_believed(library: Library):
    plt = library.image.section(b".plt")
    text = library.image.section(b".text")
    assert plt is not None
    assert text is not None
    inside = library.functions["one"][0] + 1
    for place in (inside, plt.address + 16, library.slots[0], 1 << 40):
        assert library.chosen(place) is None, hex(place)
    for value in (1, (1 << 64) - 1, library.functions["one"][0]):
        assert library.chosen(value, bias=0) is None


def test_a_slot_of_who_calls_it_by_name_tells_where_it_has_none_itself(
    library: Library, tmp_path: Path
):
    source = written(
        tmp_path / "two.c", "#include <stdlib.h>\nvoid *f(void) { return malloc(1); }\n"
    )
    path = build(tmp_path / "libtwo.so", "-shared", "-fPIC", "-O2", source=source)
    fd = os.open(path, os.O_RDONLY)
    start = library.mapping.start + (1 << 30)
    code = next(
        line.split() for line in run("readelf", "-lW", path).splitlines() if " R E " in line
    )
    offset, vaddr = int(code[1], 16), int(code[2], 16)
    mapping = Mapping(
        Address(start), Address(start + 4096), "r-xp", FileOffset(offset), "00:01", 2, str(path)
    )
    module = Module(("00:01", 2, str(path)), (mapping,), fd, "")
    (row,) = [line.split() for line in run("readelf", "-rW", path).splitlines() if "malloc" in line]
    words = {start - vaddr + int(row[0], 16): BIAS + library.functions["other"][0]}
    memory = cast(LiveText, Memory(words))
    found = chosen(library.module, [library.module, module], memory, library.malloc)
    assert found == library.functions["other"]
    module.close()


def test_of_other_names_no_slot_is_looked_at(library: Library):
    words = {BIAS + slot: BIAS + library.functions["one"][0] for slot in library.slots}
    other: Symbol = library.malloc._replace(name="calloc", value=library.functions["free"][0])
    assert chosen(library.module, [library.module], cast(LiveText, Memory(words)), other) is None
