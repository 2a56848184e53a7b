"""From map entries to sites: sums, deletion of closed cohorts, growth, stacks.

The tables here are dictionaries: what is tested is arithmetic. tests/kernel has the real maps.
"""

import struct

from ebpftrace.drain.closing import EpochCloser
from ebpftrace.drain.drawing import Drawing
from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.space import Space
from ebpftrace.drain.stacks import StackBook
from ebpftrace.drain.sweep import KEPT_S, Sweeper
from ebpftrace.kernel.layout import (
    BLOCK,
    BLOCK_KEY,
    COHORT,
    COHORT_KEY,
    EVENT,
    EVENT_STACK,
    stack_hash,
)
from ebpftrace.model.ids import Address, Pid, Slot
from ebpftrace.unwind.rules import End
from tests.unit.builders import frame

CALLED = 1  # glibc's malloc


class FakeTable:
    """A map as a dictionary of bytes, read in batches of two entries."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}

    def batches(self, _size=0):
        items = list(self.entries.items())
        for at in range(0, len(items), 2):
            pair = items[at : at + 2]
            yield (
                memoryview(b"".join(key for key, _ in pair)),
                memoryview(b"".join(value for _, value in pair)),
            )

    def delete(self, key):
        return self.entries.pop(key, None) is not None

    def cohort(self, stack, slot, epoch, *counts):
        self.entries[COHORT_KEY.pack(stack, slot, epoch)] = COHORT.pack(
            *counts, *[0] * (6 - len(counts))
        )


def book_of(table):
    return SiteBook(table)


def test_a_site_is_the_sum_of_its_cohorts():
    table = FakeTable()
    for epoch in range(3):
        table.cohort(5, 1, epoch, 10, 1000, 4, 400)
    book = book_of(table)
    book.poll(0)
    assert book.sites[1, 5].sums == (30, 3000, 12, 1200, 0, 0)
    assert book.totals().blocks == 18


def test_a_second_poll_adds_only_what_changed():
    table = FakeTable()
    table.cohort(5, 1, 0, 10, 1000)
    book = book_of(table)
    book.poll(0)
    book.poll(0)
    table.cohort(5, 1, 0, 11, 1100, 1, 100)
    book.poll(0)
    assert book.sites[1, 5].sums == (11, 1100, 1, 100, 0, 0)


def test_the_same_stack_in_two_address_spaces_is_two_sites():
    table = FakeTable()
    table.cohort(5, 1, 0, 1, 10)
    table.cohort(5, 2, 0, 2, 20)
    book = book_of(table)
    book.poll(0)
    assert {key: site.sums[0] for key, site in book.sites.items()} == {(1, 5): 1, (2, 5): 2}


def test_a_closed_and_empty_cohort_is_deleted_and_its_counters_stay():
    table = FakeTable()
    table.cohort(5, 1, 3, 10, 1000, 10, 1000)
    book = book_of(table)
    book.poll(deletable_before=4)
    assert not table.entries
    assert not len(book)
    assert book.sites[1, 5].sums[2] == 10


def test_an_empty_cohort_of_an_open_epoch_is_left_alone():
    table = FakeTable()
    table.cohort(5, 1, 3, 10, 1000, 10, 1000)
    book = book_of(table)
    book.poll(deletable_before=3)
    assert table.entries


def test_adopted_blocks_count_for_emptiness():
    table = FakeTable()
    table.cohort(5, 1, 0, 0, 0, 1, 64, 1, 64)
    table.cohort(6, 1, 0, 0, 0, 0, 0, 1, 64)
    book = book_of(table)
    book.poll(deletable_before=9)
    assert [COHORT_KEY.unpack(key)[0] for key in table.entries] == [6]


def test_the_cohort_of_births_without_a_stack_is_never_deleted():
    table = FakeTable()
    table.cohort(0, 1, 0)
    book = book_of(table)
    book.poll(deletable_before=9)
    assert table.entries


def test_a_cohort_that_comes_back_after_its_deletion_starts_anew():
    table = FakeTable()
    table.cohort(5, 1, 0, 3, 30, 3, 30)
    book = book_of(table)
    book.poll(deletable_before=1)
    table.cohort(5, 1, 7, 2, 20)
    book.poll(deletable_before=1)
    assert book.sites[1, 5].sums == (5, 50, 3, 30, 0, 0)


def test_the_oldest_block_is_that_of_the_first_epoch_that_holds_one():
    table = FakeTable()
    table.cohort(5, 1, 2, 1, 10, 1, 10)
    table.cohort(5, 1, 61, 1, 10)
    book = book_of(table)
    book.poll(0)
    assert book.sites[1, 5].oldest_at == 70


def drawing_of(table, stacks=None):
    book = book_of(table)
    spaces = {1: Space(1, Pid(42), lambda pcs: tuple(frame(hex(pc)) for pc in pcs))}
    return book, Drawing(book, StackBook() if stacks is None else stacks, spaces)


def test_growth_is_measured_over_the_last_five_to_ten_seconds():
    table = FakeTable()
    book, drawing = drawing_of(table)
    rates = []
    for second in range(1, 31):
        table.cohort(5, 1, 0, second, 100 * second)
        book.poll(0)
        rates.append(drawing.draw(float(second))[0].growth)
    assert all(abs(rate - 100) < 1e-6 for rate in rates)


def test_growth_falls_to_zero_when_a_site_stops_growing():
    table = FakeTable()
    book, drawing = drawing_of(table)
    table.cohort(5, 1, 0, 1, 1000)
    book.poll(0)
    rates = [drawing.draw(float(second))[0].growth for second in range(1, 20)]
    assert rates[0] == 1000
    assert rates[-1] == 0


def test_adoption_is_no_growth():
    table = FakeTable()
    book, drawing = drawing_of(table)
    table.cohort(5, 1, 0, 0, 0, 0, 0, 1, 5000)
    book.poll(0)
    assert drawing.draw(1.0)[0].growth == 0
    assert drawing.draw(1.0)[0].counts.bytes == 5000


def test_a_site_without_any_birth_is_not_drawn():
    table = FakeTable()
    book, drawing = drawing_of(table)
    table.cohort(0, 1, 0)
    book.poll(0)
    assert drawing.draw(1.0) == ()


def stack_event(*pcs, called=CALLED, stack=None, end=End.OUTERMOST, guessed=False):
    stack = stack_hash(pcs, called, end, guessed=guessed) if stack is None else stack
    head = EVENT.pack(EVENT_STACK, end, guessed, 1, len(pcs), called, stack)
    return stack, head + struct.pack(f"<{len(pcs)}Q", *pcs)


def test_a_site_gets_its_frames_when_its_stack_arrives_late():
    table = FakeTable()
    stacks = StackBook()
    book, drawing = drawing_of(table, stacks)
    stack, event = stack_event(0x10, 0x20)
    table.cohort(stack, 1, 0, 1, 10)
    book.poll(0)
    assert drawing.draw(1.0)[0].at.allocator is None
    stacks.add(event)
    (site,) = drawing.draw(2.0)
    assert (site.at.allocator, site.at.family) == ("malloc", "glibc")
    assert [one.function for one in site.at.frames] == ["0x10", "0x20"]


def test_a_stack_that_another_walk_overwrote_is_not_believed():
    _, event = stack_event(0x10, 0x20, stack=12345)
    assert StackBook().add(event) is None


def test_a_stack_event_that_is_cut_short_is_not_believed():
    _, event = stack_event(0x10, 0x20)
    assert StackBook().add(event[:-8]) is None


def test_a_stack_is_complete_only_where_its_walk_ended_at_the_outermost_frame():
    for end in End:
        book = StackBook()
        stack, event = stack_event(0x10, 0x20, end=end)
        book.add(event)
        found = book.get(stack)
        assert found is not None
        assert found.complete is (end == End.OUTERMOST)


def test_a_stack_that_was_finished_here_has_the_id_that_the_kernel_gives_the_same_walk():
    book = StackBook()
    stump, event = stack_event(0x10, end=End.NO_RULE)
    book.add(event)
    whole, _ = stack_event(0x10, 0x20, 0x30)
    found = book.get(stump)
    assert found is not None
    assert (
        book.put(found.continued((Address(0x20), Address(0x30)), End.OUTERMOST, guessed=False))
        == whole
    )


def test_a_retired_slot_is_swept_and_then_free_and_others_keep_their_entries():
    cohorts, blocks = FakeTable(), FakeTable()
    cohorts.cohort(5, 1, 0, 1, 10)
    cohorts.cohort(5, 2, 0, 1, 10)
    for slot in (1, 2):
        blocks.entries[BLOCK_KEY.pack(slot << 48 | 0x1000)] = BLOCK.pack(10, 5, 0, 7, 0, 1)
    book = book_of(cohorts)
    book.poll(0)
    now = [0.0]
    sweeper = Sweeper(blocks, book, lambda: now[0])  # type: ignore[arg-type]
    assert sweeper.step() == []
    sweeper.retire(Slot(1))
    assert sweeper.step() == [], "somebody may want its blocks"
    now[0] = KEPT_S
    assert sweeper.step() == [1]
    assert [BLOCK_KEY.unpack(key)[0] >> 48 for key in blocks.entries] == [2]
    assert [COHORT_KEY.unpack(key)[1] for key in cohorts.entries] == [2]
    assert (1, 5) not in book.sites  # its key may be another program's now
    assert book.totals().blocks == 2


def test_a_slot_is_kept_after_the_first_picture_of_its_end_however_late_that_comes():
    now = [0.0]
    sweeper = Sweeper(FakeTable(), book_of(FakeTable()), lambda: now[0])  # type: ignore[arg-type]
    sweeper.retire(Slot(1))
    now[0] = 3600.0
    assert sweeper.step() == []
    now[0] += KEPT_S
    assert sweeper.step() == [1]


def test_slots_are_swept_sooner_where_many_wait():
    sweeper = Sweeper(FakeTable(), book_of(FakeTable()), lambda: 0.0)  # type: ignore[arg-type]
    for slot in range(1, 300):
        sweeper.retire(Slot(slot))
    assert sweeper.step() == [*range(1, 44)]
    assert sweeper.step() == []


def test_a_slot_that_is_used_again_starts_with_new_sites():
    table = FakeTable()
    table.cohort(5, 1, 0, 3, 30)
    book = book_of(table)
    book.poll(0)
    for _ in book.forget_slots({Slot(1)}):
        pass
    table.cohort(5, 1, 0, 2, 20)
    book.poll(0)
    assert book.sites[1, 5].sums[0] == 2
    assert book.totals().blocks == 5


def test_an_epoch_is_settled_two_seconds_after_it_was_closed():
    closer = EpochCloser()
    said = [closer.close(float(second)) for second in range(1, 16)]
    assert said[9] == (0, 0)  # ten seconds: epoch 0 ended nine seconds ago
    assert said[10] == (1, 0)
    assert said[12] == (3, 1)


def test_polls_that_come_rarely_still_settle():
    closer = EpochCloser()
    assert closer.close(100.0) == (63, 0)
    assert closer.close(200.0)[1] == 63
