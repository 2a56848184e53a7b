"""The survey of one site's blocks. The tables here are dictionaries; tests/kernel has the real map."""

import random
import threading
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.drain.blocks import BlockMap, block_columns, read_blocks
from ebpftrace.drain.mappings import Mappings
from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.space import Space, site_id
from ebpftrace.kernel.layout import BLOCK, BLOCK_KEY
from ebpftrace.model.ids import Pid, Slot, StackId
from tests.unit.builders import picture, site
from tests.unit.test_drain import FakeTable

NOW = 9_000_000_000
SLOT, STACK, TICKET = Slot(1), StackId(1 << 63 | 5), StackId(6)


class Blocks(FakeTable):
    """Of slot 1 and one stack, where nothing else is said."""

    def block(self, address, size=64, born=0, thread=7, slot=SLOT, stack=STACK):
        entry = BLOCK.pack(size, stack, born, thread, 3, 0x101)
        self.entries[BLOCK_KEY.pack(slot << 48 | address)] = entry

    def survey(self, *stacks, last=20):
        return read_blocks(self, SLOT, frozenset(stacks or {STACK}), NOW, last)  # type: ignore[arg-type]


def test_a_site_without_blocks_has_an_empty_survey():
    table = Blocks()
    table.block(0x1000, stack=TICKET)
    assert table.survey() == (0, 0, (), ())


def test_blocks_of_other_stacks_and_of_the_same_stack_elsewhere_are_left_out():
    table = Blocks()
    table.block(0x1000, size=10)
    table.block(0x1000, size=100, slot=2)
    table.block(0x2000, size=1000, stack=TICKET)
    table.block(0x3000, size=20)
    table.block(0x3000, size=200, slot=0xFFFF)
    found = table.survey()
    assert (found.blocks, found.bytes) == (2, 30)
    assert {block.address for block in found.last} == {0x1000, 0x3000}


def test_what_only_another_address_space_holds_is_no_block_of_the_site():
    table = Blocks()
    table.block(0x1000, slot=2)
    table.block(0x2000, slot=2)
    assert table.survey() == (0, 0, (), ())


def test_blocks_under_every_id_of_the_site_are_counted():
    table = Blocks()
    for at, stack in enumerate((STACK, TICKET, StackId(8))):
        table.block(0x1000 + at, stack=stack)
    assert table.survey(STACK, TICKET).blocks == 2


def test_an_id_that_is_another_field_of_a_block_is_not_mistaken():
    table = Blocks()
    table.block(STACK & 0xFFFF, size=STACK, born=STACK, stack=TICKET)
    assert table.survey().blocks == 0


def test_sizes_are_counted_by_powers_of_two_and_ascend():
    table = Blocks()
    for at, size in enumerate((0, 1, 2, 3, 4, 64, 127, 128, 1 << 63, (1 << 64) - 1, 0)):
        table.block(at, size=size)
    assert table.survey().sizes == (
        (0, 2, 0),
        (1, 1, 1),
        (2, 2, 5),
        (4, 1, 4),
        (64, 2, 191),
        (128, 1, 128),
        (1 << 63, 2, (1 << 63) + (1 << 64) - 1),
    )


def test_a_block_has_its_address_size_age_and_thread():
    table = Blocks()
    table.block(0x7FFF_FFFF_F000, size=33, born=7_500_000_000, thread=(1 << 32) - 1)
    assert table.survey().last == ((0x7FFF_FFFF_F000, 33, 1.5, (1 << 32) - 1),)


def test_the_youngest_come_first_and_no_more_of_them_than_asked_for():
    table = Blocks()
    for at in (3, 9, 1, 7, 5, 8, 2, 6, 4):
        table.block(at, born=at)
    assert [block.address for block in table.survey(last=4).last] == [9, 8, 7, 6]
    assert [block.address for block in table.survey(last=99).last] == list(range(9, 0, -1))
    assert table.survey(last=0).last == ()
    assert table.survey(last=0).blocks == 9


