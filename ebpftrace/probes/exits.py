"""Where a function returns: the places to probe of one that must not have a return probe.

A return probe replaces a return address, and the unwinder of C++ stops there. So the last instructions of
the function are probed, and those of functions that it jumps to. `ret` itself is single-stepped by the
kernel, at 18 times the price; the branch before it is emulated. Where only plain instructions follow
that branch, the probe goes there: they say in which register the result is by then, and how far up
the stack the return address. Pure: code in, places out.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.decode import Cost
from ebpftrace.probes.flow import Edge, Flow, Step
from ebpftrace.probes.instructions import NUMBERS

MOST_EXITS = 48
_MOST_STEPS = 48  # from a branch to its `ret`
_MOST_WORDS = 254

_CONDITIONS: Final = {
    # By what the second half of the opcode is (Intel SDM, volume 2, Jcc).
    name: number
    for number, names in enumerate(
        [
            "o",
            "no",
            "b c nae",
            "ae nb nc",
            "e z",
            "ne nz",
            "be na",
            "a nbe",
            "s",
            "ns",
            "p pe",
            "np po",
            "l nge",
            "ge nl",
            "le ng",
            "g nle",
        ]
    )
    for name in names.split()
}


@dataclass(frozen=True, slots=True)
class Exit:
    """One instruction of `size` bytes, at which the register numbered `result` holds what is returned.

    `return_at`: words from the stack pointer to the return address; `fp_at`: 0, or 1 + words to the saved
    frame pointer; `condition`: 0, or 1 + that of the branch, under which it leads to the return.
    """

    address: ImageAddress
    size: int
    instruction: str
    cost: Cost
    result: int
    return_at: int = 0
    fp_at: int = 0
    condition: int = 0


class _State(NamedTuple):
    """What is known before an instruction, seen from the return: where the result and the rest will be."""

    result: str = "rax"
    return_at: int = 0
    fp_at: int = 0


def exits(
    flow: Flow, known: Mapping[ImageAddress, Exit], taken: Collection[ImageAddress]
) -> tuple[Exit, ...] | None:
    """Each way out of `flow` passes one of them; None where they are too many.

    `known`: those of other functions, which may share them; `taken`: where there are other probes.
    """
    found: dict[ImageAddress, Exit] = {}
    for step in flow.steps.values():
        if step.kind != "return":
            continue
        ways = _merged(_ways(flow, step) or [])
        if not ways or not all(_is_free(way, found, known, taken) for way in ways):
            ways = [Exit(step.address, step.size, step.text, "single-stepped", NUMBERS["rax"])]
        found |= {way.address: way for way in ways}
        if len(found) > MOST_EXITS:
            return None
    return tuple(found.values())


def _is_free(
    way: Exit,
    found: Mapping[ImageAddress, Exit],
    known: Mapping[ImageAddress, Exit],
    taken: Collection[ImageAddress],
) -> bool:
    """One place stands for one return only."""
    at = way.address
    return at not in found and at not in taken and known.get(at, way) == way


def _merged(ways: Iterable[Exit]) -> list[Exit]:
    """With one for both ways of a branch where they lead to the same; none where they differ."""
    merged: dict[ImageAddress, Exit] = {}
    for way in ways:
        other = merged.get(way.address)
        if other is None:
            merged[way.address] = way
        elif replace(other, condition=way.condition) == way:
            merged[way.address] = replace(way, condition=0)
        else:
            return []
    return list(merged.values())


def _ways(flow: Flow, end: Step) -> list[Exit] | None:
    """The branches after which only plain instructions lead to `end`; None where that is not so."""
    ways: list[Exit] = []
    work = [(end, _State())]
    for _ in range(_MOST_STEPS):
        if not work:
            return ways
        step, state = work.pop()
        before = flow.before.get(step.address, ())
        if not before or step.address == flow.start:
            return None
        for edge in before:
            last = flow.steps[edge.source]
            if last.kind == "branch":
                if not last.emulated:
                    return None
                ways.append(_exit(last, edge, state))
                continue
            earlier = _before(last, state) if last.kind == "plain" else None
            if earlier is None:
                return None
            work.append((last, earlier))
    return None


def _exit(branch: Step, edge: Edge, state: _State) -> Exit:
    condition = 0
    if branch.mnemonic != "jmp":
        condition = 1 + (_CONDITIONS[branch.mnemonic[1:]] ^ (not edge.jumps))
    return Exit(
        branch.address,
        branch.size,
        branch.text,
        "emulated",
        NUMBERS[state.result],
        state.return_at,
        state.fp_at,
        condition,
    )


def _before(step: Step, after: _State) -> _State | None:
    """What is known before a plain instruction, from what is known after it."""
    result = after.result
    if result in step.writes:
        if step.copies is None or step.copies[0] != result:
            return None
        result = step.copies[1]
    words = _popped(step) if "rsp" in step.writes else 0
    if words is None or after.return_at + words > _MOST_WORDS:
        return None
    fp_at = after.fp_at + words if after.fp_at else 0
    if "rbp" in step.writes and not fp_at:
        if step.mnemonic != "pop":
            return None
        fp_at = 1
    return _State(result, after.return_at + words, fp_at)


def _popped(step: Step) -> int | None:
    """Words by which the instruction moves the stack pointer up; None where it does another thing."""
    if step.mnemonic == "pop" and step.operands in NUMBERS and step.operands != "rsp":
        return 1
    moved = step.operands.removeprefix("rsp, ")
    if step.mnemonic == "lea":
        moved = moved.removeprefix("[rsp + ").removesuffix("]")
    elif step.mnemonic != "add":
        return None
    try:
        amount = int(moved, 0)
    except ValueError:
        return None
    return amount // 8 if amount > 0 and amount % 8 == 0 else None
