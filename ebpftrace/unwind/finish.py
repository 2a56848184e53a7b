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

    `fp`: None where it was saved in a word that is not kept, which matters only to a rule that needs
    it. `lr`: the link register where it is known, which is only so behind a signal frame.
    """

    pc: int
    sp: int
    fp: int | None
    lr: int | None = None


class Finished(NamedTuple):
    """`pcs`: the return addresses behind the first frame's, outward; without one that a guess led to
    and that has no rule. `end`: an `End`. `guessed`: a frame on the way was a guess.
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

    def kept(address: int) -> int | None:
        return word(address & _MASK)

    frame, guess, guessed = start, False, False
    pcs: list[Address] = []
    try:
        while True:
            rule = rule_of(Address(frame.pc))
            if rule is None or not rule.how:
                if guess:  # what a guess led to is code only where a rule says so
                    pcs.pop()
                raise _Stop(End.NO_RULE)
            guess = bool(rule.how & GUESS)
            guessed = guessed or guess
            frame = _caller(frame, rule, kept, kind)
            if len(pcs) >= most:
                raise _Stop(End.TRUNCATED)
            pcs.append(Address(frame.pc))
    except _Stop as stop:
        return Finished(tuple(pcs), stop.end, guessed)


_Kept = Callable[[int], int | None]


def _needed(value: int | None) -> int:
    """What the walk cannot go on without."""
    if value is None:
        raise _Stop(End.UNREADABLE)
    return value


def _caller(frame: Registers, rule: Rule, kept: _Kept, kind: _Machine) -> Registers:
    """The frame that `rule` leads to from `frame`. _Stop where that was the last one."""
    how = rule.how
    if how & END:
        raise _Stop(End.OUTERMOST)
    if how & UNKNOWN:
        raise _Stop(End.UNSUPPORTED)
    if how & SIGNAL:
        return _interrupted(frame.sp, kept, kind)
    if how & GUESS and not _needed(frame.fp):  # the psABI's mark of the deepest frame
        raise _Stop(End.OUTERMOST)
    cfa = _cfa(frame, rule, kept, kind)
    pc = _return_address(frame, rule, cfa, kept) if kind is _AARCH64 else _needed(kept(cfa - 8))
    fp = frame.fp
    if how & FP_BY_FP:
        fp = None if fp is None else kept(fp + rule.fp)
    elif rule.fp:
        fp = kept(cfa + rule.fp)
    if pc < _LOWEST_CODE:
        raise _Stop(End.OUTERMOST)
    if pc > kind.highest_code:
        raise _Stop(End.UNREADABLE)
    return Registers(pc, cfa, fp)


def _cfa(frame: Registers, rule: Rule, kept: _Kept, kind: _Machine) -> int:
    """What calls lies above, at a multiple of 8. _Stop where it does not: this is no frame."""
    how, arm = rule.how, kind is _AARCH64
    cfa = (_needed(frame.fp) if how & FROM_FP else frame.sp) + rule.cfa & _MASK
    if how & READ and not arm:
        cfa = _needed(kept(cfa)) + rule.add & _MASK
    least = 0 if arm and how & IN_LR else 8  # a leaf of AArch64 may have no frame
    if cfa < (frame.sp + least & _MASK) or cfa & 7:
        raise _Stop(End.UNREADABLE)
    return cfa


def _return_address(frame: Registers, rule: Rule, cfa: int, kept: _Kept) -> int:
    """Where a frame of AArch64 returns to, without its pointer authentication code."""
    if rule.how & IN_LR:
        pc = _needed(frame.lr)
    else:
        pc = _needed(kept(cfa + (8 * rule.add if rule.add else rule.fp + 8)))
    return pc & _AARCH64.highest_code


def _interrupted(sp: int, kept: _Kept, kind: _Machine) -> Registers:
    """The frame that a signal interrupted. Its pc is the next instruction, not behind a call:
    counted one on, so that every rule is looked up by the address before.
    """
    lr = None if kind.signal_lr is None else _needed(kept(sp + kind.signal_lr))
    return Registers(
        pc=_needed(kept(sp + kind.signal_pc)) + 1 & _MASK,
        sp=_needed(kept(sp + kind.signal_sp)),
        fp=_needed(kept(sp + kind.signal_fp)),
        lr=lr,
    )
