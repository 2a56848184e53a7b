"""What a site holds by the epochs its blocks were born in."""

import random

from ebpftrace.kernel.layout import COHORT, COHORT_KEY
from ebpftrace.model.ids import Slot, StackId
from tests.unit.test_drain import FakeTable, drawing_of

SLOT = Slot(1)
STUMP, WHOLE = StackId(5), StackId(6)


class Watch:
    """One table, drawn once a second."""

    def __init__(self):
        self.table = FakeTable()
        self.book, self.drawing = drawing_of(self.table)
        self.seconds = 0

    def sites(self, deletable_before=0):
        self.seconds += 1
        self.book.poll(deletable_before)
        return self.drawing.draw(float(self.seconds))

    def site(self, deletable_before=0):
        (one,) = self.sites(deletable_before)
        held = sum(c.blocks for c in one.cohorts), sum(c.bytes for c in one.cohorts)
        assert held == (one.counts.blocks, one.counts.bytes)
        return one

    def cohorts(self, deletable_before=0):
        return self.site(deletable_before).cohorts


def test_cohorts_that_hold_something_come_by_epoch_with_what_is_outstanding():
    watch = Watch()
    watch.table.cohort(5, 1, 7, 3, 300, 1, 50)
    watch.table.cohort(5, 1, 2, 9, 900, 9, 900)
    watch.table.cohort(5, 1, 1, 1, 10)
    assert watch.cohorts() == ((1, 1, 10, 0), (7, 2, 250, 0))


def test_a_cohort_comes_when_it_begins_to_hold_something_and_goes_when_it_is_freed():
    watch = Watch()
    watch.table.cohort(5, 1, 4, 1, 10)
    assert watch.cohorts() == ((4, 1, 10, 0),)
    watch.table.cohort(5, 1, 3, 2, 20)
    assert watch.cohorts() == ((3, 2, 20, 0), (4, 1, 10, 0))
    watch.table.cohort(5, 1, 3, 2, 20, 2, 20)
    assert watch.cohorts(deletable_before=4) == ((4, 1, 10, 0),)
    watch.table.cohort(5, 1, 4, 1, 10, 1, 10)
    assert watch.cohorts() == ()


def test_a_cohort_without_bytes_holds_its_blocks():
    watch = Watch()
    watch.table.cohort(5, 1, 4, 2, 0)
    assert watch.cohorts() == ((4, 2, 0, 0),)


def test_adopted_bytes_are_of_freed_blocks_too():
    watch = Watch()
    watch.table.cohort(5, 1, 4, 1, 10, 1, 500, 2, 700)
    assert watch.cohorts() == ((4, 2, 210, 700),)


def test_births_whose_stack_was_not_kept_have_a_cohort_and_no_age():
    watch = Watch()
    watch.table.cohort(0, 1, 0, 2, 20)
    site = watch.site()
    assert site.cohorts == ((0, 2, 20, 0),)
    assert site.oldest_at is None


def test_what_is_credited_to_a_site_is_one_cohort_with_its_own_of_the_same_epoch():
    watch = Watch()
    watch.table.cohort(STUMP, 1, 3, 4, 40, 0, 0, 1, 7)
    watch.table.cohort(STUMP, 1, 1, 1, 1)
    watch.table.cohort(WHOLE, 1, 3, 2, 20, 1, 10, 1, 9)
    watch.table.cohort(WHOLE, 1, 5, 1, 5)
    watch.sites()
    watch.book.credit(SLOT, STUMP, WHOLE)
    assert watch.cohorts() == ((1, 1, 1, 0), (3, 7, 66, 16), (5, 1, 5, 0))
    watch.table.cohort(STUMP, 1, 3, 4, 40, 5, 47, 1, 7)
    assert watch.cohorts() == ((1, 1, 1, 0), (3, 2, 19, 16), (5, 1, 5, 0))
    watch.table.cohort(WHOLE, 1, 3, 2, 20, 3, 29, 1, 9)
    assert watch.cohorts() == ((1, 1, 1, 0), (5, 1, 5, 0))


def test_whatever_changes_in_whichever_order_cohorts_add_up_to_what_the_kernel_has():
    chance = random.Random(7)
    watch = Watch()
    watch.book.credit(SLOT, STUMP, WHOLE)
    for _ in range(200):
        for _ in range(chance.randrange(1, 9)):
            blocks, freed = sorted((chance.randrange(9), chance.randrange(9)), reverse=True)
            stack = chance.choice((STUMP, WHOLE))
            epoch = chance.randrange(6)
            watch.table.cohort(stack, 1, epoch, blocks, 10 * blocks, freed, 10 * freed)
        held: dict[int, int] = {}
        for key, value in watch.table.entries.items():
            blocks, _, freed, *_ = COHORT.unpack(value)
            epoch = COHORT_KEY.unpack(key)[2]
            held[epoch] = held.get(epoch, 0) + blocks - freed
        found = watch.cohorts() if watch.sites() else ()
        assert found == tuple((e, n, 10 * n, 0) for e, n in sorted(held.items()) if n)


def test_what_was_read_in_the_middle_of_a_change_adds_up_then_and_later():
    watch = Watch()
    watch.table.cohort(5, 1, 4, 1, 64, 1, 0)  # its block is freed, its bytes not yet
    assert watch.cohorts() == ((4, 0, 64, 0),)
    watch.table.cohort(5, 1, 4, 2, 128, 1, 64)
    assert watch.cohorts() == ((4, 1, 64, 0),)


def test_a_cohort_that_did_not_change_is_the_same_object_again():
    watch = Watch()
    watch.table.cohort(5, 1, 0, 1, 10)
    watch.table.cohort(5, 1, 1, 1, 10)
    before = watch.cohorts()
    watch.table.cohort(5, 1, 1, 2, 20)
    after = watch.cohorts()
    assert after[0] is before[0]
    assert after[1] == (1, 2, 20, 0)


def test_a_slot_that_ended_keeps_its_cohorts_in_the_picture():
    watch = Watch()
    watch.table.cohort(5, 1, 2, 2, 20)
    before = watch.cohorts()
    for _ in watch.book.forget_slots({SLOT}):
        pass
    assert not watch.table.entries
    assert watch.cohorts() == before
