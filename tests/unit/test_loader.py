"""Which function of which file tells that a program's libraries are mapped."""

import struct
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.errors import TargetGone
from ebpftrace.target.loader import Loader, loader_of
from tests.unit.elf_builder import OBJECT, TEXT_ADDRESS, TEXT_OFFSET, Elf, Sym
from tests.unit.space_builders import BASE, mapping, module_of

TELLS = Sym("_dl_debug_state", 0x40)
STATE = Sym("_r_debug", 0x900, kind=OBJECT)
PROGRAM, LOADER = "/bin/prog", "/lib/ld.so"


def found(*files: tuple[str, Elf], at_exec: bool = True) -> Loader | None:
    """In a process of PROGRAM with these files mapped one after the other, all told by their path."""
    with ExitStack() as undo:
        modules = [
            undo.enter_context(module_of(elf, mapping(BASE + (n << 20), path=path, inode=n + 1)))
            for n, (path, elf) in enumerate(files)
        ]
        process: Any = SimpleNamespace(exe=PROGRAM)
        return loader_of(process, modules, at_exec=at_exec)


def test_the_loader_that_is_mapped_tells():
    loader = found((PROGRAM, Elf()), (LOADER, Elf([TELLS, STATE], interpreter=False)))
    assert loader is not None
    assert loader.module.name == LOADER
    assert loader.offset == TEXT_OFFSET + 0x40
    load_bias = BASE + (1 << 20) - TEXT_ADDRESS
    assert loader.state == load_bias + TEXT_ADDRESS + 0x900 + 24  # r_state of struct r_debug


def test_without_its_variable_it_is_believed_at_its_word():
    loader = found((PROGRAM, Elf()), (LOADER, Elf([TELLS])))
    assert loader is not None
    assert loader.state is None
    assert loader.has_mapped(SimpleNamespace(memory=None))  # type: ignore[arg-type]


def test_a_program_linked_statically_has_the_function_and_no_loader():
    assert found((PROGRAM, Elf([TELLS, STATE], interpreter=False))) is None


def test_a_program_linked_statically_tells_of_what_it_loads_later():
    loader = found((PROGRAM, Elf([TELLS, STATE], interpreter=False)), at_exec=False)
    assert loader is not None
    assert loader.module.name == PROGRAM


def test_what_is_named_like_a_loader_is_asked_before_other_libraries():
    files = ((PROGRAM, Elf()), ("/lib/liba.so", Elf([TELLS])), ("/lib/ld-musl.so.1", Elf([TELLS])))
    loader = found(*files, at_exec=False)
    assert loader is not None
    assert loader.module.name == "/lib/ld-musl.so.1"


def test_a_loader_that_is_started_as_the_program_tells():
    started = Elf([TELLS, STATE], interpreter=False, soname="ld.so")
    loader = found((PROGRAM, started))
    assert loader is not None
    assert loader.module.name == PROGRAM


def test_the_program_s_own_function_of_that_name_is_not_asked():
    assert found((PROGRAM, Elf([TELLS, STATE]))) is None
    loader = found((PROGRAM, Elf([TELLS, STATE])), (LOADER, Elf([TELLS])))
    assert loader is not None
    assert loader.module.name == LOADER


def test_a_loader_of_another_kind_tells_nothing():
    assert found((PROGRAM, Elf()), (LOADER, Elf([Sym("_start")]))) is None
    assert found((PROGRAM, Elf())) is None
    assert found() is None


@pytest.mark.parametrize(
    "memory, mapped",
    [
        (struct.pack("<i", 0), True),  # RT_CONSISTENT
        (struct.pack("<i", 1), False),  # RT_ADD
        (struct.pack("<i", 2), False),  # RT_DELETE
        (b"\1", True),
        (TargetGone("It has ended."), True),
    ],
)
def test_it_has_mapped_them_when_its_state_is_consistent(memory, mapped):
    loader = found((PROGRAM, Elf()), (LOADER, Elf([TELLS, STATE])))
    assert loader is not None
    state = loader.state

    def read(address: int, length: int) -> bytes:
        assert (address, length) == (state, 4)
        if isinstance(memory, Exception):
            raise memory
        return bytes(memory)

    assert loader.has_mapped(SimpleNamespace(memory=read)) is mapped  # type: ignore[arg-type]
