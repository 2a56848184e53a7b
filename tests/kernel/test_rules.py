"""Unwind rules in the kernel's maps: what walks find under a key, read back by system calls."""

import os
import struct
from collections.abc import Iterator

import pytest

from ebpftrace.kernel import syscalls
from ebpftrace.kernel.layout import HASH_SEED, slot_key
from ebpftrace.kernel.rules import RuleTable
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Address, Slot

pytestmark = pytest.mark.oldkernel

ARRAY, MMAPABLE = 2, 1024  # BPF_MAP_TYPE_ARRAY; BPF_F_MMAPABLE (fc9702273e2e, 5.5)
ENTRIES, MORE = 256, 4
SLOT, OTHER_SLOT = Slot(1), Slot(2)
PC = Address(0x7F00_1234_5678)
RULE, OTHER_RULE = 0x8000_0000_0000_0008, 0x8000_0000_0000_0018


class Maps:
    """The maps that walks read, of few entries, and the table over them."""

    def __init__(self) -> None:
        self.array = Table(syscalls.create_map(ARRAY, 4, 16, ENTRIES + 1, MMAPABLE), 4, 16)
        self.more = Table(syscalls.create_map(syscalls.MAP_TYPE_HASH, 8, 8, MORE, 0), 8, 8)
        self.reported = Table(syscalls.create_map(syscalls.MAP_TYPE_HASH, 8, 4, 64, 0), 8, 4)
        self.rules = RuleTable(self.array.fd, ENTRIES, self.more, self.reported)

    def close(self) -> None:
        self.rules.close()
        for table in (self.array, self.more, self.reported):
            os.close(table.fd)

    def entry(self, pc: int, slot: int = SLOT) -> tuple[int, int]:
        """(key, rule) where the hash of the key leads to."""
        raw = self.array.lookup(struct.pack("<I", place(pc, slot)))
        assert raw is not None
        key, rule = struct.unpack("<QQ", raw)
        return key, rule

    def found(self, pc: int, slot: int = SLOT) -> int:
        """As `rule_at` of bpf/unwind.h; 0: none."""
        key, rule = self.entry(pc, slot)
        if key == slot_key(slot, pc):
            return rule
        return number(self.more.lookup(packed(pc, slot))) or 0

    def version(self) -> int:
        """What a walk must have in common with one that was made before."""
        raw = self.array.lookup(struct.pack("<I", ENTRIES))
        assert raw is not None
        return struct.unpack("<QQ", raw)[1]

    def reports(self, pc: int, slot: int = SLOT) -> int | None:
        """How often `pc` was reported, by the map that walks count in."""
        return number(self.reported.lookup(packed(pc, slot)))


def number(raw: bytes | None) -> int | None:
    return None if raw is None else int.from_bytes(raw, "little")


def packed(pc: int, slot: int = SLOT) -> bytes:
    return struct.pack("<Q", slot_key(slot, pc))


def place(pc: int, slot: int = SLOT) -> int:
    """The index of the array: the highest 8 bits of the product."""
    return (slot_key(slot, pc) * HASH_SEED % (1 << 64)) >> 56


def colliding(count: int) -> list[Address]:
    """PC, and more that the array has the same place for."""
    found = [PC]
    at = PC
    while len(found) < count:
        at = Address(at + 1)
        if place(at) == place(PC):
            found.append(at)
    return found


@pytest.fixture
def maps() -> Iterator[Maps]:
    found = Maps()
    yield found
    found.close()


def test_a_rule_stands_in_the_array_as_the_key_and_the_packed_rule(maps: Maps):
    maps.rules.install(SLOT, PC, RULE)
    raw = maps.array.lookup(struct.pack("<I", place(PC)))
    assert raw == struct.pack("<QQ", SLOT << 48 | PC, RULE)
    assert len(maps.rules) == 1
    assert maps.more.lookup(packed(PC)) is None


def test_the_last_place_of_the_array_can_be_used(maps: Maps):
    last = next(pc for pc in range(PC, PC + 4096) if place(pc) == ENTRIES - 1)
    maps.rules.install(SLOT, Address(last), RULE)
    assert maps.found(last) == RULE


def test_a_return_address_has_a_rule_in_each_slot(maps: Maps):
    maps.rules.install(SLOT, PC, RULE)
    assert maps.found(PC, OTHER_SLOT) == 0
    maps.rules.install(OTHER_SLOT, PC, OTHER_RULE)
    assert (maps.found(PC), maps.found(PC, OTHER_SLOT)) == (RULE, OTHER_RULE)


def test_a_rule_whose_place_is_taken_goes_to_the_other_map(maps: Maps):
    first, second = colliding(2)
    maps.rules.install(SLOT, first, RULE)
    maps.rules.install(SLOT, second, OTHER_RULE)
    assert maps.entry(first) == (slot_key(SLOT, first), RULE)
    assert maps.more.lookup(packed(second)) == struct.pack("<Q", OTHER_RULE)
    assert (maps.found(first), maps.found(second), len(maps.rules)) == (RULE, OTHER_RULE, 2)


