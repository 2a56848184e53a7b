"""What becomes of mappings that the kernel side tells of: counters by site, and what is still there."""

import random

from ebpftrace.drain.mappings import Mappings
from ebpftrace.drain.sites import SiteBook
from ebpftrace.kernel.layout import EVENT_MAPPING, MAPPING, MappingStep
from ebpftrace.model.ids import Slot, StackId
from ebpftrace.model.picture import Counts
from tests.unit.test_drain import FakeTable

SLOT, PAGE = Slot(3), 4096
HERE, THERE, TICKET, INNER = StackId(71), StackId(72), StackId(99), StackId(50)


class Watch:
    """One slot, told of calls as the kernel side does."""

    def __init__(self, own=(), drained_from=1 << 62):
        self.book = SiteBook(FakeTable())  # type: ignore[arg-type]
        self.mappings = Mappings(
            self.book,
            lambda: 0,
            lambda _, address: address in own,
            self.is_inner,
            lambda moment: moment < drained_from,
        )
        self.mappings.begin(SLOT)
        self.now = 0

    @staticmethod
    def is_inner(slot, stack):
        return (slot, stack) == (SLOT, INNER)

    def tell(self, step, thread=1, stack=0, at=0, length=0, old=0, old_length=0, slot=SLOT):
        self.now += 1
        event = (EVENT_MAPPING, step, 0, slot, thread, 0, stack)
        self.mappings.on_events([MAPPING.pack(*event, at, length, old, old_length, self.now)])

    def map(self, at, length, stack=HERE, thread=1):
        self.tell(MappingStep.TAKEN, thread, stack, at, length)

    def begin_unmap(self, at, length, thread=1):
        self.tell(MappingStep.GIVEN_UP, thread, old=at, old_length=length)

    def end_unmap(self, at, length, thread=1, step=MappingStep.GONE):
        self.tell(step, thread, old=at, old_length=length)

    def unmap(self, at, length, thread=1):
        self.begin_unmap(at, length, thread)
        self.end_unmap(at, length, thread)

    def move(self, old, old_length, at, length, stack=THERE, begun=True):
        if begun:
            self.begin_unmap(old, old_length)
        self.tell(MappingStep.TAKEN, 1, stack, at, length, old, old_length)

    def cover(self, at, length):
        self.tell(MappingStep.COVERED, at=at, length=length)

    def held(self, stack=HERE):
        site = self.book.sites.get((SLOT, stack))
        counts = Counts._make(site.sums) if site else Counts()
        return counts.blocks, counts.bytes

    def counts(self, stack=HERE):
        return Counts._make(self.book.sites[SLOT, stack].sums)

    def pieces(self):
        return [(one.address, one.size) for one in self.mappings.pieces(SLOT)]


def test_a_mapping_is_a_block_until_its_last_byte_is_unmapped():
    watch = Watch()
    watch.map(0x10000, 8 * PAGE)
    watch.unmap(0x10000, PAGE)
    watch.unmap(0x10000 + 4 * PAGE, PAGE)
    watch.unmap(0x10000 + 7 * PAGE, PAGE)
    assert watch.held() == (1, 5 * PAGE)
    assert watch.pieces() == [(0x11000, 3 * PAGE), (0x15000, 2 * PAGE)]
    watch.unmap(0x10000, 100 * PAGE)
    assert watch.held() == (0, 0)
    assert watch.counts() == Counts(1, 8 * PAGE, 1, 8 * PAGE)
    assert watch.mappings.counts() == watch.book.totals() == watch.counts()


def test_an_unmap_that_fails_leaves_everything_as_it_was():
    watch = Watch()
    watch.map(0x10000, 4 * PAGE)
    watch.begin_unmap(0x11000, PAGE)
    assert watch.held() == (1, 4 * PAGE), "nothing is freed before it is known"
    watch.end_unmap(0x11000, PAGE, step=MappingStep.KEPT)
    assert watch.held() == (1, 4 * PAGE)
    assert sum(size for _, size in watch.pieces()) == 4 * PAGE
    watch.unmap(0x10000, 4 * PAGE)
    assert watch.counts() == Counts(1, 4 * PAGE, 1, 4 * PAGE)


def test_what_another_thread_is_given_before_the_unmap_returns_stays():
    watch = Watch()
    watch.map(0x10000, PAGE)
    watch.begin_unmap(0x10000, PAGE, thread=1)
    watch.map(0x10000, PAGE, stack=THERE, thread=2)
    watch.end_unmap(0x10000, PAGE, thread=1)
    assert (watch.held(HERE), watch.held(THERE)) == ((0, 0), (1, PAGE))


