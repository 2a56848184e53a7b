"""The unwind rules of one process: made when a walk misses one, dropped with their mapping.

A walk of the kernel that ends at a return address without a rule reports it, together with the
stack from there on. The walk is finished here by the same rules, each of which is installed on the
way, so that the next walk goes on. The block at the end of the reported walk is counted under a
ticket of its own: a stack id that no other block has. What became of the walk decides to which site
the ticket is credited, so the block and its later free belong there from the beginning, the
kernel's counters stay as they are, and nothing is counted twice.
"""

import platform
from typing import NamedTuple

from ebpftrace.kernel import layout
from ebpftrace.kernel.rules import RuleTable
from ebpftrace.model.ids import Address, Slot, StackId
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.space import AddressSpace, Changes
from ebpftrace.unwind.finish import Finished, Registers, finish
from ebpftrace.unwind.rules import GUESSED, Rule, unknown
from ebpftrace.unwind.table import UnwindTable

FRESH_S = 0.05
"""How old the maps may be by which a missing rule is made."""
MOST_TABLES = 512


class Miss(NamedTuple):
    """An EVENT_MISS: the walk of a birth in `slot` ended in a frame at `pc`, with these registers.

    `memory`: the stack from `sp` on.
    """

    slot: Slot
    ticket: StackId
    stump: StackId
    pc: Address
    sp: int
    fp: int
    memory: bytes

    @classmethod
    def of(cls, event: bytes) -> "Miss":
        _, _, _, slot, count, _, ticket, stump, pc, sp, fp = layout.MISS.unpack_from(event)
        memory = event[layout.MISS.size : layout.MISS.size + count]
        return cls(Slot(slot), StackId(ticket), StackId(stump), Address(pc), sp, fp, memory)

    def word(self, address: int) -> int | None:
        """The word of the stack at `address`; None outside of what was sent."""
        at = address - self.sp
        if not 0 <= at <= len(self.memory) - 8:
            return None
        return int.from_bytes(self.memory[at : at + 8], "little")


class Unwinder:
    """For one slot. `space` is kept fresh by it. On the poller's thread."""

    def __init__(self, space: AddressSpace, rules: RuleTable, slot: Slot) -> None:
        self._space = space
        self._installed = rules
        self._slot = slot
        self._rules: dict[Address, Rule] = {}
        self._tables: dict[int, tuple[ElfImage, UnwindTable]] = {}
        space.listen(self._on_change)

    def finish(self, miss: Miss, most: int) -> Finished:
        """The rest of a walk from `miss.pc` on, at most `most` frames; installs every rule of it."""
        self.reread(FRESH_S)
        start = Registers(miss.pc, miss.sp, miss.fp)
        return finish(start, miss.word, self.rule_at, most, platform.machine())

    def reread(self, older_than_s: float) -> None:
        """Read the maps unless they are younger; what is gone is told to `_on_change`."""
        self._space.refresh_if_older_than(older_than_s)

    def rule_at(self, pc: Address) -> Rule | None:
        """The rule for a return address, installed; None where no code is mapped."""
        rule = self._rules.get(pc)
        if rule is None:
            rule = self._made(Address(pc - 1))
            if rule is None:
                self._installed.refuse(self._slot, pc)
                return None
            self._rules[pc] = rule
            self._installed.install(self._slot, pc, rule.pack())
        return rule

    def _made(self, call: Address) -> Rule | None:
        mapping = self._space.find_or_reread(call)
        if mapping is None or not mapping.executable:
            return None
        if mapping.special and mapping.path != "[vdso]":  # [uprobes]: a return address we lack
            return unknown()
        located = self._space.locate(call)
        if located is None:
            return GUESSED
        return self._table(located[0]).rule_at(located[1]).rule

    def _table(self, image: ElfImage) -> UnwindTable:
        held = self._tables.get(id(image))
        if held is None:
            if len(self._tables) >= MOST_TABLES:
                self._tables.clear()
            held = self._tables[id(image)] = image, UnwindTable(image)
        return held[1]

    def _on_change(self, changes: Changes) -> None:
        for start, end in changes.gone:
            self._installed.remove(self._slot, start, end)
            for pc in [pc for pc in self._rules if start <= pc < end]:
                del self._rules[pc]

    def close(self) -> None:
        """Drop every rule: the slot has ended."""
        self._installed.remove_slot(self._slot)
        self._rules.clear()
        self._tables.clear()
