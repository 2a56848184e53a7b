"""The kernel's walk and its Python twin agree, whatever the stack."""

import functools
from dataclasses import replace

import pytest

from ebpftrace.model.ids import Address
from ebpftrace.unwind.finish import finish
from ebpftrace.unwind.rules import END as OUTERMOST
from ebpftrace.unwind.rules import FP_BY_FP, FROM_FP, GUESS, IN_LR, READ, SIGNAL, STEP, UNKNOWN, End
from tests.unit.walk_generator import damaged, generated
from tests.unit.walks import MACHINES, Case, Walked, Walker, twin

SEEDS = 150

with_each_machine = pytest.mark.parametrize("machine", MACHINES)


@functools.cache
def whole(machine: str) -> dict[int, tuple[Case, Walked]]:
    cases = {seed: generated(seed, machine) for seed in range(SEEDS)}
    return {seed: (case, twin(case)) for seed, case in cases.items()}


@functools.cache
def broken(machine: str) -> list[tuple[Case, Walked]]:
    cases = [damaged(case, seed) for seed, (case, _) in whole(machine).items()]
    return [(case, twin(case)) for case in cases]


@with_each_machine
def test_both_walk_a_whole_stack_alike(machine: str, walker: Walker):
    cases, expected = zip(*whole(machine).values(), strict=True)
    assert [answer.walked for answer in walker.walk(*cases)] == list(expected)


@with_each_machine
def test_both_walk_a_damaged_stack_alike(machine: str, walker: Walker):
    cases, expected = zip(*broken(machine), strict=True)
    assert [answer.walked for answer in walker.walk(*cases)] == list(expected)


@with_each_machine
def test_the_twin_goes_on_where_the_kernel_missed_a_rule(machine: str, walker: Walker):
    cut: list[tuple[Case, Case, Walked, int]] = []
    for seed, (case, walked) in whole(machine).items():
        at = seed % len(walked.pcs)
        before = case.rules.get(walked.pcs[at - 1]) if at else None
        if before is not None and before.how & SIGNAL:
            continue  # what is reported of a miss has no link register
        rules = {pc: rule for pc, rule in case.rules.items() if pc != walked.pcs[at]}
        cut.append((replace(case, rules=rules), case, walked, at))
    answers = walker.walk(*(case for case, *_ in cut))
    for (_, case, walked, at), (stump, last) in zip(cut, answers, strict=True):
        assert stump.end == End.NO_RULE
        assert last.pc == walked.pcs[at]
        most = case.depth - at - 1
        rest = finish(last, case.word, case.rules.get, most, machine)
        assert (*stump.pcs[:at], last.pc, *rest.pcs) == walked.pcs
        assert (rest.end, stump.guessed or rest.guessed) == (walked.end, walked.guessed)


@with_each_machine
def test_every_kind_of_rule_and_of_end_is_among_them(machine: str):
    walks = [*whole(machine).values(), *broken(machine)]
    rules = [
        case.rules[Address(pc)] for case, walked in walks for pc in walked.pcs if pc in case.rules
    ]
    own = {IN_LR} if machine == "aarch64" else {READ, READ | FROM_FP}
    for how in own | {0, FROM_FP, FP_BY_FP, FP_BY_FP | FROM_FP, FROM_FP | GUESS}:
        assert sum(rule.how == STEP | how for rule in rules) > 20
    for how in (SIGNAL, OUTERMOST, UNKNOWN):
        assert sum(rule.how == how for rule in rules) > 5
    if machine == "aarch64":
        assert any(rule.add for rule in rules)  # the link register apart from the frame pointer
        assert any(rule.fp and not rule.add for rule in rules)  # the pair of them
    assert {walked.end for _, walked in walks} == set(End)
