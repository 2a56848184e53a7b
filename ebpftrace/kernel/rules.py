"""Unwind rules where walks look them up: an array by a hash of the key, and a map for what collides.

The array is written through its memory map: a rule costs two stores, and no system call. Every
store is one of 8 aligned bytes, and a rule of 0 counts as none, so a walk that comes in between
finds none and reports it once more.
"""

import mmap
import struct
from collections import defaultdict

from ebpftrace.kernel.layout import HASH_SEED, slot_key
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Address, Slot

_ENTRY_WORDS = 2  # key, rule
_WORD = struct.Struct("<Q")
_MOST_REFUSED = 4096
_REFUSED = struct.pack("<I", 0xFFFFFFFF)


class RuleTable:
    """`full`: rules that found no room, so that stacks end there."""

    def __init__(self, fd: int, entries: int, more: Table, reported: Table) -> None:
        """`fd`: the array, of `entries`, a power of two; `reported`: misses that wait for us."""
        self._shift = 64 - (entries.bit_length() - 1)
        self._memory = mmap.mmap(fd, (entries + 1) * 8 * _ENTRY_WORDS)
        self._version_at = entries * _ENTRY_WORDS + 1
        self._bytes = memoryview(self._memory)
        self._words = self._bytes.cast("Q")
        self._more = more
        self._reported = reported
        self._held: defaultdict[Slot, dict[Address, int]] = defaultdict(dict)
        self._refused: defaultdict[Slot, set[Address]] = defaultdict(set)
        self.full = 0

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def install(self, slot: Slot, pc: Address, rule: int) -> None:
        """From now on walks of `slot` go on at the return address `pc` by `rule`, a packed one."""
        key = slot_key(slot, pc)
        at = _ENTRY_WORDS * ((key * HASH_SEED & 0xFFFFFFFFFFFFFFFF) >> self._shift)
        held = self._words[at]
        if held in (0, key):
            self._words[at + 1] = rule
            self._words[at] = key
        else:
            at = -1
            try:
                self._more.update(_WORD.pack(key), _WORD.pack(rule))
            except OSError:  # E2BIG: full
                self.full += 1
                self.refuse(slot, pc)
                return
        if pc in self._held[slot]:
            self.forget_walks()
        self._held[slot][pc] = at

    def refuse(self, slot: Slot, pc: Address) -> None:
        """No rule can be made for `pc`: nothing is mapped there to run. Walks report it no more."""
        refused = self._refused[slot]
        if len(refused) < _MOST_REFUSED:  # the map forgets the oldest, too
            refused.add(pc)
            self._reported.update(_WORD.pack(slot_key(slot, pc)), _REFUSED)

    def refused(self, slot: Slot) -> tuple[Address, ...]:
        """What is not reported any more."""
        return tuple(self._refused[slot])

    def allow(self, slot: Slot, pc: Address) -> None:
        """Something is mapped at `pc` now: walks may report it again."""
        self._refused[slot].discard(pc)
        self._reported.delete(_WORD.pack(slot_key(slot, pc)))

    def remove(self, slot: Slot, start: Address, end: Address) -> None:
        """Drop the rules of `slot` for [start, end): something else may be mapped there."""
        held = self._held[slot]
        for pc in [pc for pc in held if start <= pc < end]:
            self._drop(slot_key(slot, pc), held.pop(pc))
        self.forget_walks()

    def remove_slot(self, slot: Slot) -> None:
        """Drop all rules of an ended slot."""
        for pc, at in self._held.pop(slot, {}).items():
            self._drop(slot_key(slot, pc), at)
        for pc in self._refused.pop(slot, set()):
            self._reported.delete(_WORD.pack(slot_key(slot, pc)))
        self.forget_walks()

    def forget_walks(self) -> None:
        """From now on no walk is taken for one that was made before."""
        self._words[self._version_at] += 1

    def _drop(self, key: int, at: int) -> None:
        if at < 0:
            self._more.delete(_WORD.pack(key))
        else:
            self._words[at] = self._words[at + 1] = 0
        self._reported.delete(_WORD.pack(key))  # what comes there next may be reported as often

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._bytes.release()
        self._memory.close()
