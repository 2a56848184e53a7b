"""The instruction of a function at which a probe costs least.

Owns the x86-64 rules: the kernel emulates a few instructions under a breakpoint and single-steps
the rest, at 18 times the price (arch/x86/kernel/uprobes.c: push_setup_xol_ops,
branch_setup_xol_ops). Pure: bytes in, a choice out. Leaves reading the bytes to `plan`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.instructions import (
    NUMBERS,
    copied,
    disassembled,
    disassembler,
    is_emulated,
    written,
)

MOST_CODE = 64 << 10
"""Bytes of a function that are decoded; glibc's largest of the family has 1.3 KiB."""
_MOST_PROLOGUE = 64  # a candidate this far in has never been seen

Cost = Literal["emulated", "single-stepped", "unknown"]

# Where the caller puts arguments (System V ABI for x86-64, 3.2.3).
_ARGUMENTS: Final = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
# capstone 5 puts these in no group (ud2) or knows no register that they write (enter).
_ENDS: Final = frozenset({"ud2", "ud1", "ud0", "hlt", "int3", "enter"})
_ENDING_GROUPS: Final = frozenset({"jump", "call", "ret", "iret", "int", "branch_relative"})


@dataclass(frozen=True, slots=True)
class Choice:
    """The instruction `offset` bytes into a function, its text, its price, and why that one.

    `starts`: where the instructions up to and with it start; `end`: where it ends, 0 if not known.
    `registers`: by the number of an argument that of the register in which it is there, if that is
    known; else it is where the caller has put it.
    """

    offset: int
    instruction: str
    cost: Cost
    reason: str
    starts: tuple[int, ...] = (0,)
    end: int = 0
    registers: tuple[tuple[int, int], ...] = ()

    @property
    def emulated(self) -> bool:
        return self.cost == "emulated"


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction of the entry block, and the registers it writes, by their whole names.

    `copies`: of a plain move the registers (to, from).
    """

    offset: int
    code: bytes
    text: str
    writes: frozenset[str]
    ends: bool
    copies: tuple[str, str] | None = None

    @property
    def emulated(self) -> bool:
        return is_emulated(self.code)


def choose(
    code: bytes,
    address: ImageAddress,
    machine: str,
    arguments: Collection[int],
    targets: Collection[ImageAddress] = (),
    whole: bool = True,
) -> Choice:
    """The cheapest instruction at which `arguments` and the stack pointer are still the caller's.

    `code` is the function from its first byte at `address`; `whole` says that nothing of it is
    missing. `targets`: places known to be entered from elsewhere, other symbols for instance.
    The first byte where nothing better is safe. Never raises on any bytes.
    """
    if machine != "x86_64":
        numbers = tuple((number, number) for number in arguments)  # x0 to x7 (AAPCS64, 6.8.2)
        return Choice(0, "", "unknown", f"not decoded on {machine}", registers=numbers)
    steps = list(_entry_block(code, address))
    if not steps:
        why = "the first instruction cannot be decoded"
        return Choice(0, "", "single-stepped", why, registers=_passed(arguments))
    first, passed = steps[0], _passed(arguments)
    if first.emulated:
        return _choice(steps, first, "emulated", "first instruction is emulated", passed)
    step, obstacle, registers = _first_emulated(steps, arguments)
    if step is not None:
        obstacle = _entered_before(step.offset, code, address, targets, whole)
        if not obstacle:
            skipped = ", ".join(f"`{s.text.split()[0]}`" for s in steps[: steps.index(step)][:3])
            reason = f"moved {step.offset} bytes: {skipped} would be single-stepped"
            return _choice(steps, step, "emulated", reason, registers)
    return _choice(steps, first, "single-stepped", f"single-stepped: {obstacle}", passed)


_Registers = tuple[tuple[int, int], ...]


def _choice(
    steps: list[_Step], step: _Step, cost: Cost, reason: str, registers: _Registers
) -> Choice:
    starts = tuple(before.offset for before in steps[: steps.index(step) + 1])
    end = step.offset + len(step.code)
    return Choice(step.offset, step.text, cost, reason, starts, end, registers)


def _passed(arguments: Collection[int]) -> _Registers:
    """Where the caller has put them."""
    return tuple((number, NUMBERS[_ARGUMENTS[number]]) for number in arguments)


def _first_emulated(
    steps: list[_Step], arguments: Collection[int]
) -> tuple[_Step | None, str, _Registers]:
    """The first emulated step up to which the arguments are in registers, or why there is none."""
    held = {number: {_ARGUMENTS[number]} for number in arguments}
    for step in steps:
        if step.emulated:
            return step, "", tuple((n, NUMBERS[_first(n, held[n])]) for n in arguments)
        if step.ends:
            break
        if "rsp" in step.writes:
            return None, "the stack pointer moves before the first emulated instruction", ()
        for number, names in held.items():
            held[number] = names - step.writes
            if step.copies is not None and step.copies[1] in names:
                held[number].add(step.copies[0])
        if not all(held.values()):
            return None, "an argument is overwritten before the first emulated instruction", ()
    return None, "no emulated instruction up to the first branch", ()


def _first(number: int, names: set[str]) -> str:
    """Where the caller has put the argument, if it is still there."""
    return _ARGUMENTS[number] if _ARGUMENTS[number] in names else min(names)


def _entered_before(
    offset: int,
    code: bytes,
    address: ImageAddress,
    targets: Collection[ImageAddress],
    whole: bool,
) -> str:
    """Why something may jump behind the entry and at or before `offset`; "" where nothing does."""
    if any(0 < target - address <= offset for target in targets):
        return "another function starts inside its first instructions"
    if not whole:
        return "the function is too long to look for branches back to its start"
    decoded = 0
    for start, size, mnemonic, operand in disassembler(detail=False).disasm_lite(code, address):
        decoded = start + size - address
        if not _is_branch(mnemonic):
            continue
        if operand.startswith("0x"):
            if 0 < int(operand, 16) - address <= offset:
                return "a branch inside the function lands on or before the emulated instruction"
        # Through the GOT it leaves the function; through a register it may be a jump table.
        elif "rip" not in operand:
            return "a computed jump inside the function may land anywhere"
    if decoded != len(code):
        return "the function cannot be decoded to its end"
    return ""


def _is_branch(mnemonic: str) -> bool:
    """Whether it may jump within the function: jmp, jcc, loop, xbegin, with prefixes; no call."""
    return mnemonic.rsplit(maxsplit=1)[-1].startswith(("j", "loop", "xbegin"))


def _entry_block(code: bytes, address: ImageAddress) -> Iterator[_Step]:
    """The instructions up to and with the first that can go elsewhere, at most 64 bytes."""
    for insn in disassembled(code[:_MOST_PROLOGUE], address):
        writes = written(insn)
        if writes is None:
            return
        groups = {insn.group_name(group) for group in insn.groups}
        ends = bool(groups & _ENDING_GROUPS) or insn.mnemonic.split()[-1] in _ENDS
        text = f"{insn.mnemonic} {insn.op_str}".strip()
        offset = insn.address - address
        yield _Step(offset, bytes(insn.bytes), text, writes, ends, copied(insn))
        if ends:
            return
