import os
from pathlib import Path

import capstone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.probes.decode import Choice, choose
from ebpftrace.probes.families import FUNCTIONS
from ebpftrace.target.elf import ElfImage

AT = ImageAddress(0x401000)
LIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")

# Instructions by what they are, with a name a test can say.
PUSH_RBP, PUSH_R12, RET = "55", "41 54", "c3"
TEST_RDI = "48 85 ff"
CMP_MEM = "80 3d 01 02 14 00 00"
JE_OUT = "0f 84 00 10 00 00"
ENDBR64 = "f3 0f 1e fa"


def pick(*code: str, arguments=(0,), **options) -> Choice:
    return choose(bytes.fromhex(" ".join(code)), AT, "x86_64", arguments, **options)


def test_an_emulated_first_instruction_is_taken():
    why = "first instruction is emulated"
    assert pick(PUSH_R12, RET) == Choice(0, "push r12", "emulated", why, (0,), 2, ((0, 7),))


def test_a_probe_moves_to_the_branch_behind_a_test():
    choice = pick(TEST_RDI, JE_OUT, PUSH_RBP, RET)
    assert (choice.offset, choice.emulated) == (3, True)
    assert choice.reason == "moved 3 bytes: `test` would be single-stepped"


def test_a_probe_moves_to_the_push_behind_a_compare_with_memory():
    assert pick(CMP_MEM, PUSH_R12, RET, arguments=(0, 2)).offset == 7


def test_a_probe_moves_past_endbr64():
    choice = pick(ENDBR64, PUSH_RBP, RET)
    assert (choice.offset, choice.instruction) == (4, "push rbp")
    assert pick(ENDBR64, TEST_RDI, JE_OUT, RET).offset == 7


@pytest.mark.parametrize(
    "code",
    [
        "90",
        "66 90",
        "50",
        "57",
        "41 57",
        "e8 00 00 00 00",
        "e9 00 00 00 00",
        "eb 00",
        "70 00",
        "7f 00",
        "0f 80 00 00 00 00",
        "0f 8f 00 00 00 00",
    ],
)
def test_what_the_kernel_emulates_counts_as_emulated(code):
    assert pick(code, RET).emulated


@pytest.mark.parametrize(
    "code",
    [
        ENDBR64,
        "48 55",  # push %rbp with REX.W: the kernel knows REX.B alone
        "ff f5",  # push %rbp in its long form
        "41 90",  # xchg %r8d, %eax, though its last byte is nop's
        "0f 1f 00",  # a long nop: from 6.18 on only
        "2e 74 00",  # je with a branch hint: the kernel refuses segment prefixes
        "66 e9 00 00 00 00",  # a branch with an operand size: refused too
        "e3 00",  # jrcxz
        "6a 00",  # push of a constant
        "c3",
        "ff e0",  # jmp *%rax
    ],
)
def test_what_the_kernel_single_steps_does_not(code):
    choice = pick(code, RET)
    assert (choice.offset, choice.cost) == (0, "single-stepped")


@pytest.mark.parametrize(
    "code",
    [
        "48 89 f7",  # mov %rsi, %rdi
        "31 ff",  # xor %edi, %edi: a part of the register, and all of it
        "40 b7 01",  # mov $1, %dil
        "48 87 c7",  # xchg %rax, %rdi
        "48 8d 7f 10",  # lea 0x10(%rdi), %rdi
        "a4",  # movsb: advances %rdi, implicitly
        "f3 48 ab",  # rep stosq
        "5f",  # pop %rdi
    ],
)
def test_a_probe_never_moves_past_a_change_of_an_argument_it_reads(code):
    choice = pick(code, PUSH_RBP, RET)
    assert choice.offset == 0
    assert "overwritten" in choice.reason or "stack pointer" in choice.reason


@pytest.mark.parametrize("code", ["48 f7 e6", "48 f7 f6", "0f 31", "0f a2", "48 99", "0f 01 d0"])
def test_registers_written_implicitly_count(code):
    """mul, div, rdtsc, cpuid, cqo and xgetbv write %rdx without naming it."""
    assert pick(code, PUSH_RBP, RET, arguments=(2,)).offset == 0
    assert pick(code, PUSH_RBP, RET, arguments=(0,)).offset > 0


@pytest.mark.parametrize(
    "code", ["48 83 ec 10", "48 8d 64 24 f8", "8f c0", "c9", "5c", "c8 10 00 00", "9c"]
)
def test_a_probe_never_moves_past_a_change_of_the_stack_pointer(code):
    assert pick(code, PUSH_RBP, RET).offset == 0