def test_whatever_a_map_holds_every_block_of_the_site_is_counted_once():
    chance = random.Random(5)
    for _ in range(50):
        table = Blocks()
        for at in range(chance.randrange(40)):
            table.block(
                at,
                size=chance.choice((0, 1, 24, 4096, chance.getrandbits(64))),
                born=chance.randrange(NOW),
                slot=chance.choice((1, 1, 2)),
                stack=chance.choice((STACK, STACK, TICKET)),
            )
        rows = [
            (key >> 48, key & (1 << 48) - 1, *BLOCK.unpack(value)[:3])
            for (key,), value in ((BLOCK_KEY.unpack(k), v) for k, v in table.entries.items())
        ]
        ours = [
            (born, at, size) for slot, at, size, stack, born in rows if (slot, stack) == (1, STACK)
        ]
        found = table.survey(last=5)
        assert (found.blocks, found.bytes) == (len(ours), sum(size for *_, size in ours))
        assert sum(one.blocks for one in found.sizes) == found.blocks
        youngest = sorted(ours, reverse=True)[:5]
        assert [(block.address, block.size) for block in found.last] == [
            one[1:] for one in youngest
        ]


def all_of(table, rows, start_ns=0):
    """Every block: (site, address, size, born, thread)."""
    columns = block_columns(table, rows, start_ns)
    return sorted(chain.from_iterable(zip(*part, strict=True) for part in columns))


def test_every_block_names_its_site_and_what_came_later_names_none():
    table = Blocks()
    table.block(0x1000, size=10, born=7_000, thread=(1 << 32) - 1)
    table.block(0x2000, size=20, born=8_000, stack=TICKET)
    assert all_of(table, {SLOT: {STACK: 5}}, start_ns=6_000) == [
        (-1, 0x2000, 20, 2_000, 7),
        (5, 0x1000, 10, 1_000, (1 << 32) - 1),
    ]


def test_the_same_stack_is_another_site_in_another_slot():
    table = Blocks()
    table.block(0x1000)
    table.block(0x1000, slot=2)
    table.block(0x3000, slot=3)
    found = all_of(table, {SLOT: {STACK: 0}, 2: {STACK: 1}})
    assert [row[:2] for row in found] == [(-1, 0x3000), (0, 0x1000), (1, 0x1000)]


@pytest.mark.parametrize("drawn_apart", [False, True])
def test_blocks_are_of_the_sites_of_the_picture_whatever_was_joined_since(drawn_apart):
    table, book = Blocks(), SiteBook(FakeTable())  # type: ignore[arg-type]
    table.block(0x1000)
    table.block(0x2000, stack=TICKET)
    sites = [site(id=site_id(1, STACK), stack=STACK)]
    sites += [site(id=site_id(1, TICKET), stack=TICKET)] if drawn_apart else []
    book.credit(SLOT, TICKET, STACK)
    tracer: Any = SimpleNamespace(blocks=table, start_ns=0)
    mappings = Mappings(book, lambda: 0, lambda *_: False, lambda *_: False, lambda _: True)
    blocks = BlockMap(tracer, book, {SLOT: Space(1, Pid(42), lambda _: ())}, mappings)
    (part,) = blocks.columns(picture(*sites))
    found = dict(zip(part.address, part.site, strict=True))
    assert found == {0x1000: 0, 0x2000: 1 if drawn_apart else 0}


class Failing(Blocks):
    """Its second batch cannot be read."""

    def batches(self, size=4096):
        yield from super().batches(size)
        raise OSError("no more")


def test_what_fails_while_it_is_read_ahead_is_raised_after_what_came():
    table = Failing()
    table.block(0x1000)
    parts = block_columns(table, {SLOT: {STACK: 0}}, 0)  # type: ignore[arg-type]
    assert list(next(parts).address) == [0x1000]
    with pytest.raises(OSError, match="no more"):
        next(parts)


def test_who_has_enough_of_it_leaves_no_thread():
    table = Blocks()
    for at in range(50):
        table.block(at << 12)
    parts = block_columns(table, {}, 0)  # type: ignore[arg-type]
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert not [one for one in threading.enumerate() if one.name.startswith("blocks")]
