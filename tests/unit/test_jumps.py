"""A function that frees by a jump alone costs no second hit."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.probes import jumps
from ebpftrace.probes.families import FAMILIES
from ebpftrace.probes.functions import JEMALLOC, MIMALLOC
from ebpftrace.probes.plan import Probe
from ebpftrace.probes.pools import FAMILY_ID as POOL
from tests.unit.probe_builders import GLIBC, probe

LIBRARY: Any = SimpleNamespace(
    name="/lib/liba.so", fd=7, key=1, image=SimpleNamespace(machine="x86_64")
)
FREE, OTHER, THIRD, STUB = 0x1000, 0x2000, 0x3000, 0x400
SIZED = MIMALLOC[0]


@pytest.fixture(autouse=True)
def stubs(monkeypatch):
    monkeypatch.setattr(jumps, "linked", lambda _: {STUB: "free"})


def free() -> Probe:
    return replace(probe("free", LIBRARY, offset=FREE), names=("free",), instruction="je 0x1100")


def jumping(to: int, at: int = OTHER, **changed: Any) -> Probe:
    made = replace(probe("free", LIBRARY, offset=at), function=SIZED, names=(f"at_{at:x}",))
    return replace(made, instruction=f"jmp {to:#x}", **changed)


def left(*probes: Probe, everything: bool = True) -> list[int]:
    return [each.image_address for each in jumps.joined(probes, everything=everything)]


def test_a_free_by_a_jump_is_left_to_what_it_jumps_to_which_has_its_names():
    (kept,) = jumps.joined([jumping(FREE), free()], everything=True)
    assert (kept.image_address, kept.names) == (FREE, ("free", "at_2000"))
    assert kept.function.name == "free"


def test_jumps_are_followed_from_one_to_the_next_also_by_the_linkage_table():
    assert left(jumping(STUB), free()) == [FREE]
    assert left(jumping(THIRD), jumping(STUB, THIRD), free()) == [FREE]


def test_endbr64_before_the_jump_changes_nothing():
    moved: dict[str, Any] = {
        "moved": 4,
        "reason": "moved 4 bytes: `endbr64` would be single-stepped",
    }
    assert left(jumping(FREE, **moved), free()) == [FREE]


def test_what_does_more_than_to_jump_keeps_its_probe():
    assert left(jumping(FREE, moved=3), free()) == [OTHER, FREE]
    assert left(replace(jumping(FREE), instruction="je 0x1000"), free()) == [OTHER, FREE]
    assert left(replace(jumping(0), instruction="jmp qword ptr [rip + 0x10]"), free()) == [
        OTHER,
        FREE,
    ]


def test_a_jump_to_where_no_probe_is_keeps_its_own():
    assert left(jumping(THIRD), free()) == [OTHER, FREE]
    assert left(jumping(THIRD), jumping(0x9000, THIRD), free()) == [THIRD, FREE]


def test_what_is_bound_at_run_time_may_be_another_allocators_that_has_no_probe():
    assert left(jumping(STUB), free(), everything=False) == [OTHER, FREE]
    assert left(jumping(FREE), free(), everything=False) == [FREE]


def test_functions_that_jump_in_a_circle_keep_their_probes():
    circle = jumping(THIRD), jumping(OTHER, THIRD)
    assert left(*circle) == [OTHER, THIRD]


def test_a_birth_keeps_its_probe_and_its_name():
    array = replace(probe("malloc", LIBRARY, offset=OTHER), instruction="jmp 0x1000")
    assert left(array, probe("malloc", LIBRARY, offset=FREE)) == [OTHER, FREE]


def test_a_function_that_is_given_the_block_elsewhere_is_not_joined():
    resize = JEMALLOC[1]
    other = replace(
        jumping(FREE), function=replace(SIZED, shape=replace(resize.shape, role="death"))
    )
    assert left(other, free()) == [OTHER, FREE]


def test_a_jump_to_another_allocators_free_keeps_its_probe():
    pool = replace(jumping(FREE), family=FAMILIES[1])
    assert left(pool, free()) == [OTHER, FREE]


def test_each_pool_of_the_users_counts_its_own_frees():
    pools = replace(GLIBC, id=POOL)
    both = replace(jumping(FREE), family=pools), replace(free(), family=pools)
    assert left(*both) == [OTHER, FREE]
