import os
import re
import struct
import subprocess
import time
from pathlib import Path

import pytest

from ebpftrace.model.ids import ImageAddress
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.plt import _jumps_arm64, plt_entries
from tests.unit.elf_builder import TEXT_ADDRESS, Elf, Part, Sym
from tests.unit.test_elf import opened

x86_only = pytest.mark.skipif(os.uname().machine != "x86_64", reason="options of x86-64")

PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
void *(*volatile get)(size_t) = malloc;  // its address is taken: .plt.got, or none at all
int main(int count, char **arguments) {
    free(malloc(count));
    free(get(count));
    free(realloc(calloc(count, 2), 9));
    return puts(arguments[0]);
}
"""


def build(folder: Path, *options: str) -> Path:
    source, program = folder / "p.c", folder / "p"
    source.write_text(PROGRAM)
    subprocess.run(["gcc", "-fno-builtin", source, "-o", program, *options], check=True)
    return program


def of_objdump(program: Path) -> dict[int, str]:
    listed = subprocess.run(["objdump", "-d", program], check=True, capture_output=True, text=True)
    found = re.findall(r"^([0-9a-f]+) <(\S+@plt)>:$", listed.stdout, re.MULTILINE)
    return {int(address, 16): name for address, name in found}


@x86_only
@pytest.mark.parametrize(
    "options",
    [
        ["-fcf-protection=none"],
        ["-fcf-protection"],
        ["-fcf-protection=none", "-Wl,-z,now"],
        ["-fcf-protection", "-Wl,-z,now"],
        ["-fcf-protection", "-Wl,-z,ibtplt"],
        ["-fcf-protection", "-Wl,-z,ibtplt,-z,now"],
        ["-fcf-protection=none", "-no-pie", "-Wl,-z,lazy"],
        ["-fno-plt"],
    ],
    ids=" ".join,
)
def test_entries_are_those_of_objdump(options, tmp_path):
    program = build(tmp_path, *options)
    expected = of_objdump(program)
    with program.open("rb") as file:
        image = ElfImage.open(file.fileno())
        entries = list(plt_entries(image))
        table = SymbolTable(image)
    named = {
        entry.value: {
            found.name if (found := table.find(ImageAddress(address))) else None
            for address in (entry.value, entry.value + entry.size - 1)
        }
        for entry in entries
    }
    assert named == {address: {name} for address, name in expected.items()}
    assert ("malloc@plt" in expected.values()) == ("-fno-plt" not in options)


def test_an_entry_of_arm64_is_the_load_from_its_slot():
    # adrp x16, +0x10000; ldr x17, [x16, #0x18]; add x16, x16, #0x18; br x17
    entry = struct.pack("<IIII", 0x90000090, 0xF9400E11, 0x91006210, 0xD61F0220)
    bti, nop = struct.pack("<I", 0xD503245F), struct.pack("<I", 0xD503201F)
    assert list(_jumps_arm64(entry, 0x1230, False)) == [(0x1230, 16, 0x11018)]
    assert list(_jumps_arm64(nop + bti + entry, 0x1230, False)) == [(0x1234, 20, 0x11018)]
    # adrp x16, -0x1000
    back = struct.pack("<I", 0xF0FFFFF0) + entry[4:]
    assert list(_jumps_arm64(back, 0x5000, False)) == [(0x5000, 16, 0x4018)]


def test_code_that_only_looks_like_a_table_has_no_names():
    code = (b"\xff\x25" + bytes(14)) * 16
    parts = [Part(b".plt", 0, 256), Part(b".rela.plt", 0, 256)]
    with opened(Elf([Sym("f", 512)], code, parts=parts).build()) as image:
        assert list(plt_entries(image)) == []
        assert SymbolTable(image).find(ImageAddress(TEXT_ADDRESS)) is None


def test_a_table_full_of_jumps_through_one_slot_is_read_quickly():
    size = 1 << 20
    code = b"".join(
        b"\xff\x25" + struct.pack("<i", -at - 6) + bytes(10) for at in range(0, size, 16)
    )
    # Elf64_Rela: the slot at the start of the code gets the address of symbol 1.
    relocation = struct.pack("<QQq", TEXT_ADDRESS, 1 << 32 | 7, 0)
    parts = [Part(b".plt", 0, size), Part(b".rela.plt", size, 24), Part(b".dynsym", size + 24, 48)]
    code += relocation + bytes(24) + struct.pack("<IBBHQQ", 1, 0x12, 0, 0, 0, 0)
    with opened(Elf([Sym("f", 1 << 30)], code, parts=parts).build()) as image:
        start = time.perf_counter()
        table = SymbolTable(image)
        assert time.perf_counter() - start < 2
        named = table.find(ImageAddress(TEXT_ADDRESS + 33))
    assert named
    assert named.name == "f@plt"
