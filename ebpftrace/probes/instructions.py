"""x86-64 instructions as capstone decodes them: which registers they write, what the kernel emulates.

Pure: bytes in, facts out. Bytes of a target are hostile, and nothing here raises on any.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ebpftrace.model.ids import ImageAddress

if TYPE_CHECKING:
    import capstone

# One-byte push of a register, with REX.B alone; nop and xchg %ax,%ax; call, jmp, jcc by an offset.
# A 66 or segment prefix makes the kernel refuse a branch, another REX makes it single-step a push.
_EMULATED: Final = re.compile(
    rb"(?:\x41?[\x50-\x57]|\x66?\x90|[\xe8\xe9].{4}|[\xeb\x70-\x7f].|\x0f[\x80-\x8f].{4})",
    re.DOTALL,
)

NUMBERS: Final[dict[str, int]] = {
    name: number
    for number, name in enumerate(("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"))
} | {f"r{number}": number for number in range(8, 16)}
"""Of the general registers, as instructions have them (Intel SDM, volume 2, table 3-1)."""


def _parts() -> Iterator[tuple[str, str]]:
    for name in ("rax", "rcx", "rdx", "rbx"):
        letter = name[1]
        yield from ((part, name) for part in (name, f"e{letter}x", f"{letter}x"))
        yield from ((part, name) for part in (f"{letter}l", f"{letter}h"))
    for name in ("rsp", "rbp", "rsi", "rdi"):
        end = name[1:]
        yield from ((part, name) for part in (name, f"e{end}", end, f"{end}l"))
    for number in range(8, 16):
        yield from ((f"r{number}{part}", f"r{number}") for part in ("", "d", "w", "b"))


_WHOLE: Final = dict(_parts())


def is_emulated(code: bytes) -> bool:
    """Does the kernel emulate the instruction under a breakpoint, instead of stepping through it?"""
    return _EMULATED.fullmatch(code) is not None


def disassembled(code: bytes, address: ImageAddress) -> Iterator["capstone.CsInsn"]:
    """The instructions of `code`, which lies at `address`, with details, to the first that is none."""
    return iter(disassembler(detail=True).disasm(code, address))


def written(insn: "capstone.CsInsn") -> frozenset[str] | None:
    """The general registers that `insn` writes a part of, by their whole names; None: not known."""
    import capstone

    try:
        changed = insn.regs_access()[1]
    except capstone.CsError:
        return None
    names = (insn.reg_name(register) for register in changed)
    return frozenset(_WHOLE[name] for name in names if name in _WHOLE)


def copied(insn: "capstone.CsInsn") -> tuple[str, str] | None:
    """Of a move of one whole register to another their names (to, from), else None."""
    if insn.mnemonic != "mov":
        return None
    to, _, source = insn.op_str.partition(", ")
    return (to, source) if to in NUMBERS and source in NUMBERS else None


def disassembler(*, detail: bool) -> "capstone.Cs":
    """For x86-64."""
    # Not at the top: importing capstone takes 50-90 ms, and reading a snapshot never needs it.
    import capstone

    made = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    made.detail = detail
    return made