def test_a_rule_that_finds_no_room_is_counted_and_not_held(maps: Maps):
    for pc in colliding(1 + MORE + 2):
        maps.rules.install(SLOT, pc, RULE)
    assert (maps.rules.full, len(maps.rules)) == (2, 1 + MORE)


def test_room_that_was_given_back_is_used_again(maps: Maps):
    pcs = colliding(1 + MORE + 1)
    for pc in pcs[:-1]:
        maps.rules.install(SLOT, pc, RULE)
    maps.rules.remove(SLOT, pcs[2], Address(pcs[2] + 1))
    maps.rules.install(SLOT, pcs[-1], OTHER_RULE)
    assert (maps.found(pcs[-1]), maps.found(pcs[2]), maps.rules.full) == (OTHER_RULE, 0, 0)


def test_a_rule_that_is_installed_again_takes_the_place_of_the_first(maps: Maps):
    for rule in (RULE, OTHER_RULE):
        maps.rules.install(SLOT, PC, rule)
    assert (maps.found(PC), len(maps.rules)) == (OTHER_RULE, 1)


def test_walks_are_forgotten_when_a_rule_goes_or_changes_and_not_when_one_comes(maps: Maps):
    first, second = colliding(2)
    versions = [maps.version()]
    for pc, rule in ((first, RULE), (second, RULE), (first, OTHER_RULE), (second, OTHER_RULE)):
        maps.rules.install(SLOT, pc, rule)
        versions.append(maps.version())
    maps.rules.remove(SLOT, first, Address(first + 1))
    versions.append(maps.version())
    maps.rules.remove_slot(SLOT)
    versions.append(maps.version())
    assert versions[0] == versions[1] == versions[2]
    assert len(set(versions[2:])) == len(versions[2:])


def test_the_rules_of_a_range_are_dropped_from_both_maps_and_the_others_stay(maps: Maps):
    first, second, third = colliding(3)
    for pc in (first, second, third):
        maps.rules.install(SLOT, pc, RULE)
        maps.rules.install(OTHER_SLOT, pc, RULE)
    maps.rules.remove(SLOT, first, third)
    assert [maps.found(pc) for pc in (first, second, third)] == [0, 0, RULE]
    assert [maps.found(pc, OTHER_SLOT) for pc in (first, second, third)] == [RULE] * 3
    assert maps.entry(first) == (0, 0)
    assert len(maps.rules) == 4


def test_a_range_or_a_slot_without_rules_is_nothing_to_drop(maps: Maps):
    maps.rules.remove(SLOT, PC, Address(PC + 1))
    maps.rules.remove_slot(SLOT)
    maps.rules.remove_slot(SLOT)
    assert len(maps.rules) == 0


def test_a_slot_that_ended_leaves_no_rule_and_others_theirs(maps: Maps):
    pcs = colliding(3)
    for slot in (OTHER_SLOT, SLOT):
        for pc in pcs:
            maps.rules.install(slot, pc, RULE)
    maps.rules.remove_slot(SLOT)
    assert [maps.found(pc) for pc in pcs] == [0] * 3
    assert [maps.found(pc, OTHER_SLOT) for pc in pcs] == [RULE] * 3


@pytest.mark.parametrize("which", [0, 1])
def test_a_rule_can_be_installed_again_after_it_was_dropped(maps: Maps, which: int):
    pcs = colliding(2)
    for pc in pcs:
        maps.rules.install(SLOT, pc, RULE)
    gone = pcs[which]
    maps.rules.remove(SLOT, gone, Address(gone + 1))
    assert maps.found(gone) == 0
    maps.rules.install(SLOT, gone, OTHER_RULE)
    assert [maps.found(pc) for pc in pcs] == [OTHER_RULE if pc == gone else RULE for pc in pcs]
    maps.rules.remove_slot(SLOT)
    assert [maps.found(pc) for pc in pcs] == [0, 0]


def test_an_address_that_is_refused_counts_as_reported_often_enough_in_its_slot(maps: Maps):
    maps.rules.refuse(SLOT, PC)
    assert maps.reports(PC) == 0xFFFFFFFF
    assert maps.reports(PC, OTHER_SLOT) is None
    assert maps.found(PC) == 0


def test_what_comes_where_a_rule_was_dropped_may_be_reported_anew(maps: Maps):
    maps.rules.install(SLOT, PC, RULE)
    maps.reported.update(packed(PC), struct.pack("<I", 64))
    maps.rules.remove(SLOT, PC, Address(PC + 1))
    assert maps.reports(PC) is None


def test_a_slot_that_ended_leaves_no_refusal_to_the_program_that_gets_it_next(maps: Maps):
    maps.rules.refuse(SLOT, PC)
    maps.rules.remove_slot(SLOT)
    assert maps.reports(PC) is None
