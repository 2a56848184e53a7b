"""Every input that the fuzzer has kept is tried again, by the same judge; and some of each target that are new."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.fuzzing import corpus
from scripts.fuzzing.judge import judge
from scripts.fuzzing.mutation import changed, mutated
from scripts.fuzzing.registry import TARGETS
from scripts.fuzzing.target import Target

PATIENCE = 30.0  # what is to be caught never ends
MOST_BYTES = 2 << 20
KEPT = {name: [data for _, data in corpus.inputs(target)] for name, target in TARGETS.items()}


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_is_read_or_refused_within_bounds(name: str):
    assert KEPT[name], "scripts/fuzz --keep fills tests/corpus"
    for data in KEPT[name]:
        judge(TARGETS[name], data, PATIENCE)


def another(target: Target, data: bytes, chance: Random) -> bytes:
    def change(part: bytes, room: int) -> bytes:
        return changed(part, room, chance, target.words)

    return mutated(target, data, max(target.most_bytes, len(data)), chance.getrandbits(32), change)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused_within_bounds(name: str):
    target = TARGETS[name]

    @settings(
        derandomize=True,
        deadline=None,
        database=None,
        max_examples=15,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.sampled_from(KEPT[name]) | st.binary(max_size=64), st.randoms(use_true_random=False))
    def tries(data: bytes, chance: Random) -> None:
        judge(target, another(target, data, chance), PATIENCE)

    tries()


def test_what_is_kept_is_little_and_named_by_what_is_in_it():
    kept = [found for target in TARGETS.values() for found in corpus.inputs(target)]
    assert sum(len(data) for _, data in kept) < MOST_BYTES
    assert [name for name, data in kept if name != corpus.name_of(data)] == []
    assert {folder.name for folder in corpus.FOLDER.iterdir()} == set(TARGETS)
