import os
import shutil
from pathlib import Path

import pytest

from tests.unit.debug_builders import (
    CHAIN,
    SOURCE,
    TAIL,
    Asking,
    at,
    build,
    run,
    stripped,
    written,
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("debug") / "program", "-g")


def chain(ask: Asking, path: Path, **options):
    return ask.chain(path, at(path, *TAIL), **options)


def test_inlined_functions_come_with_qualified_names_lines_and_columns(ask, program):
    assert chain(ask, program) == CHAIN
    assert {place[2] for place in ask.find([at(program, *TAIL)])[0]} == {str(SOURCE)}


def test_a_function_in_an_anonymous_namespace_has_its_linkage_name(ask, program):
    assert ask.chain(program, at(program, "hidden", "jmp")) == [
        ("_ZN3app12_GLOBAL__N_16hiddenEj", "hidden", 9, 23)
    ]


def test_what_was_split_off_a_function_is_named_by_its_symbol(ask, program):
    (place,) = ask.chain(program, at(program, "rarely", "call"))
    assert place == ("_ZN3app6rarelyEjPi.cold", "rarely", 34, 15)


@pytest.mark.parametrize(
    "flags",
    [["-gdwarf-4"], ["-gdwarf-5"], ["-gz=zlib"], ["-no-pie"], ["-gdwarf-4", "-gz=zlib"]],
    ids=" ".join,
)
def test_every_form_of_the_debug_information_says_the_same(ask, tmp_path, flags):
    path = build(tmp_path / "program", "-g", *flags)
    assert chain(ask, path) == CHAIN
    if "-no-pie" in flags:
        assert at(path, *TAIL) > 0x400000


def test_without_aranges_as_clang_writes_it_nothing_is_missing(ask, program, tmp_path):
    bare = tmp_path / "bare"
    run("objcopy", "-R", ".debug_aranges", program, bare)
    assert ".debug_aranges" not in run("readelf", "-SW", bare)
    assert ask.chain(bare, at(program, *TAIL)) == CHAIN


def test_a_dwo_beside_gives_lines_and_plain_names_but_no_linkage_names(ask, folder):
    unit = folder / "unit.o"
    build(unit, "-g", "-gsplit-dwarf", "-c")
    path = folder / "program"
    run("g++", "-o", path, unit)
    address = at(path, *TAIL)
    expected = [(None, plain, line, column) for _, plain, line, column in CHAIN[:-1]]
    assert ask.chain(path, address) == [*expected, CHAIN[-1]]
    unit.with_suffix(".dwo").unlink()
    symbol = CHAIN[-1][0]
    assert ask.chain(path, address) == [(symbol, symbol, 17, 22)]


def test_c_has_no_linkage_names_and_its_inlined_functions_are_told_apart(ask, tmp_path):
    source = written(
        tmp_path / "c.c",
        "#include <stdlib.h>\n"
        "static inline __attribute__((always_inline)) void *inner(unsigned n)\n"
        '{ __asm__ volatile(""); return malloc(n); }\n'
        "void *outer(unsigned n) { return inner(n + 1); }\n"
        "int main(int n, char **v) { return outer(n) == 0; }\n",
    )
    path = build(tmp_path / "c", "-g", source=source)
    assert ask.chain(path, at(path, "outer", "jmp")) == [
        (None, "inner", 3, 32),
        ("outer", "outer", 4, 34),
    ]


def test_a_program_of_two_units_has_each_place_in_its_own_file(ask, tmp_path):
    written(tmp_path / "other.c", "#include <stdlib.h>\nvoid *other(int n) { return malloc(n); }\n")
    source = written(
        tmp_path / "one.c",
        "#include <stdlib.h>\n\n\nvoid *one(int n) { return malloc(n); }\n"
        "int main(int n, char **v) { return one(n) == 0; }\n",
    )
    path = build(tmp_path / "two", "-g", "other.c", source=source)
    ask.open(path)
    found = ask.find([at(path, "<one>", "jmp"), at(path, "<other>", "jmp")])
    assert [(place[2].rpartition("/")[2], place[3]) for (place,) in found] == [
        ("one.c", 4),
        ("other.c", 2),
    ]


def test_without_debug_information_there_is_none_and_nothing_to_refuse(ask, program, tmp_path):
    bare = tmp_path / "bare"
    run("strip", "-o", bare, program)
    for path in (bare, build(tmp_path / "nog")):
        opened = ask.open(path)
        assert (opened.has_debug_info, opened.refused, opened.unanswered) == (False, (), None)


def test_a_unit_without_lines_is_named_by_the_symbol_table_of_the_debug_file(ask, folder):
    bare = written(
        folder / "bare.c", "#include <stdlib.h>\nvoid *bare(int n) { return malloc(n); }\n"
    )
    unit = build(folder / "bare.o", "-c", source=bare)
    path = build(folder / "mixed", "-g", str(unit))
    address = at(path, "<bare>", "jmp")
    stripped(path, folder / "mixed.debug")
    assert ask.chain(path, address) == [("bare", None, None, None)]


def test_addresses_that_no_function_covers_say_nothing(ask, program):
    ask.open(program)
    assert ask.find([0, 1, 0x7FFF_FFFF_FFFF, (1 << 64) - 1]) == [[]] * 4


def test_a_path_in_an_old_encoding_costs_lines_but_neither_names_nor_other_units(ask, tmp_path):
    folder = Path(str(tmp_path), os.fsdecode(b"jos\xe9"))
    folder.mkdir()
    source = folder / SOURCE.name
    shutil.copy(SOURCE, source)
    written(tmp_path / "other.c", "#include <stdlib.h>\nvoid *other(int n) { return malloc(n); }\n")
    run("gcc", "-O2", "-g", "-c", "other.c", cwd=tmp_path)
    path = build(tmp_path / "latin", "-g", "other.o", source=source)
    assert chain(ask, path) == [(linkage, None, None, None) for linkage, *_ in CHAIN]
    assert ask.find([at(path, "<other>", "jmp")])[0][0][3] == 2


def test_a_symbol_in_an_old_encoding_leaves_the_name_of_the_debug_information(ask, tmp_path):
    source = written(
        tmp_path / "c.c",
        "#include <stdlib.h>\nvoid *cafe(int n) { return malloc(n); }\nint main(void) { }\n",
    )
    path = build(tmp_path / "c", "-g", source=source)
    address = at(path, "<cafe>", "jmp")
    run("objcopy", "--redefine-sym", "cafe=" + os.fsdecode(b"caf\xe9"), path)
    assert ask.chain(path, address) == [(None, "cafe", 2, 28)]


@pytest.mark.skipif(shutil.which("clang++") is None, reason="clang is not installed")
def test_clang_says_the_same_names_and_lines(ask, tmp_path):
    path = tmp_path / "program"
    run("clang++", "-O2", "-g", "-w", "-o", path, SOURCE)
    found = chain(ask, path)
    assert [row for _, _, row, _ in found] == [row for _, _, row, _ in CHAIN]


def test_a_program_that_only_its_owner_may_read_has_all_its_names(ask, program, tmp_path):
    own = tmp_path / "own"
    shutil.copy(program, own)
    own.chmod(0o700)
    tmp_path.chmod(0o700)
    assert chain(ask, own) == CHAIN
