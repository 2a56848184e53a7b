"""Blocks that the kernel counts under a ticket or a stump, and the site they belong to."""

import pytest

from ebpftrace.drain.joining import SETTLED_S, Joiner
from ebpftrace.drain.stacks import StackBook
from ebpftrace.kernel.layout import SCALE_AT, SCALES
from ebpftrace.model.ids import Slot, StackId
from ebpftrace.unwind.rules import End
from tests.unit.test_drain import FakeTable, book_of, drawing_of, stack_event

SLOT = Slot(1)
TICKET, STUMP, WHOLE = StackId(7), StackId(5), StackId(6)


def sums(book, stack):
    return book.sites[SLOT, stack].sums


@pytest.mark.parametrize("known_first", [True, False])
def test_a_ticket_counts_where_its_stack_belongs_whether_that_is_known_before_or_after_it_is_read(
    known_first,
):
    table = FakeTable()
    book = book_of(table)
    table.cohort(WHOLE, 1, 0, 2, 20)
    table.cohort(TICKET, 1, 0, 1, 10)
    if known_first:
        book.credit(SLOT, TICKET, WHOLE)
    book.poll(0)
    if not known_first:
        book.credit(SLOT, TICKET, WHOLE)
    book.settle()
    assert sums(book, WHOLE) == (3, 30, 0, 0, 0, 0)
    assert (SLOT, TICKET) not in book.sites
    assert book.totals().blocks == 3


def test_the_free_of_a_credited_block_is_counted_where_the_block_is():
    table = FakeTable()
    book = book_of(table)
    table.cohort(TICKET, 1, 0, 1, 10)
    book.poll(0)
    book.credit(SLOT, TICKET, WHOLE)
    book.settle()
    table.cohort(TICKET, 1, 0, 1, 10, 1, 10)
    book.poll(deletable_before=1)
    assert sums(book, WHOLE) == (1, 10, 1, 10, 0, 0)
    assert not table.entries
    assert book.totals().blocks == 0


def test_a_site_is_as_old_as_the_oldest_block_of_all_that_is_credited_to_it():
    table = FakeTable()
    book = book_of(table)
    table.cohort(WHOLE, 1, 3, 1, 10)
    table.cohort(TICKET, 1, 3, 1, 10)
    book.credit(SLOT, TICKET, WHOLE)
    book.poll(0)
    assert book.sites[SLOT, WHOLE].oldest_at == 3
    table.cohort(TICKET, 1, 3, 1, 10, 1, 10)
    book.poll(0)
    assert book.sites[SLOT, WHOLE].oldest_at == 3  # the other one of the same epoch is still there
    table.cohort(WHOLE, 1, 3, 1, 10, 1, 10)
    book.poll(0)
    assert book.sites[SLOT, WHOLE].oldest_at is None


def test_a_ticket_of_a_stump_follows_when_the_stump_is_joined():
    table = FakeTable()
    book = book_of(table)
    book.credit(SLOT, TICKET, STUMP)
    table.cohort(STUMP, 1, 0, 4, 40)
    table.cohort(TICKET, 1, 0, 1, 10)
    book.poll(0)
    book.credit(SLOT, STUMP, WHOLE)
    book.settle()
    assert sums(book, WHOLE)[0] == 5
    assert book.counted_as(SLOT, WHOLE) == {TICKET, STUMP, WHOLE}


def test_a_row_that_became_part_of_another_is_drawn_no_more():
    table = FakeTable()
    book, drawing = drawing_of(table)
    table.cohort(STUMP, 1, 0, 4, 40)
    table.cohort(WHOLE, 1, 0, 1, 10)
    book.poll(0)
    assert len(drawing.draw(1.0)) == 2
    book.credit(SLOT, STUMP, WHOLE)
    (site,) = drawing.draw(2.0)
    assert (site.at.stack, site.counts.blocks) == (WHOLE, 5)
    table.cohort(STUMP, 1, 0, 4, 40, 4, 40)
    book.poll(0)
    (site,) = drawing.draw(3.0)
    assert site.counts.blocks == 1


def test_a_slot_that_ended_takes_its_credits_along():
    table = FakeTable()
    book = book_of(table)
    book.credit(SLOT, TICKET, WHOLE)
    for _ in book.forget_slots({SLOT}):
        pass
    assert book.counted_as(SLOT, WHOLE) == {WHOLE}


