"""Which programs and links each way of holding probes takes."""

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import layout
from ebpftrace.kernel.backends import first_usable, placements
from ebpftrace.model.ids import Slot
from tests.unit.probe_builders import module, probe

SLOT = Slot(5)


def pairs():
    """free, then malloc as a pair, in each of two files."""
    made = []
    for file in (module(name="/libc.so", fd=7), module(name="/app", fd=8)):
        made += [
            probe(function="free", module=file, offset=0x300),
            probe(function="malloc", module=file, kind="return", offset=0x100),
            probe(function="malloc", module=file, offset=0x100),
        ]
    return made


def test_perf_events_are_placed_one_by_one_in_the_order_of_the_plan():
    placed = placements(pairs(), SLOT, "perf")
    assert [(p.program, p.file, p.offsets) for p in placed[:3]] == [
        ("enter", 7, (0x300,)),
        ("leave", 7, (0x100,)),
        ("enter", 7, (0x100,)),
    ]


def test_multi_links_are_two_a_file_and_returns_come_first():
    placed = placements(pairs(), SLOT, "multi")
    assert [(p.program, p.returns, p.file, p.offsets) for p in placed] == [
        ("leave", True, 7, (0x100,)),
        ("enter", False, 7, (0x300, 0x100)),
        ("leave", True, 8, (0x100,)),
        ("enter", False, 8, (0x300, 0x100)),
    ]


def test_session_links_are_one_a_file_with_each_place_once():
    placed = placements(pairs(), SLOT, "session")
    assert [(p.program, p.file, p.offsets) for p in placed] == [
        ("session", 7, (0x300, 0x100)),
        ("session", 8, (0x300, 0x100)),
    ]


def test_a_cookie_says_slot_function_and_which_attachment():
    (free,) = placements(pairs()[:1], SLOT, "perf", second=True)
    assert free.cookies == (
        layout.cookie(5, "death", 10, 0, zero_frees=True, second=True)
        | layout.entry_cookie(31, pointer=7),
    )


def test_a_placement_is_named_by_its_functions_and_file():
    assert placements(pairs(), SLOT, "multi")[1].names == "free and malloc in /libc.so"


def test_the_cheapest_back_end_that_is_not_refused_is_taken():
    assert first_usable(None, {}) == "session"
    assert first_usable(None, {"session": "no"}) == "multi"
    assert first_usable(None, {"session": "no", "multi": "no"}) == "perf"
    assert first_usable(None, dict.fromkeys(("session", "multi", "perf"), "no")) == "perf"


def test_a_back_end_that_was_asked_for_and_is_refused_says_why():
    assert first_usable("multi", {"session": "no"}) == "multi"
    with pytest.raises(CannotAttach, match="--backend session cannot be used here: too old"):
        first_usable("session", {"session": "too old"})
