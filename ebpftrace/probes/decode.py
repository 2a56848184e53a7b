"""The instruction of a function at which a probe costs least.

Owns the x86-64 rules: the kernel emulates a few instructions under a breakpoint and single-steps
the rest, at 18 times the price (arch/x86/kernel/uprobes.c: push_setup_xol_ops,
branch_setup_xol_ops). Pure: bytes in, a choice out. Leaves reading the bytes to `plan`.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from ebpftrace.model.ids import ImageAddress

if TYPE_CHECKING:
    import capstone

MOST_CODE = 64 << 10
"""Bytes of a function that are decoded; glibc's largest of the family has 1.3 KiB."""
_MOST_PROLOGUE = 64  # a candidate this far in has never been seen

Cost = Literal["emulated", "single-stepped", "unknown"]

# Names of a register's parts as capstone writes them: writing any of them changes the argument.
_ARGUMENTS: Final = (
    frozenset({"rdi", "edi", "di", "dil"}),
    frozenset({"rsi", "esi", "si", "sil"}),
    frozenset({"rdx", "edx", "dx", "dl", "dh"}),
    frozenset({"rcx", "ecx", "cx", "cl", "ch"}),
    frozenset({"r8", "r8d", "r8w", "r8b"}),
    frozenset({"r9", "r9d", "r9w", "r9b"}),
)
_STACK_POINTER: Final = frozenset({"rsp", "esp", "sp", "spl"})
# capstone 5 puts these in no group (ud2) or knows no register that they write (enter).
_ENDS: Final = frozenset({"ud2", "ud1", "ud0", "hlt", "int3", "enter"})
_ENDING_GROUPS: Final = frozenset({"jump", "call", "ret", "iret", "int", "branch_relative"})
# One-byte push of a register, with REX.B alone; nop and xchg %ax,%ax; call, jmp, jcc by an offset.
# A 66 or segment prefix makes the kernel refuse a branch, another REX makes it single-step a push.
_EMULATED: Final = re.compile(
    rb"(?:\x41?[\x50-\x57]|\x66?\x90|[\xe8\xe9].{4}|[\xeb\x70-\x7f].|\x0f[\x80-\x8f].{4})",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The instruction `offset` bytes into a function, its text, its price, and why that one.

    `starts`: where the instructions up to and with it start; `end`: where it ends, 0 if not known.
    """

    offset: int
    instruction: str
    cost: Cost
    reason: str
    starts: tuple[int, ...] = (0,)
    end: int = 0

    @property
    def emulated(self) -> bool:
        return self.cost == "emulated"


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction of the entry block and the registers it writes."""

    offset: int
    code: bytes
    text: str
    writes: frozenset[str]
    ends: bool

    @property
    def emulated(self) -> bool:
        return _EMULATED.fullmatch(self.code) is not None


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
        return Choice(0, "", "unknown", f"not decoded on {machine}")
    steps = list(_entry_block(code, address))
    if not steps:
        return Choice(0, "", "single-stepped", "the first instruction cannot be decoded")
    first = steps[0]
    if first.emulated:
        return _choice(steps, first, "emulated", "first instruction is emulated")
    step, obstacle = _first_emulated(steps, arguments)
    if step is not None:
        obstacle = _entered_before(step.offset, code, address, targets, whole)
        if not obstacle:
            skipped = ", ".join(f"`{s.text.split()[0]}`" for s in steps[: steps.index(step)][:3])
            reason = f"moved {step.offset} bytes: {skipped} would be single-stepped"
            return _choice(steps, step, "emulated", reason)
    return _choice(steps, first, "single-stepped", f"single-stepped: {obstacle}")


def _choice(steps: list[_Step], step: _Step, cost: Cost, reason: str) -> Choice:
    starts = tuple(before.offset for before in steps[: steps.index(step) + 1])
    return Choice(step.offset, step.text, cost, reason, starts, step.offset + len(step.code))


def _first_emulated(steps: list[_Step], arguments: Collection[int]) -> tuple[_Step | None, str]:
    """The first emulated step that sees the registers as the caller left them, or why none."""
    kept = frozenset().union(*(_ARGUMENTS[number] for number in arguments))
    for step in steps:
        if step.emulated:
            return step, ""
        if step.ends:
            break
        if step.writes & _STACK_POINTER:
            return None, "the stack pointer moves before the first emulated instruction"
        if step.writes & kept:
            return None, "an argument is overwritten before the first emulated instruction"
    return None, "no emulated instruction up to the first branch"


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
    for start, size, mnemonic, operand in _disassembler(detail=False).disasm_lite(code, address):
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
    import capstone

    for insn in _disassembler(detail=True).disasm(code[:_MOST_PROLOGUE], address):
        try:
            writes = frozenset(insn.reg_name(register) for register in insn.regs_access()[1])
        except capstone.CsError:
            return
        groups = {insn.group_name(group) for group in insn.groups}
        ends = bool(groups & _ENDING_GROUPS) or insn.mnemonic.split()[-1] in _ENDS
        text = f"{insn.mnemonic} {insn.op_str}".strip()
        yield _Step(insn.address - address, bytes(insn.bytes), text, writes, ends)
        if ends:
            return


def _disassembler(detail: bool) -> "capstone.Cs":
    # Not at the top: importing capstone takes 50-90 ms, and reading a snapshot never needs it.
    import capstone

    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.detail = detail
    return disassembler