def test_what_is_credited_when_its_slot_has_ended_still_moves():
    table = FakeTable()
    book, drawing = drawing_of(table)
    table.cohort(TICKET, 1, 0, 1, 10)
    book.poll(0)
    book.credit(SLOT, TICKET, WHOLE)
    for _ in book.forget_slots({SLOT}):
        pass
    (site,) = drawing.draw(1.0)
    assert (site.at.stack, site.counts.blocks) == (WHOLE, 1)


class Joining:
    """Sites of one slot by their stacks, and looks at them SETTLED_S apart."""

    def __init__(self):
        self.table = FakeTable()
        self.book = book_of(self.table)
        self.stacks = StackBook()
        self.joiner = Joiner(self.book, self.stacks)
        self.looks = 0

    def site(self, *pcs, blocks, end=End.OUTERMOST, called=1, scale=0):
        stack, event = stack_event(*pcs, end=end, called=called)
        self.stacks.add(event)
        if end == End.NO_RULE:
            self.joiner.met(StackId(stack))
        self.table.cohort(stack, 1, scale << SCALE_AT, blocks, 10 * blocks)
        return StackId(stack)

    def look(self, times=2):
        for _ in range(times):
            self.looks += 1
            self.book.poll(0)
            self.joiner.look(self.looks * SETTLED_S)
            self.book.settle()


def test_a_stump_that_begins_exactly_one_whole_stack_is_joined_to_it():
    those = Joining()
    stump = those.site(0x10, 0x20, blocks=3, end=End.NO_RULE)
    whole = those.site(0x10, 0x20, 0x30, blocks=1)
    those.site(0x10, 0x99, 0x30, blocks=1)
    those.look()
    assert sums(those.book, whole)[0] == 4
    assert (SLOT, stump) not in those.book.sites
    assert those.joiner.joined == 3


def test_what_is_joined_is_counted_as_it_was_lost_also_where_each_stands_for_others():
    those = Joining()
    those.site(0x10, blocks=3, end=End.NO_RULE, scale=1)
    whole = those.site(0x10, 0x20, blocks=1, scale=1)
    those.look()
    assert sums(those.book, whole)[0] == 4 * SCALES[1]
    assert those.book.unseen == 4 * (SCALES[1] - 1)
    assert those.joiner.joined == 3


def test_a_stump_that_begins_several_whole_stacks_stays_what_it_is():
    those = Joining()
    stump = those.site(0x10, blocks=3, end=End.NO_RULE)
    those.site(0x10, 0x20, blocks=1)
    those.site(0x10, 0x30, blocks=1)
    those.look(4)
    assert sums(those.book, stump)[0] == 3
    assert those.joiner.joined == 0


@pytest.mark.parametrize("end", [End.TRUNCATED, End.NO_RULE])
def test_a_stump_that_begins_a_whole_stack_and_another_one_stays_what_it_is(end):
    those = Joining()
    stump = those.site(0x10, blocks=3, end=End.NO_RULE)
    those.site(0x10, 0x20, 0x30, blocks=1)
    those.site(0x10, 0x20, 0x20, 0x20, blocks=1, end=end)
    those.look(4)
    assert sums(those.book, stump)[0] == 3


def test_a_stump_and_a_longer_one_that_begin_the_same_stack_are_both_joined_to_it():
    those = Joining()
    those.site(0x10, blocks=3, end=End.NO_RULE)
    those.site(0x10, 0x20, blocks=2, end=End.NO_RULE)
    whole = those.site(0x10, 0x20, 0x30, blocks=1)
    those.look()
    assert sums(those.book, whole)[0] == 6


def test_a_stump_under_which_blocks_are_still_born_is_not_joined_yet():
    those = Joining()
    whole = those.site(0x10, 0x20, blocks=1)
    for blocks in (1, 2, 3):
        those.site(0x10, blocks=blocks, end=End.NO_RULE)
        those.look(1)
    assert sums(those.book, whole)[0] == 1
    those.look(1)
    assert sums(those.book, whole)[0] == 4


@pytest.mark.parametrize("end", [End.UNSUPPORTED, End.UNREADABLE, End.TRUNCATED])
def test_a_stack_that_ended_for_another_reason_than_a_missing_rule_is_no_stump(end):
    those = Joining()
    cut = those.site(0x10, blocks=2, end=end)
    those.site(0x10, 0x20, blocks=1)
    those.look()
    assert sums(those.book, cut)[0] == 2


def test_a_stump_is_only_joined_to_a_stack_of_the_same_function():
    those = Joining()
    stump = those.site(0x10, blocks=2, end=End.NO_RULE, called=1)
    those.site(0x10, 0x20, blocks=1, called=2)
    those.look()
    assert sums(those.book, stump)[0] == 2
