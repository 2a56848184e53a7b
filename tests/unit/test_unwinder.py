"""The rules of one process: made when they are missed, dropped when their code is gone."""

from collections.abc import Iterator

import pytest

from ebpftrace.model.ids import Address
from ebpftrace.session.unwinder import FRESH_S, SOON_S, Miss, Unwinder
from ebpftrace.unwind.rules import GUESSED, OUTERMOST, STEP, Rule, unknown
from tests.unit.space_builders import mapping
from tests.unit.unwinder_builders import (
    GUESS,
    LAST,
    LIBRARY,
    NOWHERE,
    SLOT,
    STACK,
    TICKET,
    WIDE,
    A,
    B,
    C,
    StubRules,
    Walks,
    miss_event,
    nameless,
    walks,
)


@pytest.fixture
def there() -> Iterator[Walks]:
    with walks() as found:
        yield found


def unwinder_of(those: Walks) -> tuple[Unwinder, StubRules]:
    rules = StubRules()
    return Unwinder(those.space, rules, SLOT), rules  # type: ignore[arg-type]


# --- What a miss says ---


def test_a_miss_is_read_with_its_stack_and_the_addresses_that_are_not_in_it():
    miss = Miss.of(miss_event(B, C, stump=5, pc=A, fp=9, replaced={STACK + 8: LAST}))
    assert miss[:6] == (SLOT, TICKET, 5, A, STACK, 9)
    assert miss.word(STACK) == B
    assert miss.word(STACK + 8) == LAST


@pytest.mark.parametrize("address", [STACK - 8, STACK + 9, STACK + 16, 1 << 63])
def test_a_word_that_is_not_wholly_in_what_was_sent_is_not_known(address):
    assert Miss.of(miss_event(B, C, stump=5)).word(address) is None


# --- The rules of one process ---


@pytest.mark.parametrize(
    "pc, rule",
    [(A, Rule(STEP, 8)), (WIDE, Rule(STEP, 24)), (LAST, OUTERMOST), (GUESS, GUESSED)],
)
def test_a_rule_is_made_by_the_address_before_and_installed_once(there, pc, rule):
    unwinder, rules = unwinder_of(there)
    assert unwinder.rule_at(Address(pc)) == rule
    unwinder.rule_at(Address(pc))
    assert (rules.now, rules.installs) == ({pc: rule.pack()}, 1)


def test_code_of_no_file_is_guessed_at_and_the_kernels_own_is_not():
    vsyscall = nameless(LIBRARY + 0x1000, path="[vsyscall]")
    with walks(nameless(LIBRARY), vsyscall) as there:
        unwinder, _ = unwinder_of(there)
        assert unwinder.rule_at(Address(LIBRARY + 5)) == GUESSED
        assert unwinder.rule_at(Address(LIBRARY + 0x1005)) == unknown()


def test_memory_that_does_not_run_has_no_rule_and_none_is_installed():
    with walks(nameless(LIBRARY, perms="rw-p")) as there:
        unwinder, rules = unwinder_of(there)
        assert unwinder.rule_at(Address(LIBRARY + 5)) is None
        assert unwinder.rule_at(Address(NOWHERE)) is None
        assert not rules.installs


def test_the_maps_are_not_read_for_what_is_known(there):
    unwinder, _ = unwinder_of(there)
    unwinder.rule_at(Address(A))
    there.clock.now += 2 * SOON_S
    unwinder.look_for_unknown()
    assert not unwinder.look_again()
    assert there.stub.reads == 1


def test_rules_by_maps_that_are_no_longer_fresh_are_looked_at_again(there):
    unwinder, _ = unwinder_of(there)
    unwinder.rule_at(Address(A))
    there.clock.now += 2 * FRESH_S
    assert not unwinder.look_again()
    assert there.stub.reads == 2


def test_the_rules_of_what_is_gone_are_dropped_and_the_others_stay():
    with walks(mapping(LIBRARY)) as there:
        unwinder, rules = unwinder_of(there)
        for pc in (A, LIBRARY + 1):
            unwinder.rule_at(Address(pc))
        there.stub.now = there.stub.now[:1]
        there.clock.now += 2 * FRESH_S
        assert unwinder.look_again()
        assert list(rules.now) == [A]
        assert not unwinder.look_again()


def test_the_rule_of_a_call_that_ends_a_mapping_is_dropped_with_it():
    # A call that does not return may be the last instruction: it returns to what follows.
    with walks(nameless(LIBRARY)) as there:
        unwinder, _ = unwinder_of(there)
        behind = Address(LIBRARY + 0x1000)
        assert unwinder.rule_at(behind) == GUESSED
        there.stub.now = there.stub.now[:1]
        there.space.refresh()
        assert unwinder.rule_at(behind) is None


def test_a_closed_unwinder_leaves_no_rule(there):
    unwinder, rules = unwinder_of(there)
    unwinder.rule_at(Address(A))
    unwinder.close()
    assert not rules.now
