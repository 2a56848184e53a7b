"""What becomes of the walks that missed a rule: whole stacks, longer stumps, and what is counted as cut."""

import platform
from collections.abc import Iterator

import pytest

from ebpftrace.kernel.layout import EVENT, EVENT_FORK
from ebpftrace.model.ids import StackId
from ebpftrace.session.unwinder import FRESH_S, SOON_S
from ebpftrace.session.unwinding import REREAD_S
from ebpftrace.unwind.rules import STEP, End, Rule
from tests.unit.space_builders import mapping
from tests.unit.unwinder_builders import (
    GUESS,
    LAST,
    LIBRARY,
    NOWHERE,
    OTHER_LAST,
    SLOT,
    STACK,
    TICKET,
    WIDE,
    A,
    B,
    C,
    Walks,
    miss_event,
    nameless,
    walks,
)

TRAMPOLINE = 0x7FFF_FFFF_E000
"""Functions with a return probe return to the first byte of this page."""
UPROBES = nameless(TRAMPOLINE, path="[uprobes]", perms="--xp")


@pytest.fixture(autouse=True)
def _on_x86_64(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code and the stacks are of that machine."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.fixture
def there() -> Iterator[Walks]:
    with walks() as found:
        yield found


# --- Finished walks ---


def test_a_miss_is_finished_and_credited_to_the_whole_stack_by_the_kernels_id(there):
    there.miss(WIDE, B, 0, LAST)
    assert there.is_credited(A, WIDE, LAST)
    assert set(there.rules.now) == {A, WIDE, LAST}
    assert there.named[-1] == (A, WIDE, LAST)
    assert not there.losses()


def test_a_block_is_counted_at_the_whole_stack_from_its_beginning(there):
    there.table.cohort(TICKET, SLOT, 0, 1, 10)
    there.book.poll(0)
    there.miss(B, LAST)
    there.book.settle()
    whole = there.stack(A, B, LAST)
    assert list(there.book.sites) == [(SLOT, whole)]


def test_a_slice_that_ends_early_makes_a_longer_stump(there):
    there.miss(B, C)
    assert there.is_credited(A, B, C, end=End.NO_RULE)
    assert there.losses() == {"stack_cut": 1}


def test_a_longer_stump_is_joined_to_the_only_whole_stack_that_begins_so(there):
    there.table.cohort(TICKET, SLOT, 0, 1, 10)
    there.miss(B)
    whole = there.stack(A, B, LAST)
    there.table.cohort(whole, SLOT, 0, 2, 20)
    there.book.poll(0)
    there.unwinding.look(1.0, final=True)
    there.book.settle()
    assert there.book.sites[SLOT, whole].sums[0] == 3


def test_a_miss_from_before_anything_was_counted_is_for_its_rules_only(there):
    there.miss(B, C, counted=False)
    assert set(there.rules.now) == {A, B, C}
    assert not there.losses()
    assert not there.is_credited(A, B, C, end=End.NO_RULE)


def test_a_miss_whose_slice_leads_nowhere_is_credited_to_its_stump(there):
    there.miss()
    assert there.is_credited(A, end=End.NO_RULE)
    assert there.losses() == {"stack_cut": 1}


def test_a_frame_whose_tables_cannot_be_followed_ends_the_stack():
    with walks(nameless(LIBRARY, path="[vsyscall]")) as there:
        there.miss(B, LIBRARY + 5, LAST)
        assert there.is_credited(A, B, LIBRARY + 5, end=End.UNSUPPORTED)
        assert there.losses() == {"stack_cut": 1}


def test_an_address_where_nothing_is_mapped_ends_the_stack_before_it(there):
    there.miss(B, NOWHERE, LAST)
    there.wait()
    assert there.is_credited(A, B, end=End.UNREADABLE)
    assert there.losses() == {"stack_cut": 1}


def test_an_address_is_refused_only_after_the_maps_were_read_since(there):
    there.miss(B, NOWHERE)
    there.unwinding.on_idle()
    assert not there.rules.reported_no_more
    there.clock.now += 2 * SOON_S
    there.unwinding.on_idle()
    there.unwinding.on_idle()
    assert there.rules.reported_no_more == [NOWHERE]


def test_a_library_that_came_a_moment_ago_is_found_and_the_walk_finished_again(there):
    there.stub.now += (mapping(LIBRARY),)
    there.clock.now += 2 * SOON_S
    there.miss(LIBRARY + 1, LAST)
    assert there.is_credited(A, LIBRARY + 1, LAST)
    assert not there.rules.reported_no_more
    assert not there.losses()


def test_a_walk_by_the_rules_of_a_library_that_another_took_the_place_of_is_done_again():
    with walks(mapping(LIBRARY)) as there:
        words = (LIBRARY + 1, LAST, 0, OTHER_LAST)
        there.miss(*words)
        assert there.is_credited(A, LIBRARY + 1, LAST)
        # Of the same file another part, whose frames are of three words.
        there.stub.now = (there.stub.now[0], mapping(LIBRARY, offset=mapping().offset + 64))
        there.clock.now += 2 * FRESH_S
        there.miss(*words, ticket=StackId(8))
        assert there.is_credited(A, LIBRARY + 1, OTHER_LAST, ticket=StackId(8))
        assert there.rules.now[LIBRARY + 1] == Rule(STEP, 24).pack()


def test_misses_that_come_together_cost_one_reading_of_the_maps(there):
    there.stub.now += (mapping(LIBRARY),)
    there.clock.now += 2 * SOON_S
    stump = there.stack(A, end=End.NO_RULE)
    pcs = {7: LIBRARY + 1, 8: LIBRARY + 2}
    there.unwinding.on_misses(
        [miss_event(pc, LAST, stump=stump, ticket=ticket) for ticket, pc in pcs.items()]
    )
    for ticket, pc in pcs.items():
        assert there.is_credited(A, pc, LAST, ticket=StackId(ticket))
    assert there.stub.reads == 2


# --- Return probes ---


def test_a_return_address_that_a_probe_has_replaced_is_taken_from_what_was_sent():
    with walks(UPROBES) as there:
        there.miss(B, TRAMPOLINE, LAST, replaced={STACK + 8: C})
        assert there.is_credited(A, B, C, LAST)


def test_before_a_replaced_return_address_that_was_not_sent_the_stack_is_a_longer_stump():
    with walks(UPROBES) as there:
        there.miss(B, TRAMPOLINE, LAST)
        assert there.is_credited(A, B, end=End.NO_RULE)
        there.clock.now += 2 * SOON_S
        there.unwinding.on_idle()
        assert not there.rules.reported_no_more


# --- Guesses ---


def test_what_a_guess_led_to_is_part_of_the_stack_once_a_rule_says_that_it_is_code(there):
    there.miss(C, LAST, stump=(A, GUESS), guessed=True, pc=B)
    assert there.is_credited(A, GUESS, B, C, LAST, guessed=True)
    assert there.losses() == {"stack_guessed": 1}


def test_what_a_guess_led_to_and_is_no_code_is_no_part_of_the_stack(there):
    there.miss(C, LAST, stump=(A, GUESS), guessed=True, pc=NOWHERE)
    there.wait()
    assert there.is_credited(A, GUESS, end=End.NO_RULE, guessed=True)
    assert there.losses() == {"stack_cut": 1}


def test_a_guess_on_the_way_marks_the_stack(there):
    # The frame pointer leads to the pair of the caller's and the return address.
    there.miss(GUESS, 0, 0, B, LAST, fp=STACK + 16)
    assert there.is_credited(A, GUESS, B, LAST, guessed=True)
    assert there.losses() == {"stack_guessed": 1}


def test_a_frame_from_which_a_guess_leads_to_no_code_stays_in_the_stack(there):
    there.miss(B, GUESS, 0, NOWHERE, fp=STACK + 16)
    there.wait()
    assert there.is_credited(A, B, GUESS, end=End.UNREADABLE, guessed=True)


# --- The limit ---


@pytest.mark.parametrize("stump", [(A,), (A, A, A), (A, A, A, A)])
def test_a_finished_stack_has_as_many_frames_as_a_walk_of_the_kernel_at_most(stump):
    with walks(depth=4) as there:
        there.miss(*[A] * 10, stump=stump)
        assert there.is_credited(A, A, A, A, end=End.TRUNCATED)
        assert there.losses() == {"stack_truncated": 1}


@pytest.mark.parametrize("before", [(), (A,), (A, A)])
def test_what_a_guess_led_to_counts_towards_the_limit(before):
    with walks(depth=4) as there:
        there.miss(*[B] * 10, stump=(*before, GUESS), guessed=True, pc=B)
        pcs = (*before, GUESS, B, B, B)[:4]
        assert there.is_credited(*pcs, end=End.TRUNCATED, guessed=True)


def test_a_stack_that_ends_with_its_last_frame_allowed_is_whole():
    with walks(depth=4) as there:
        there.miss(B, C, LAST)
        assert there.is_credited(A, B, C, LAST)


# --- What comes late ---


def test_a_miss_is_held_until_its_stump_has_come_and_its_rules_are_made_at_once(there):
    stump = StackId(0)
    with walks() as elsewhere:
        stump = elsewhere.stack(A, end=End.NO_RULE)
    there.unwinding.on_misses([miss_event(B, LAST, stump=stump)])
    assert set(there.rules.now) == {A, B, LAST}
    assert there.book.counted_as(SLOT, stump) == {stump}
    there.stack(A, end=End.NO_RULE)
    there.unwinding.on_idle()
    assert there.is_credited(A, B, LAST)
    assert not there.losses()


def test_a_miss_whose_stump_never_comes_is_tried_some_times_and_then_credited_to_it(there):
    unsent = StackId(5)
    there.unwinding.on_misses([miss_event(B, LAST, stump=unsent)])
    assert not there.losses()
    there.wait()
    assert there.book.counted_as(SLOT, unsent) == {unsent, TICKET}
    assert there.losses() == {"stack_cut": 1}


def test_those_that_come_meanwhile_are_not_held_up(there):
    there.unwinding.on_misses([miss_event(B, LAST, stump=5)])
    there.miss(C, LAST, ticket=StackId(8))
    assert there.is_credited(A, C, LAST, ticket=StackId(8))
    there.wait()
    assert TICKET in there.book.counted_as(SLOT, StackId(5))


def test_a_miss_of_a_slot_that_has_ended_is_credited_to_its_stump(there):
    there.miss(B, LAST)
    there.unwinding.end(SLOT)
    assert not there.rules.now
    there.miss(C, LAST, ticket=StackId(8))
    assert there.is_credited(A, end=End.NO_RULE, ticket=StackId(8))
    assert not there.rules.now


def test_learning_hands_on_the_events_that_are_somebody_else_s(there):
    fork = EVENT.pack(EVENT_FORK, 0, 0, SLOT, 2, 0, 0)
    there.polls.append([fork])
    assert there.unwinding.learn() == [fork]


def test_learning_makes_the_rules_and_credits_nothing(there):
    stump = there.stack(A, end=End.NO_RULE)
    there.polls = [[miss_event(B, LAST, stump=stump)], [], [miss_event(C, LAST, stump=stump)]]
    there.unwinding.learn()
    assert set(there.rules.now) == {A, B, C, LAST}
    assert there.book.counted_as(SLOT, stump) == {stump}


def test_a_stack_that_a_walk_could_not_read_on_makes_the_maps_be_read(there):
    there.clock.now += 2 * SOON_S
    there.stack(A, B)
    assert there.stub.reads == 1
    there.stack(A, C, end=End.UNREADABLE)
    assert there.stub.reads == 2


def test_what_was_unmapped_is_looked_for_with_the_pictures():
    with walks(mapping(LIBRARY)) as there:
        there.miss(LIBRARY + 1, LAST)
        there.stub.now = there.stub.now[:1]
        there.clock.now += REREAD_S
        there.unwinding.look(5.0, final=False)
        assert set(there.rules.now) == {A, LAST}


# --- What is corrected ---


def test_what_was_found_out_here_is_added_to_what_the_kernel_counted(there):
    there.miss(B)
    there.rules.full = 3
    found = there.losses(stack_cut=10, rules_full=1, filtered=2)
    assert found == {"stack_cut": 11, "rules_full": 4, "filtered": 2}


def test_what_was_joined_is_cut_no_more(there):
    stump, whole = there.stack(A, end=End.NO_RULE), there.stack(A, LAST)
    there.table.cohort(stump, SLOT, 0, 4, 40)
    there.table.cohort(whole, SLOT, 0, 1, 10)
    there.book.poll(0)
    there.unwinding.look(1.0, final=True)
    assert there.losses(stack_cut=5) == {"stack_cut": 1}
