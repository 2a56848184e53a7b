"""All blocks in columns, by the sites of a picture. tests/kernel has the real map."""

from itertools import chain

from ebpftrace.drain.columns import read_columns
from ebpftrace.kernel.layout import BLOCK, BLOCK_KEY
from ebpftrace.model.ids import Slot, StackId
from tests.unit.test_drain import FakeTable

START = 1_000
SITES = {Slot(1): {StackId(5): 0, StackId(6): 0}, Slot(2): {StackId(5): 1}}


def table(*blocks):
    """Of (slot, address, stack)."""
    made = FakeTable()
    for slot, address, stack in blocks:
        made.entries[BLOCK_KEY.pack(slot << 48 | address)] = BLOCK.pack(
            64, stack, START + 7, 42, 3, 0x105
        )
    return made


def columns(made, sites=None):
    found = list(read_columns(made, SITES if sites is None else sites, START))
    return [list(chain.from_iterable(column)) for column in zip(*found, strict=True)]


def test_a_block_has_its_site_address_size_birth_and_thread():
    assert columns(table((1, 0x7F0000001000, 5))) == [[0], [0x7F0000001000], [64], [7], [42]]


def test_stacks_that_became_part_of_a_site_are_its():
    assert columns(table((1, 0x10, 5), (1, 0x20, 6)))[0] == [0, 0]


def test_the_same_stack_in_two_address_spaces_is_two_sites():
    assert columns(table((1, 0x10, 5), (2, 0x10, 5)))[0] == [0, 1]


def test_a_site_that_the_picture_does_not_have_is_minus_one():
    assert columns(table((1, 0x10, 99), (2, 0x20, 6)))[0] == [-1, -1]


def test_blocks_of_other_slots_are_left_out():
    assert columns(table((3, 0x10, 5), (1, 0x20, 5), (3, 0x30, 5)))[1] == [0x20]
    assert columns(table((3, 0x10, 5))) == []
    assert columns(table()) == []
