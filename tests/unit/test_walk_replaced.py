"""What others do to a stack and to the rules while it is walked: return probes, and user space."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations_with_replacement

import pytest

from ebpftrace.kernel import layout
from ebpftrace.unwind.finish import Registers
from ebpftrace.unwind.rules import OUTERMOST, STEP, End, Rule, unknown
from tests.unit.walks import Case, Store, Walker, index_of, twin

SP = 0x7FFC_0000_2100
TRAMPOLINE = 0x7FFF_FFFF_E000  # [uprobes]
PCS = tuple(0x40_1008 + 0x1000 * n for n in range(8))
TASK, UTASK = 0xFFFF_8880_0001_0000, 0xFFFF_8880_0002_0000
OFFSETS = (0xB50, 8, 24, 16, 40)  # of utask, return_instances; stack, orig_ret_vaddr, next
Pending = Sequence[tuple[int, int]]
"""Return probes, the innermost first: `return_instance.stack`, and the address that it replaced."""


def chain(pending: Pending) -> dict[int, int]:
    """The kernel's memory from a task on that has these return probes pending."""
    instances = [0xFFFF_8880_0003_0000 + 0x100 * n for n in range(len(pending))] + [0]
    words = {TASK + OFFSETS[0]: UTASK, UTASK + OFFSETS[1]: instances[0]}
    for n, (stack, original) in enumerate(pending):
        words[instances[n] + OFFSETS[2]] = stack
        words[instances[n] + OFFSETS[3]] = original
        words[instances[n] + OFFSETS[4]] = instances[n + 1]
    return words


def at(frame: int) -> int:
    """Where the return address of a frame is."""
    return SP + 16 * frame + 8


def probed(*frames: int, pending: Pending | None = None) -> Case:
    """Eight frames of 16 bytes; the return addresses of `frames` are the trampoline's."""
    known = [(at(n), PCS[n + 1]) for n in frames] if pending is None else pending
    return Case(
        Registers(PCS[0], SP, 0),
        {at(n): pc for n, pc in enumerate(PCS[1:])},
        {**dict.fromkeys(PCS, Rule(STEP, cfa=16)), PCS[-1]: OUTERMOST, TRAMPOLINE: unknown()},
        replaced=dict.fromkeys(map(at, frames), TRAMPOLINE),
        kernel=chain(known),
        task=TASK,
        returns=OFFSETS,
    )


@pytest.mark.parametrize("frames", [(0,), (3,), (0, 1, 2, 3, 4, 5, 6), (2, 6)])
def test_replaced_return_addresses_are_found_again(frames: tuple[int, ...], walker: Walker):
    case = probed(*frames)
    (answer,) = walker.walk(case)
    assert answer.walked == twin(case)
    assert answer.walked[:2] == (PCS, End.OUTERMOST)


def test_return_probes_of_frames_that_are_left_are_passed_over(walker: Walker):
    # Those that a longjmp left behind stay pending until an outer one is hit.
    (answer,) = walker.walk(probed(3, pending=[(SP - 64, 1), (SP - 32, 2), (at(3), PCS[4])]))
    assert answer.walked[:2] == (PCS, End.OUTERMOST)


def test_of_several_return_probes_on_a_frame_each_knows_the_address(walker: Walker):
    # Chained: the kernel gives the later ones the address that the first one found.
    pending = [*[(at(2), PCS[3])] * 3, (at(4), PCS[5])]
    (answer,) = walker.walk(probed(2, 4, pending=pending))
    assert answer.walked[:2] == (PCS, End.OUTERMOST)


def test_not_more_than_four_return_probes_are_looked_through_for_a_frame(walker: Walker):
    pending = [*[(SP - 64, 1)] * 4, (at(0), PCS[1])]
    (answer,) = walker.walk(probed(0, pending=pending))
    assert answer.walked[:2] == ((PCS[0], TRAMPOLINE), End.UNSUPPORTED)


