"""Collapsed stacks, as flamegraph.pl reads them."""

import pytest

from ebpftrace.model.ids import Pid, Slot
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.formats.subjects import exported, subject
from tests.unit.snapshot_builders import snapshot


def test_a_stack_runs_from_the_start_of_the_thread_inward():
    stack = (frame("leak_here"), frame("serve"), frame("main"))
    assert exported("collapsed", subject(site(frames=stack, counts=counts(2, 300)))) == (
        b"main;serve;leak_here 300\n"
    )


@pytest.mark.parametrize(
    "measure, value",
    [("bytes", 300), ("blocks", 2), ("allocated-bytes", 307), ("allocated-blocks", 9)],
)
def test_the_measure_decides_the_number(measure, value):
    given = subject(site(counts=counts(2, 300, freed=7)), measure=measure)
    assert exported("collapsed", given) == f"leak_here {value}\n".encode()


def test_stacks_of_the_same_names_are_one_line():
    one = site("a", frames=(frame("f", address=1, offset=1),), counts=counts(1, 10))
    other = site("b", frames=(frame("f", address=2, offset=2),), counts=counts(1, 5))
    assert exported("collapsed", subject(one, other)) == b"f 15\n"


def test_what_separates_stacks_is_no_part_of_a_name():
    lines = exported("collapsed", subject(site(frames=(frame("a;b"), frame("main")))))
    assert lines == b"main;a:b 100\n"


def test_an_empty_name_is_no_name():
    lines = exported("collapsed", subject(site(frames=(frame("", offset=0x12), frame("main")))))
    assert lines == b"main;0x12 100\n"


def test_a_stack_that_ends_early_and_one_that_was_not_kept_say_so():
    early = site("a", complete=False, frames=(frame("f"),))
    none = site("b", stack=0, frames=(), complete=False)
    assert exported("collapsed", subject(early, none)).decode().splitlines() == [
        "[the stack ends early];f 100",
        "[stack not kept] 100",
    ]


def test_what_is_held_without_a_call_site_is_there():
    shown = picture(site(counts=counts(1, 60)), totals=counts(3, 100))
    lines = exported("collapsed", subject(snapshot=snapshot(shown))).decode().splitlines()
    assert lines == ["leak_here 60", "[call sites that were not recorded] 40"]


def test_of_several_processes_each_has_its_stacks():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    shown = picture(site("f"), site("g", slot=Slot(2), pid=Pid(43)), targets=targets)
    lines = exported("collapsed", subject(snapshot=snapshot(shown))).decode().splitlines()
    assert lines == ["app (pid 42);f 100", "worker (pid 43);g 100"]