def test_what_is_mapped_over_another_mapping_takes_that_part_of_it():
    watch = Watch()
    watch.map(0x10000, 4 * PAGE)
    watch.map(0x12000, 4 * PAGE, stack=THERE)
    assert (watch.held(HERE), watch.held(THERE)) == ((1, 2 * PAGE), (1, 4 * PAGE))
    watch.cover(0x10000, 3 * PAGE)
    assert (watch.held(HERE), watch.held(THERE)) == ((0, 0), (1, 3 * PAGE))


def test_a_move_is_the_end_of_the_old_and_a_block_of_the_new_size_at_its_own_site():
    watch = Watch()
    watch.map(0x10000, 2 * PAGE)
    watch.move(0x10000, 2 * PAGE, 0x90000, 5 * PAGE)
    assert (watch.held(HERE), watch.held(THERE)) == ((0, 0), (1, 5 * PAGE))
    watch.move(0x90000, 5 * PAGE, 0x90000, PAGE)  # shrunk where it is
    assert watch.held(THERE) == (1, PAGE)
    assert watch.pieces() == [(0x90000, PAGE)]
    (piece,) = watch.mappings.pieces(SLOT)
    assert piece.born_ns == 1, "its age survives"


def test_a_move_of_a_part_leaves_the_rest_where_it_is():
    watch = Watch()
    watch.map(0x10000, 4 * PAGE)
    watch.move(0x12000, PAGE, 0x90000, PAGE)
    assert (watch.held(HERE), watch.held(THERE)) == ((1, 3 * PAGE), (1, PAGE))


def test_a_move_that_fails_keeps_the_old():
    watch = Watch()
    watch.map(0x10000, 2 * PAGE)
    watch.begin_unmap(0x10000, 2 * PAGE)
    watch.end_unmap(0x10000, 2 * PAGE, step=MappingStep.KEPT)
    assert watch.counts() == Counts(1, 2 * PAGE)


def test_a_move_of_what_is_not_known_is_adopted_if_it_is_the_program_s_own_memory():
    watch = Watch(own=(0x90000,))
    watch.move(0x10000, PAGE, 0x90000, 3 * PAGE)
    watch.move(0x20000, PAGE, 0xA0000, 3 * PAGE)  # of a file, say
    assert watch.counts(THERE) == Counts(0, 0, 0, 0, 1, 3 * PAGE)
    watch.unmap(0x90000, 3 * PAGE)
    assert watch.held(THERE) == (0, 0)


def test_an_unmap_of_what_is_not_known_is_counted_as_unmatched():
    watch = Watch()
    watch.unmap(0x10000, PAGE)
    assert watch.mappings.unmatched == 1
    assert watch.mappings.counts() == Counts()


def test_an_end_that_was_told_without_its_begin_counts():
    watch = Watch()
    watch.map(0x10000, PAGE)
    watch.end_unmap(0x10000, PAGE)
    watch.map(0x20000, PAGE)
    watch.move(0x20000, PAGE, 0x90000, PAGE, begun=False)
    assert (watch.held(HERE), watch.held(THERE)) == ((0, 0), (1, PAGE))


def test_a_begin_of_which_the_end_is_never_told_counts_with_the_next_call_of_the_thread():
    watch = Watch()
    watch.map(0x10000, PAGE)
    watch.begin_unmap(0x10000, PAGE, thread=1)
    watch.map(0x90000, PAGE, stack=THERE, thread=2)
    assert watch.held(HERE) == (1, PAGE)
    watch.map(0x20000, PAGE, stack=THERE, thread=1)
    assert (watch.held(HERE), watch.held(THERE)) == ((0, 0), (2, 2 * PAGE))


def test_what_the_maps_do_not_have_twice_in_a_row_was_unmapped_unseen():
    watch = Watch()
    watch.map(0x10000, 4 * PAGE)
    left = [(0x10000, 0x11000), (0x12000, 0x90000)]
    watch.mappings.look(SLOT, left, 100)
    watch.mappings.look(SLOT, left, 100)  # the same reading
    assert (watch.held(), watch.mappings.missed) == ((1, 4 * PAGE), 0)
    watch.mappings.look(SLOT, left, 200)
    assert (watch.held(), watch.mappings.missed) == ((1, 3 * PAGE), 1)


def test_what_came_after_the_maps_were_read_is_not_judged_by_them():
    watch = Watch()
    watch.map(0x10000, PAGE)
    watch.mappings.look(SLOT, [], 1)
    watch.mappings.look(SLOT, [], 0)
    assert watch.held() == (1, PAGE)


