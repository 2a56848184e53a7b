"""The walk of `bpf/unwind.h` in Python: to the outermost frame of a stack of which a slice is kept.

It takes over where the kernel's walk met an address that had no rule yet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ebpftrace.model.ids import Address
from ebpftrace.unwind.rules import (
    END,
    FP_BY_FP,
    FROM_FP,
    GUESS,
    IN_LR,
    READ,
    SIGNAL,
    UNKNOWN,
    End,
    Rule,
)

_MASK = (1 << 64) - 1
_LOWEST_CODE = 0x1000


class Registers(NamedTuple):
    """Of one frame: where it returns to, and the stack and frame pointer after that return.

    `lr`: the link register where it is known, which is only so behind a signal frame.
    """

    pc: int
    sp: int
    fp: int
    lr: int | None = None


class Finished(NamedTuple):
    """`pcs`: the return addresses behind the first frame's, outward. `end`: an `End`. `guessed`:
    a frame on the way was a guess.
    """

    pcs: tuple[Address, ...]
    end: int
    guessed: bool


@dataclass(frozen=True, slots=True)
class _Machine:
    """Where the kernel's signal frame holds the registers, from the stack pointer on; what code
    addresses there are.
    """

    signal_fp: int
    signal_lr: int | None
    signal_sp: int
    signal_pc: int
    highest_code: int


# struct rt_sigframe of arch/x86/kernel/signal_64.c, whose first word `ret` has popped, and of
# arch/arm64/kernel/signal.c.
_X86_64: Final = _Machine(120, None, 160, 168, (1 << 47) - 1)
_AARCH64: Final = _Machine(544, 552, 560, 568, (1 << 48) - 1)


class _Stop(Exception):
    """The walk ends; `end` says how."""

    def __init__(self, end: End) -> None:
        super().__init__(end.name)
        self.end = end


def finish(
    start: Registers,
    word: Callable[[int], int | None],
    rule_of: Callable[[Address], Rule | None],
    most: int,
    machine: str,
) -> Finished:
    """Walk on from `start`, whose frame is known and its rule was missing, over at most `most`.

    `word` gives the u64 at an address, None where it is not kept; `rule_of` the rule of a return
    address, None or Rule(0) where there is none.
    """
    kind = _AARCH64 if machine == "aarch64" else _X86_64

    def read(address: int) -> int:
        value = word(address & _MASK)
        if value is None:
            raise _Stop(End.UNREADABLE)
        return value

    frame, guessed = start, False
    pcs: list[Address] = []
    try:
        while True:
            rule = rule_of(Address(frame.pc))
            if rule is None or not rule.how:
                raise _Stop(End.NO_RULE)
            guessed = guessed or bool(rule.how & GUESS)
            frame = _caller(frame, rule, read, kind)
            if len(pcs) >= most:
                raise _Stop(End.TRUNCATED)
            pcs.append(Address(frame.pc))
    except _Stop as stop:
        return Finished(tuple(pcs), stop.end, guessed)


def _caller(frame: Registers, rule: Rule, read: Callable[[int], int], kind: _Machine) -> Registers:
    """The frame that `rule` leads to from `frame`. _Stop where that was the last one."""
    how, sp = rule.how, frame.sp
    if how & END:
        raise _Stop(End.OUTERMOST)
    if how & UNKNOWN:
        raise _Stop(End.UNSUPPORTED)
    if how & GUESS and not frame.fp:  # the psABI's mark of the deepest frame
        raise _Stop(End.OUTERMOST)
    if how & SIGNAL:
        return _interrupted(sp, read, kind)
    arm = kind is _AARCH64
    cfa = (frame.fp if how & FROM_FP else sp) + rule.cfa & _MASK
    if how & READ and not arm:
        cfa = read(cfa) + rule.add & _MASK
    in_lr = arm and bool(how & IN_LR)
    if cfa < sp or (cfa == sp and not in_lr) or cfa & 7:  # a leaf of AArch64 may have no frame
        raise _Stop(End.UNREADABLE)
    pc = _return_address(frame, rule, cfa, read) if arm else read(cfa - 8)
    fp = frame.fp
    if how & FP_BY_FP:
        fp = read(fp + rule.fp)
    elif rule.fp:
        fp = read(cfa + rule.fp)
    if pc < _LOWEST_CODE:
        raise _Stop(End.OUTERMOST)
    if pc > kind.highest_code:
        raise _Stop(End.UNREADABLE)
    return Registers(pc, cfa, fp)


def _return_address(frame: Registers, rule: Rule, cfa: int, read: Callable[[int], int]) -> int:
    """Where a frame of AArch64 returns to, without its pointer authentication code."""
    if not rule.how & IN_LR:
        pc = read(cfa + (8 * rule.add if rule.add else rule.fp + 8))
    elif frame.lr is None:
        raise _Stop(End.UNREADABLE)
    else:
        pc = frame.lr
    return pc & _AARCH64.highest_code


def _interrupted(sp: int, read: Callable[[int], int], kind: _Machine) -> Registers:
    """The frame that a signal interrupted. Its pc is the next instruction, not behind a call:
    counted one on, so that every rule is looked up by the address before.
    """
    lr = None if kind.signal_lr is None else read(sp + kind.signal_lr)
    return Registers(
        pc=read(sp + kind.signal_pc) + 1 & _MASK,
        sp=read(sp + kind.signal_sp),
        fp=read(sp + kind.signal_fp),
        lr=lr,
    )
