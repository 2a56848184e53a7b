"""Functions that are defined within a namespace, as rustc and clang write them, have their inlined ones.

gcc writes them beside it, so the debug information is written here, in assembler.
"""

import os
import subprocess
from pathlib import Path

import pytest

from ebpftrace.symbols.resolver.linkage import LinkageNames
from ebpftrace.symbols.resolver.module import DebugModule
from ebpftrace.target.elf import ElfImage

ASSEMBLER = r"""
        .text
        .file   1 "/src/app.rs"
        .file   2 "/src/vec.rs"
        .globl  _RNvC3app4keep
        .type   _RNvC3app4keep, %function
_RNvC3app4keep:
        .loc    1 20 1
        nop
        .loc    2 7 5
.Linlined:
        nop
        nop
.Linlined_end:
        .loc    1 22 2
        nop
.Lend:
        .size   _RNvC3app4keep, . - _RNvC3app4keep

        .section .debug_abbrev,"",%progbits
        .uleb128 1, 0x11; .byte 1       /* compile_unit, with children */
        .uleb128 0x03, 0x08             /* name: string */
        .uleb128 0x13, 0x0b             /* language: data1 */
        .uleb128 0x10, 0x17             /* stmt_list: sec_offset */
        .uleb128 0x11, 0x01             /* low_pc: addr */
        .uleb128 0x12, 0x06             /* high_pc: data4, a length */
        .uleb128 0, 0
        .uleb128 2, 0x39; .byte 1       /* namespace, with children */
        .uleb128 0x03, 0x08             /* name: string */
        .uleb128 0, 0
        .uleb128 3, 0x2e; .byte 0       /* subprogram, abstract */
        .uleb128 0x6e, 0x08             /* linkage_name: string */
        .uleb128 0x20, 0x0b             /* inline: data1 */
        .uleb128 0, 0
        .uleb128 4, 0x2e; .byte 1       /* subprogram, with children */
        .uleb128 0x6e, 0x08             /* linkage_name: string */
        .uleb128 0x11, 0x01             /* low_pc */
        .uleb128 0x12, 0x06             /* high_pc */
        .uleb128 0, 0
        .uleb128 5, 0x1d; .byte 0       /* inlined_subroutine */
        .uleb128 0x31, 0x13             /* abstract_origin: ref4 */
        .uleb128 0x11, 0x01             /* low_pc */
        .uleb128 0x12, 0x06             /* high_pc */
        .uleb128 0x58, 0x0b             /* call_file: data1 */
        .uleb128 0x59, 0x0b             /* call_line: data1 */
        .uleb128 0x57, 0x0b             /* call_column: data1 */
        .uleb128 0, 0
        .byte   0

        .section .debug_info,"",%progbits
.Lunit:
        .4byte  .Lunit_end - .Lversion
.Lversion:
        .2byte  4                       /* DWARF 4 */
        .4byte  0                       /* its abbreviations */
        .byte   8                       /* bytes of an address */
        .uleb128 1
        .asciz  "app"
        .byte   0x1c                    /* DW_LANG_Rust */
        .4byte  .Lline
        .8byte  _RNvC3app4keep
        .4byte  .Lend - _RNvC3app4keep
        .uleb128 2
        .asciz  "outer"
        .uleb128 2
        .asciz  "app"
.Lorigin:
        .uleb128 3
        .asciz  "_RNvC3vec4push"
        .byte   1                       /* DW_INL_inlined */
        .uleb128 4
        .asciz  "_RNvC3app4keep"
        .8byte  _RNvC3app4keep
        .4byte  .Lend - _RNvC3app4keep
        .uleb128 5
        .4byte  .Lorigin - .Lunit
        .8byte  .Linlined
        .4byte  .Linlined_end - .Linlined
        .byte   1                       /* /src/app.rs */
        .byte   21
        .byte   9
        .byte   0, 0, 0, 0              /* ends of subprogram, namespaces, unit */
.Lunit_end:
        .section .debug_line,"",%progbits
.Lline:
"""
INLINED, OUTER = ("_RNvC3vec4push", None, "/src/vec.rs", 7, 5), ("_RNvC3app4keep", None)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("namespaces")
    (folder / "app.s").write_text(ASSEMBLER)
    command = ["gcc", "-shared", "-nostdlib", "-o", "app.so", "app.s"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "app.so"


def start_of(library: Path) -> int:
    with library.open("rb") as file:
        symbols = ElfImage.open(file.fileno()).symbols({"_RNvC3app4keep"})
        (start,) = {symbol.value for symbol in symbols}
    return start


def test_an_inlined_function_is_a_place_of_its_own(library: Path):
    module = DebugModule(str(library), [os.open(library, os.O_RDONLY)], None, debuginfod=False)
    start = start_of(library)
    instruction = 4 if os.uname().machine == "aarch64" else 1
    inlined = module.places(start + instruction)
    around = module.places(start)
    module.close()
    assert inlined == [INLINED, (*OUTER, "/src/app.rs", 21, 9)]
    assert [place[0] for place in around] == ["_RNvC3app4keep"]
    assert [place[2:4] for place in around] == [("/src/app.rs", 20)]


def test_outside_of_every_function_there_is_nothing(library: Path):
    with library.open("rb") as file:
        names = LinkageNames(file.fileno())
        start = start_of(library)
        assert names.names(start) == ["_RNvC3app4keep"]
        assert names.names(start - 1) == []
        assert names.calls(start - 1) == []
        assert names.names(start + 64) == []
        names.close()
