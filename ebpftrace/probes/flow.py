"""The instructions that a function may run, and which of them may follow each other.

Owns following branches, also into functions that it jumps to. Calls are taken for instructions that
come back. The code is a target's, and hostile: what cannot be followed is refused, and nothing takes
longer than a bounded number of instructions. Pure.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.instructions import copied, disassembled, is_emulated, written

if TYPE_CHECKING:
    import capstone

MOST_INSTRUCTIONS = 6000

Kind = Literal["plain", "branch", "call", "return", "end"]

# They end a path, or cannot be followed by what follows them in memory.
_ENDS = frozenset({"ud2", "ud1", "ud0", "hlt", "int3"})


class Untraceable(Exception):
    """The flow cannot be followed; says why."""


class Step(NamedTuple):
    """One instruction. `writes`: general registers by their whole names; `copies`: (to, from)."""

    address: ImageAddress
    size: int
    kind: Kind
    mnemonic: str
    operands: str
    emulated: bool
    writes: frozenset[str]
    copies: tuple[str, str] | None

    @property
    def text(self) -> str:
        return f"{self.mnemonic} {self.operands}".strip()


class Edge(NamedTuple):
    """The step at `source` may come right before; `jumps`: by a branch that is taken."""

    source: ImageAddress
    jumps: bool


class Code(Protocol):
    """The code of one file."""

    def read(self, address: ImageAddress) -> bytes:
        """From `address` to the end of its function at most; empty where no code is."""
        ...

    def destination(self, address: ImageAddress) -> ImageAddress | None:
        """Where a jump to `address` leads; None where that need not be followed. Untraceable."""
        ...

    def comes_back(self, address: ImageAddress) -> bool:
        """False where a call of what is at `address` never returns."""
        ...


@dataclass(slots=True)
class Flow:
    """`steps` by address; `before`: which lead to each."""

    start: ImageAddress
    steps: dict[ImageAddress, Step] = field(default_factory=dict)
    before: dict[ImageAddress, list[Edge]] = field(default_factory=dict)


def follow(code: Code, start: ImageAddress) -> Flow:
    """Everything that may run from `start` on. Untraceable."""
    flow = Flow(start)
    work = [start]
    while work:
        address = work.pop()
        if address in flow.steps:
            continue
        for insn in disassembled(code.read(address), address):
            here = ImageAddress(insn.address)
            if here in flow.steps:
                break
            step = _step(insn)
            flow.steps[here] = step
            if len(flow.steps) > MOST_INSTRUCTIONS:
                raise Untraceable("it is too long to be followed")
            if step.kind == "branch":
                target = _target(code, step)
                if target is not None:
                    flow.before.setdefault(target, []).append(Edge(here, jumps=True))
                    work.append(target)
            if step.kind in ("return", "end") or step.mnemonic == "jmp":
                break
            if step.kind == "call" and not _comes_back(code, step):
                break
            after = ImageAddress(here + insn.size)
            flow.before.setdefault(after, []).append(Edge(here, jumps=False))
        else:
            if address not in flow.steps:
                raise Untraceable("it leads to what is no code")
    return flow


def _step(insn: "capstone.CsInsn") -> Step:
    # "bnd ret", "repz ret", "notrack jmp": prefixes come first.
    mnemonic = insn.mnemonic.rsplit(maxsplit=1)[-1]
    kind: Kind = "plain"
    if mnemonic.startswith(("j", "loop", "xbegin")):
        kind = "branch"
    elif mnemonic == "call":
        kind = "call"
    elif mnemonic == "ret":
        kind = "return"
    elif mnemonic in _ENDS:
        kind = "end"
    writes = written(insn)
    if writes is None or mnemonic in ("enter", "iret", "iretq", "retf", "syscall"):
        raise Untraceable(f"it has `{mnemonic}`, which is not followed")
    raw = bytes(insn.bytes)
    return Step(
        ImageAddress(insn.address),
        insn.size,
        kind,
        mnemonic,
        insn.op_str,
        is_emulated(raw),
        writes,
        copied(insn),
    )


def _target(code: Code, step: Step) -> ImageAddress | None:
    """Where the branch leads; None where that need not be followed."""
    if not step.operands.startswith("0x"):
        raise Untraceable("it has a computed jump")
    return code.destination(ImageAddress(int(step.operands, 16)))


def _comes_back(code: Code, step: Step) -> bool:
    direct = step.operands.startswith("0x")
    return not direct or code.comes_back(ImageAddress(int(step.operands, 16)))
