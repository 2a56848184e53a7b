"""The unwind rules of one process: made when a walk misses one, dropped with their mapping.

A walk of the kernel that ends at a return address without a rule reports it, together with the
stack from there on. The walk is finished here by the same rules, each of which is installed on the
way, so that the next walk goes on. The block at the end of the reported walk is counted under a
ticket of its own: a stack id that no other block has. What became of the walk decides to which site
the ticket is credited, so the block and its later free belong there from the beginning, the
kernel's counters stay as they are, and nothing is counted twice.
"""

import platform
from collections.abc import Mapping
from typing import NamedTuple

from ebpftrace.kernel import layout
from ebpftrace.kernel.rules import RuleTable
from ebpftrace.model.ids import Address, Slot, StackId
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.space import AddressSpace, Changes
from ebpftrace.target.vdso import NAME as VDSO
from ebpftrace.unwind.finish import Finished, Registers, finish
from ebpftrace.unwind.rules import GUESSED, Rule, unknown
from ebpftrace.unwind.table import UnwindTable

FRESH_S = 0.05
"""How old the maps may be by which a walk is finished."""
SOON_S = 0.005
"""And where it met an address that is no code by them: a library may have come a moment ago."""
MOST_TABLES = 512


class Miss(NamedTuple):
    """An EVENT_MISS: the walk of a birth in `slot` ended in a frame at `pc`, with these registers.

    `counted`: not while rules are learned, then it is for its rules only. `memory`: the stack from `sp` on. `replaced`: by where they were, the return addresses that
    return probes have replaced in it. `held`: the process is stopped there.
    """

    slot: Slot
    ticket: StackId
    stump: StackId
    pc: Address
    sp: int
    fp: int
    memory: bytes
    replaced: Mapping[int, int]
    counted: bool
    held: bool = False

    @classmethod
    def of(cls, event: bytes) -> "Miss":
        _, marks, _, slot, count, _, ticket, stump, pc, sp, fp, *pending = layout.MISS.unpack_from(
            event
        )
        memory = event[layout.MISS.size : layout.MISS.size + count]
        replaced = dict(zip(pending[::2], pending[1::2], strict=True))
        return cls(
            Slot(slot),
            StackId(ticket),
            StackId(stump),
            Address(pc),
            sp,
            fp,
            memory,
            replaced,
            bool(marks & layout.MISS_COUNTED),
            bool(marks & layout.MISS_HELD),
        )

    def word(self, address: int) -> int | None:
        """The word of the stack at `address`; None outside of what was sent."""
        if address in self.replaced:  # on arm64 another word: there the walk ends at the trampoline
            return self.replaced[address]
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
        self._unknown: set[Address] = set()
        self._dropped = 0
        self._tables: dict[int, tuple[ElfImage, UnwindTable]] = {}
        space.listen(self._on_change)

    def finish(self, miss: Miss, most: int) -> Finished:
        """The rest of a walk from `miss.pc` on, at most `most` frames; installs every rule of it."""
        start = Registers(miss.pc, miss.sp, miss.fp)
        return finish(start, miss.word, self.rule_at, most, platform.machine())

    def reread(self, older_than_s: float, share: float = 0.2) -> None:
        """Read the maps unless they are younger, and drop the rules of what is gone.

        Reading takes at most that `share` of the time.
        """
        self._space.refresh_if_older_than(older_than_s, share)

    def rule_at(self, pc: Address) -> Rule | None:
        """The rule for a return address, installed; None where no code is mapped, or not known."""
        rule = self._rules.get(pc)
        if rule is None:
            # A trampoline is the first byte of its mapping, and no call is before it.
            rule = unknown() if self.is_trampoline(pc) else self._made(Address(pc - 1))
            if rule is None:
                self._unknown.add(pc)
                return None
            self._rules[pc] = rule
            self._installed.install(self._slot, pc, rule.pack())
        return rule

    def memory(self, address: int, most: int) -> bytes:
        """What the process has there now, up to `most` bytes; none where it has ended."""
        return self._space.memory(Address(address), most)

    def look_again(self) -> bool:
        """Read the maps if walks were finished by old ones; True: finish them once more.

        Then code was met that had just been mapped, or rules were used that hold no longer. What is
        no code by maps just read is not reported any more.
        """
        before = self._dropped
        if not self._space.refresh_if_older_than(SOON_S if self._unknown else FRESH_S):
            return False
        unknown, self._unknown = self._unknown, set()
        for pc in unknown:
            if not self._is_code(pc):
                self._installed.refuse(self._slot, pc)
        return bool(unknown) or self._dropped != before

    @property
    def waits(self) -> bool:
        """Was an address met that is no code by maps that could not be read again yet?"""
        return bool(self._unknown)

    def _is_code(self, pc: Address) -> bool:
        mapping = self._space.find(Address(pc - 1))
        return mapping is not None and mapping.executable

    def look_for_unknown(self) -> None:
        """Do that where it was too early before."""
        if self._unknown:
            self.look_again()

    def _made(self, call: Address) -> Rule | None:
        mapping = self._space.find(call)
        if mapping is None or not mapping.executable:
            return None
        if mapping.special and mapping.path != VDSO:
            return unknown()
        located = self._space.locate(call)
        if located is None:
            return GUESSED
        return self._table(located[0]).rule_at(located[1]).rule

    def is_trampoline(self, pc: Address) -> bool:
        """Is this where the kernel lets functions return to that have a return probe?"""
        mapping = self._space.find(pc)
        return mapping is not None and mapping.special and mapping.path == "[uprobes]"

    def _table(self, image: ElfImage) -> UnwindTable:
        held = self._tables.get(id(image))
        if held is None:
            if len(self._tables) >= MOST_TABLES:
                self._tables.clear()
            held = self._tables[id(image)] = image, UnwindTable(image)
        return held[1]

    def _on_change(self, changes: Changes) -> None:
        for pc in self._installed.refused(self._slot):
            if self._is_code(pc):
                self._installed.allow(self._slot, pc)
        for start, end in changes.gone:  # of calls, which are before their return addresses
            self._installed.remove(self._slot, Address(start + 1), Address(end + 1))
            gone = [pc for pc in self._rules if start < pc <= end]
            self._dropped += len(gone)
            for pc in gone:
                del self._rules[pc]

    def close(self) -> None:
        """Drop every rule: the slot has ended."""
        self._installed.remove_slot(self._slot)
        self._rules.clear()
        self._tables.clear()
