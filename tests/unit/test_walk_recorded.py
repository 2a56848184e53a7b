"""Stacks of real programs (scripts/record-walks) are walked exactly as gdb saw them."""

import base64
import json
import zlib
from pathlib import Path

import pytest

from ebpftrace.unwind.finish import Registers
from ebpftrace.unwind.rules import FP_BY_FP, FROM_FP, READ, SIGNAL, STEP, End, Rule
from tests.unit.walks import Case, Walker, twin

RECORDED = sorted(Path(__file__).parents[1].joinpath("walks").glob("*.json"))
Stack = tuple[Case, tuple[int, ...]]
"""What was recorded, and the true frames."""


def stacks(file: Path) -> list[Stack]:
    recorded = json.loads(file.read_text(encoding="ascii"))
    rules = {int(pc, 16): Rule.unpack(int(rule, 16)) for pc, rule in recorded["rules"].items()}
    found = []
    for walk in recorded["walks"]:
        sp, fp = int(walk["sp"], 16), int(walk["fp"], 16)
        words = memoryview(zlib.decompress(base64.b64decode(walk["stack"]))).cast("Q")
        memory = {sp + 8 * n: word for n, word in enumerate(words)}
        frames = tuple(int(pc, 16) for pc in walk["frames"])
        registers = Registers(frames[0], sp, fp)
        found.append((Case(registers, memory, rules, recorded["machine"]), frames))
    return found


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_a_real_stack_is_walked_as_gdb_sees_it(file: Path, walker: Walker):
    cases, frames = zip(*stacks(file), strict=True)
    for case, answer, true in zip(cases, walker.walk(*cases), frames, strict=True):
        assert answer.walked == twin(case)
        assert answer.walked[:3] == (true, End.OUTERMOST, False)


def test_the_real_stacks_go_through_every_kind_of_frame_that_compilers_make():
    known = [case.rules[pc] for f in RECORDED for case, pcs in stacks(f) for pc in pcs]
    kinds = {rule.how for rule in known}
    assert {STEP, STEP | FROM_FP, STEP | FROM_FP | READ | FP_BY_FP, SIGNAL} <= kinds