@pytest.mark.parametrize("end", [RET, "ff e0", "ff d0", "0f 05", "cd 80", "0f 0b", "f4", "cc"])
def test_a_probe_never_lands_behind_the_first_branch(end):
    choice = pick(TEST_RDI, end, PUSH_RBP, RET)
    assert (choice.offset, choice.reason) == (
        0,
        "single-stepped: no emulated instruction up to the first branch",
    )


@pytest.mark.parametrize(
    "loop, why",
    [
        ("eb fb", "a branch inside the function lands"),  # jmp to the je at +3
        ("75 fa", "a branch inside the function lands"),  # into the middle of the test
        ("e2 fb", "a branch inside the function lands"),  # loop to the je
        ("ff e0", "a computed jump"),
        ("3e ff e0", "a computed jump"),  # notrack: a jump table
        ("ff 24 c5 00 00 00 00", "a computed jump"),
    ],
)
def test_a_probe_never_lands_behind_a_branch_target(loop, why):
    choice = pick(TEST_RDI, "74 01", RET, loop, RET)
    assert choice.offset == 0
    assert why in choice.reason


def test_a_branch_to_the_very_entry_moves_nothing():
    assert pick(TEST_RDI, "74 02", "eb f9", RET).offset == 3


def test_a_tail_call_through_the_got_is_no_computed_jump():
    assert pick(TEST_RDI, "74 06", "ff 25 00 00 00 00", RET).offset == 3


def test_a_symbol_inside_the_first_instructions_keeps_the_probe_at_the_entry():
    assert pick(TEST_RDI, JE_OUT, RET, targets=[ImageAddress(AT + 3)]).offset == 0
    assert pick(TEST_RDI, JE_OUT, RET, targets=[ImageAddress(AT + 9)]).offset == 3


def test_a_function_not_seen_whole_keeps_the_probe_at_the_entry():
    assert pick(TEST_RDI, JE_OUT, RET, whole=False).offset == 0
    assert pick(TEST_RDI, JE_OUT, RET, "06").offset == 0  # 06 is no instruction in 64 bits


def test_what_cannot_be_decoded_is_probed_at_its_first_byte_with_a_reason():
    assert "cannot be decoded" in pick("06").reason
    assert "cannot be decoded" in choose(b"", AT, "x86_64", (0,)).reason


def test_other_machines_are_probed_at_the_first_byte():
    choice = choose(b"\x1f\x20\x03\xd5", AT, "aarch64", (0,))
    assert (choice.offset, choice.cost) == (0, "unknown")
    assert choice.reason == "not decoded on aarch64"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64), st.sampled_from(sorted(FUNCTIONS)), st.integers(0, (1 << 64) - 1))
def test_any_bytes_give_an_instruction_boundary_inside_them(code, number, address):
    choice = choose(code, ImageAddress(address), "x86_64", FUNCTIONS[number].arguments)
    assert 0 <= choice.offset < max(1, len(code))
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    starts = [at - address for at, *_ in disassembler.disasm_lite(code, address)]
    assert choice.offset in [0, *starts]
    assert choice.emulated or choice.offset == 0


@pytest.mark.skipif(
    not LIBC.exists() or b"2.36-9+deb12" not in LIBC.read_bytes(), reason="not Debian's glibc 2.36"
)
@pytest.mark.parametrize(
    "name, offset, instruction",
    [
        ("malloc", 0, "push r12"),
        ("calloc", 0, "push r13"),
        ("realloc", 0, "push r15"),
        ("free", 3, "je 0x98fb8"),
        ("posix_memalign", 7, "push r12"),
        ("aligned_alloc", 7, "je 0x99620"),
        # Its product is in %rdx and its size in %rsi before anything is emulated.
        ("reallocarray", 0, "mov rax, rsi"),
    ],
)
def test_debian_glibc_is_probed_where_it_was_measured(name, offset, instruction):
    fd = os.open(LIBC, os.O_RDONLY)
    try:
        image = ElfImage.open(fd)
        symbol = image.symbols({name})[0]
        start = image.file_offset(symbol.value)
        code = image.read(FileOffset(start or 0), symbol.size)
    finally:
        os.close(fd)
    (arguments,) = {f.arguments for f in FUNCTIONS.values() if f.name == name}
    choice = choose(code, symbol.value, image.machine, arguments)
    assert (choice.offset, choice.instruction) == (offset, instruction)
