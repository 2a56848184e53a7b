"""A process with code built for its unwind rules, and what becomes of the walks that miss them."""

import contextlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import SimpleNamespace
from typing import Any, cast

from ebpftrace.drain.space import Space
from ebpftrace.drain.stacks import StackBook
from ebpftrace.kernel import layout
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.losses import LOSSES
from ebpftrace.session.traced import Traced
from ebpftrace.session.unwinding import Unwinding
from ebpftrace.target.maps import Mapping as Mapped
from ebpftrace.unwind.rules import End
from tests.unit.builders import frame
from tests.unit.cfi_builder import RIP, Fde, Frames, cfa_offset, undefined
from tests.unit.elf_builder import Elf
from tests.unit.space_builders import BASE, Clock, StubProcess, mapping, module_of, space
from tests.unit.test_drain import CALLED, FakeTable, book_of, stack_event

SLOT, TICKET = Slot(1), StackId(7)
STACK = 0x7FFC_0000_1000
NOWHERE = 0x5000_0000_1234
LIBRARY = BASE + 0x100000
"""Room for another mapping."""

CODE = Frames([Fde(), Fde(cfa_offset(24), start=64), Fde(undefined(RIP), start=128)])
A, B, C = BASE + 1, BASE + 2, BASE + 3
"""Return addresses in frames of one word."""
WIDE = BASE + 65
"""In frames of three."""
LAST, OTHER_LAST = BASE + 129, BASE + 130
"""In the outermost function."""
GUESS = BASE + 0x401
"""Where no table says anything."""


def nameless(start: int, **given: Any) -> Mapped:
    """Executable memory that no file backs."""
    return mapping(start, **{"path": "", "inode": 0, "offset": 0, **given})


class StubRules:
    """Notes what becomes of the rules; `now` are those that walks find."""

    def __init__(self) -> None:
        self.now: dict[int, int] = {}
        self.reported_no_more: list[int] = []
        self.installs = self.full = 0

    def install(self, slot: Slot, pc: int, rule: int) -> None:
        assert slot == SLOT
        self.installs += 1
        self.now[pc] = rule

    def refuse(self, slot: Slot, pc: int) -> None:
        assert slot == SLOT
        self.reported_no_more.append(pc)

    def refused(self, slot: Slot) -> tuple[int, ...]:
        assert slot == SLOT
        return tuple(self.reported_no_more)

    def allow(self, slot: Slot, pc: int) -> None:
        assert slot == SLOT
        self.reported_no_more.remove(pc)

    def remove(self, slot: Slot, start: int, end: int) -> None:
        self.now = {pc: rule for pc, rule in self.now.items() if not start <= pc < end}

    def remove_slot(self, slot: Slot) -> None:
        self.now.clear()


class Walks:
    """One slot, the walks of its births, and the sites that these are counted at."""

    def __init__(self, stub: StubProcess, clock: Clock, mapped: Any, depth: int) -> None:
        self.stub, self.clock, self.space = stub, clock, mapped
        self.rules = StubRules()
        self.polls: list[list[bytes]] = []
        self.tracer = SimpleNamespace(
            rules=self.rules,
            stack_depth=depth,
            learn=lambda: None,
            poll_events=lambda _timeout: self.polls.pop(0) if self.polls else [],
        )
        self.table = FakeTable()
        self.book = book_of(self.table)
        self.stacks = StackBook()
        self.named: list[tuple[int, ...]] = []
        spaces: dict[int, Space] = {SLOT: Space(SLOT, Pid(42), self._name)}
        self.unwinding = Unwinding(cast(Any, self.tracer), self.book, self.stacks, spaces)
        traced = SimpleNamespace(slot=SLOT, space=mapped)
        self.unwinding.begin(cast(Traced, traced))

    def _name(self, pcs: Sequence[int]) -> Any:
        self.named.append(tuple(pcs))
        return tuple(frame(hex(pc)) for pc in pcs)

    def stack(self, *pcs: int, end: End = End.OUTERMOST, guessed: bool = False) -> StackId:
        """The kernel sends this stack; its id."""
        number, event = stack_event(*pcs, end=end, guessed=guessed)
        self.unwinding.on_stack(event)
        return StackId(number)

    def miss(
        self,
        *words: int,
        stump: Sequence[int] = (A,),
        guessed: bool = False,
        pc: int | None = None,
        ticket: StackId = TICKET,
        **given: Any,
    ) -> None:
        """The kernel sends a stump, and that a walk ended there with `words` on the stack."""
        number = self.stack(*stump, end=End.NO_RULE, guessed=guessed)
        at = stump[-1] if pc is None else pc
        self.unwinding.on_misses([miss_event(*words, stump=number, pc=at, ticket=ticket, **given)])

    def is_credited(
        self, *pcs: int, end: End = End.OUTERMOST, guessed: bool = False, ticket: StackId = TICKET
    ) -> bool:
        """Is the block of `ticket` counted at the very stack that the kernel knows by this id?"""
        number = StackId(stack_event(*pcs, end=end, guessed=guessed)[0])
        return ticket in self.book.counted_as(SLOT, number) and self.stacks.get(number) is not None

    def wait(self) -> None:
        """Until nothing is held back any more."""
        for _ in range(10):
            self.clock.now += 0.05
            self.unwinding.on_idle()

    def losses(self, **kernel: int) -> dict[str, int]:
        """What is lost, after the kernel counted this."""
        counts: list[int | None] = [kernel.get(loss.name, 0) for loss in LOSSES]
        self.unwinding.correct(counts)
        return {loss.name: n for loss, n in zip(LOSSES, counts, strict=True) if n}


def miss_event(
    *words: int,
    stump: int,
    pc: int = A,
    ticket: int = TICKET,
    sp: int = STACK,
    fp: int = 0,
    replaced: Mapping[int, int] | None = None,
    counted: bool = True,
) -> bytes:
    """An EVENT_MISS; `words` are the stack from `sp` on."""
    pending = [*chain.from_iterable((replaced or {}).items())]
    pending += [0] * (2 * layout.MOST_PENDING - len(pending))
    head = (layout.EVENT_MISS, counted, 0, SLOT, 8 * len(words), CALLED, ticket, stump, pc, sp, fp)
    return layout.MISS.pack(*head, *pending) + struct.pack(f"<{len(words)}Q", *words)


@contextlib.contextmanager
def walks(*more: Mapped, depth: int = 8) -> Iterator[Walks]:
    """A process that has CODE mapped at BASE, and `more`; its maps were read just now."""
    where, clock = mapping(), Clock()
    stub = StubProcess(where, *more)
    with module_of(cast(Elf, CODE), where) as module:
        mapped = space(stub, module, clock=clock)
        mapped.refresh()
        yield Walks(stub, clock, mapped, depth)
