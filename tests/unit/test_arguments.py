"""Where an argument is by the instruction that is probed."""

import pytest

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.decode import Choice, choose

RDI, RSI, RDX, RAX = 7, 6, 2, 0
MOV_RSI_RDI = "48 89 fe"
MOV_RAX_RDI = "48 89 f8"
MOV_ESI_EDI = "89 fe"
LOAD_RDI = "64 48 8b 38"  # mov %fs:(%rax), %rdi
XOR_ESI = "31 f6"
JA_OUT = "0f 87 00 10 00 00"
RET = "c3"


def pick(*code: str, arguments=(0,)) -> Choice:
    return choose(bytes.fromhex(" ".join(code)), ImageAddress(0x1000), "x86_64", arguments)


def test_an_argument_that_was_moved_is_where_it_was_moved_to():
    # mi_malloc of mimalloc 2.0: its size is in %rsi when the first branch comes.
    choice = pick(MOV_RSI_RDI, LOAD_RDI, JA_OUT, RET)
    assert (choice.offset, choice.emulated) == (7, True)
    assert choice.registers == ((0, RSI),)


def test_an_argument_that_was_only_copied_is_where_the_caller_put_it():
    assert pick(MOV_RAX_RDI, JA_OUT, RET).registers == ((0, RDI),)


def test_a_copy_of_a_copy_is_followed():
    assert pick(MOV_RAX_RDI, LOAD_RDI, "48 89 c6", "31 c0", JA_OUT, RET).registers == ((0, RSI),)


@pytest.mark.parametrize("copy", [MOV_ESI_EDI, "48 8d 77 01"])
def test_half_a_register_and_a_sum_are_no_copy(copy):
    choice = pick(copy, LOAD_RDI, JA_OUT, RET)
    assert (choice.offset, choice.emulated) == (0, False)
    assert choice.registers == ((0, RDI),)


def test_a_copy_that_is_overwritten_is_none():
    assert not pick(MOV_RSI_RDI, LOAD_RDI, XOR_ESI, JA_OUT, RET).emulated


def test_each_argument_is_found_for_itself():
    choice = pick(MOV_RAX_RDI, LOAD_RDI, JA_OUT, RET, arguments=(0, 1, 2))
    assert choice.registers == ((0, RAX), (1, RSI), (2, RDX))


def test_an_argument_whose_register_gets_another_one_is_lost():
    # reallocarray of glibc 2.36 moves its arguments around; here the first is gone.
    assert not pick("48 89 f7", JA_OUT, RET, arguments=(0, 1)).emulated


def test_on_other_machines_arguments_are_numbered_registers():
    choice = choose(b"\0" * 16, ImageAddress(0), "aarch64", (0, 2))
    assert (choice.offset, choice.registers) == (0, ((0, 0), (2, 2)))