def test_what_is_credited_later_belongs_to_the_owner_from_the_beginning():
    watch = Watch()
    watch.map(0x10000, 2 * PAGE, stack=TICKET)
    watch.book.credit(SLOT, TICKET, HERE)
    watch.unmap(0x10000, PAGE)
    assert watch.held() == (1, PAGE)
    assert (SLOT, TICKET) not in watch.book.sites
    site = watch.book.sites[SLOT, HERE]
    assert [(one.blocks, one.bytes) for one in site.cohorts] == [(1, PAGE)]


def test_a_slot_that_has_ended_keeps_what_it_held_and_the_next_program_begins_with_nothing():
    watch = Watch()
    watch.map(0x10000, PAGE)
    watch.mappings.end(SLOT)
    watch.unmap(0x10000, PAGE)
    assert watch.held() == (1, PAGE)
    assert watch.pieces() == [(0x10000, PAGE)]
    watch.mappings.begin(SLOT)
    watch.unmap(0x10000, PAGE)
    assert watch.pieces() == []
    assert watch.mappings.unmatched == 1


def test_events_of_a_slot_that_nobody_traces_are_nothing():
    watch = Watch()
    watch.tell(MappingStep.TAKEN, stack=HERE, at=0x10000, length=PAGE, slot=9)
    assert watch.mappings.counts() == Counts()


def test_any_calls_in_any_order_end_at_zero_when_all_is_unmapped():
    rng = random.Random(7)
    watch, pages = Watch(own=range(0, 64 * PAGE, PAGE)), 64
    for _ in range(3000):
        at, length = rng.randrange(pages) * PAGE, rng.randrange(1, 9) * PAGE
        stack, thread = rng.choice([HERE, THERE, TICKET]), rng.randrange(4)
        step = rng.choice(list(MappingStep))
        old = (rng.randrange(pages) * PAGE, rng.randrange(3) * PAGE)
        watch.tell(step, thread, stack, at, length, *old)
        counted = sum(size for _, size in watch.pieces())
        assert watch.mappings.counts().bytes >= counted
    for thread in range(4):
        watch.unmap(0, 100 * PAGE, thread)
    assert watch.pieces() == []
    totals = watch.mappings.counts()
    assert (totals.blocks, totals.bytes) == (0, 0)
    assert totals == watch.book.totals()


def test_what_an_allocator_maps_is_not_held_and_ends_what_was_there():
    watch = Watch()
    watch.map(0, 4 * PAGE)
    watch.map(PAGE, PAGE, INNER)
    assert watch.pieces() == [(0, PAGE), (2 * PAGE, 2 * PAGE)]
    assert (SLOT, INNER) not in watch.book.sites
    assert watch.mappings.inner == 1
    watch.move(2 * PAGE, PAGE, 9 * PAGE, PAGE, INNER)
    assert watch.pieces() == [(0, PAGE), (3 * PAGE, PAGE)]
    assert watch.counts() == (1, 4 * PAGE, 0, 2 * PAGE, 0, 0)


def test_what_turns_out_to_be_an_allocators_counts_as_freed_and_as_one_call():
    watch = Watch()
    watch.map(0, 4 * PAGE)
    watch.unmap(PAGE, PAGE)  # in two pieces from now on
    watch.map(8 * PAGE, PAGE, THERE)
    watch.mappings.disown(SLOT, HERE)
    assert watch.pieces() == [(8 * PAGE, PAGE)]
    assert watch.counts() == (1, 4 * PAGE, 1, 4 * PAGE, 0, 0)
    assert watch.mappings.inner == 1
    watch.mappings.disown(SLOT, HERE)
    watch.mappings.disown(Slot(9), HERE)
    assert watch.mappings.inner == 1


def test_while_it_drains_only_what_takes_the_place_of_what_is_held_is_counted():
    watch = Watch(drained_from=3)
    watch.map(0x10000, 4 * PAGE)
    watch.map(0x20000, 4 * PAGE)
    watch.map(0x30000, 4 * PAGE)  # from now on
    assert watch.pieces() == [(0x10000, 4 * PAGE), (0x20000, 4 * PAGE)]
    watch.move(0x10000, 4 * PAGE, 0x40000, 8 * PAGE)
    assert watch.pieces() == [(0x20000, 4 * PAGE), (0x40000, 8 * PAGE)]
    watch.move(0x30000, 4 * PAGE, 0x50000, 8 * PAGE)
    watch.map(0x21000, PAGE)  # over what is held
    assert watch.pieces() == [(0x20000, PAGE), (0x22000, 2 * PAGE), (0x40000, 8 * PAGE)]