@pytest.mark.parametrize(
    "case",
    [
        probed(1, pending=[]),
        probed(1, pending=[(at(0), PCS[1])]),
        replace(probed(1), returns=(0, 0, 0, 0, 0)),  # a kernel that does not tell its offsets
        replace(probed(1), kernel={}),  # nothing there can be read
    ],
)
def test_a_return_address_that_nobody_replaced_is_taken_as_it_is(case: Case, walker: Walker):
    (answer,) = walker.walk(case)
    assert answer.walked[:2] == ((*PCS[:2], TRAMPOLINE), End.UNSUPPORTED)


def test_code_at_the_start_of_a_page_is_a_frame_like_others(walker: Walker):
    case = probed(pending=[(at(5), PCS[6])])
    page = 0x55_0000_1000
    case = replace(
        case,
        memory={**case.memory, at(0): page, at(1): PCS[2]},
        rules={**case.rules, page: Rule(STEP, cfa=16)},
    )
    (answer,) = walker.walk(case)
    assert answer.walked == twin(case)
    assert answer.walked.pcs == (PCS[0], page, *PCS[2:])


def test_arm64_probes_are_found_by_the_stack_pointer_at_the_entry(walker: Walker):
    # prepare_uretprobe() notes user_stack_pointer() at the function's entry: on arm64 that is the CFA.
    case = probed(2, pending=[(at(2) + 8, PCS[3])])
    pair = dict.fromkeys(PCS[:-1], Rule(STEP, cfa=16, fp=-16))
    (answer,) = walker.walk(replace(case, machine="aarch64", rules={**case.rules, **pair}))
    assert answer.walked[:2] == (PCS, End.OUTERMOST)


SLOT = 5
KEY = layout.slot_key(SLOT, PCS[0])
INDEX = index_of(KEY)
OTHER = next(
    pc for pc in range(0x50_0008, 0x60_0000, 16) if index_of(layout.slot_key(SLOT, pc)) == INDEX
)
OLD, NEW = OUTERMOST.pack(), unknown().pack()
READS = 3  # of one lookup: the key, the rule, the key again


def ends_while(*values: tuple[int, int], walker: Walker) -> set[End]:
    """How walks end in a frame at PCS[0] whose entry is (KEY, OLD), when (word, value) are stored
    in this order, each at any time from before to during the lookup or not at all.
    """
    case = Case(Registers(PCS[0], SP, 0), {SP: 0}, {PCS[0]: Rule.unpack(OLD)}, slot=SLOT)
    times = combinations_with_replacement(range(1, READS + 2), len(values))
    cases = [
        replace(
            case,
            stores=[Store(n, INDEX, *value) for n, value in zip(when, values, strict=True)],
        )
        for when in times
    ]
    return {End(answer.walked.end) for answer in walker.walk(*cases)}


def test_a_rule_that_is_dropped_meanwhile_is_the_old_one_or_none(walker: Walker):
    ends = ends_while((0, 0), (1, 0), walker=walker)
    assert ends == {End.OUTERMOST, End.NO_RULE}


def test_the_rule_of_another_address_in_its_place_is_never_taken(walker: Walker):
    other = layout.slot_key(SLOT, OTHER)
    ends = ends_while((0, 0), (1, 0), (1, NEW), (0, other), walker=walker)
    assert ends == {End.OUTERMOST, End.NO_RULE}


def test_another_rule_for_the_same_address_is_taken_whole(walker: Walker):
    ends = ends_while((1, NEW), walker=walker)
    assert ends == {End.OUTERMOST, End.UNSUPPORTED}


def test_a_rule_that_comes_meanwhile_is_none_or_whole(walker: Walker):
    ends = ends_while((0, 0), (1, 0), (1, NEW), (0, KEY), walker=walker)
    assert ends == {End.OUTERMOST, End.NO_RULE, End.UNSUPPORTED}
