"""Callgrind's profile format, read by the rules of its specification."""

import re
from collections import Counter
from typing import Any, NamedTuple

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Counts
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.subjects import exported, subject
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import facts, snapshot

PROCESS = "app (pid 42)"


Costs = tuple[int, ...]
"""Bytes, blocks, allocated bytes, allocated blocks."""


class Profile(NamedTuple):
    """What a file holds.

    `own` by (object, file, function), line; `calls` by caller, line, callee: their number and cost.
    """

    head: dict[str, list[str]]
    summary: Costs
    own: dict[Any, Costs]
    calls: dict[Any, tuple[int, Costs]]

    def inclusive(self):
        """As callgrind_annotate has it, by function: what its calls cost, else what it and its calls do."""
        called: dict[Any, Costs] = {}
        calling: dict[Any, Costs] = {}
        for (function, _), cost in self.own.items():
            add(calling, function, cost)
        for (caller, _, callee), (_, cost) in self.calls.items():
            add(called, callee, cost)
            add(calling, caller, cost)
        return {function[2]: cost for function, cost in (calling | called).items()}

    def edges(self):
        """Callers and callees by name: number of calls and bytes."""
        return {
            (caller[2], callee[2]): (number, cost[0])
            for (caller, _, callee), (number, cost) in self.calls.items()
        }


def add(costs, key, cost):
    costs[key] = tuple(map(sum, zip(costs.get(key, (0, 0, 0, 0)), cost, strict=True)))


class Names:
    """Name compression: `(1) name`, then `(1)`."""

    def __init__(self):
        self.known = {}

    def read(self, kind, said):
        found = re.fullmatch(r"\((\d+)\)\s*(.*)", said)
        assert found
        number, name = found.groups()
        if name:
            assert (kind, number) not in self.known
            self.known[kind, number] = name
        return self.known[kind, number]


def read(given):
    text = exported("callgrind", given).decode()
    lines = iter(text.split("\n"))
    assert next(lines) == "# callgrind format"
    head: dict[str, list[str]] = {}
    for line in lines:
        key, _, value = line.partition(": ")
        head.setdefault(key, []).append(value)
        if key == "events":
            break
    summary = costs_in(next(lines).removeprefix("summary: "))
    own, calls = body(list(lines), summary)
    return Profile(head, summary, own, calls)


def body(lines, summary):
    own: dict[Any, Costs] = {}
    calls: dict[Any, tuple[int, Costs]] = {}
    place: dict[str, str] = {}
    called: dict[str, str] = {}
    written: set[Any] = set()
    names, number = Names(), None
    kinds = {"ob": "ob", "fl": "fl", "fn": "fn", "cob": "ob", "cfi": "fl", "cfn": "fn"}
    for line in filter(None, lines):
        key, _, value = line.partition("=")
        if key in kinds:
            (called if key.startswith("c") else place)[kinds[key]] = names.read(kinds[key], value)
        elif key == "calls":
            number = int(value.split()[0])
            assert number > 0
        elif line.startswith("totals: "):
            assert costs_in(line.removeprefix("totals: ")) == summary
        else:
            at, _, costs = line.partition(" ")
            function = place["ob"], place["fl"], place["fn"]
            if number is None:
                assert (function, int(at)) not in written
                written.add((function, int(at)))
                if any(costs_in(costs)):
                    own[function, int(at)] = costs_in(costs)
            else:
                edge = function, int(at), (called["ob"], called["fl"], called["fn"])
                assert edge not in calls
                assert (function, int(at)) in written
                calls[edge] = number, costs_in(costs)
                called, number = {}, None
    return own, calls


def costs_in(text):
    costs = tuple(map(int, text.split(" ")))
    assert len(costs) == 4
    return costs


def stack(*names):
    """Of frames from the allocation outward."""
    return tuple(frame(name) for name in names)


def test_the_function_that_called_the_allocator_has_the_cost_at_its_line():
    at = frame("leak_here", file="/srv/src/app.c", line=42)
    found = read(subject(site(frames=(at, frame("main")), counts=counts(2, 300, freed=7))))
    function = "/srv/app", "/srv/src/app.c", "leak_here"
    assert found.own == {(function, 42): (300, 2, 307, 9)}


def test_a_call_costs_what_came_through_it_and_counts_the_allocations():
    outer = frame("main", file="/srv/src/main.c", line=7)
    one = site("a", frames=(frame("f"), outer), counts=counts(2, 300, freed=7))
    other = site("b", frames=(frame("g"), frame("f"), outer), counts=counts(1, 50))
    found = read(subject(one, other))
    main, f, g = ("/srv/app", "/srv/src/main.c", "main"), *(("/srv/app", "???", n) for n in "fg")
    assert found.calls == {
        (("???", "???", PROCESS), 0, main): (10, (350, 3, 357, 10)),
        (main, 7, f): (10, (350, 3, 357, 10)),
        (f, 0, g): (1, (50, 1, 50, 1)),
    }


def test_own_costs_sum_up_to_the_totals():
    shown = picture(
        site("f", counts=counts(2, 60, freed=3)),
        site("known", counts=counts(5, 7)),
        site("none", stack=0, frames=(), complete=False, counts=counts(1, 9)),
        totals=counts(18, 176, freed=5),
    )
    hides = Selection(suppressions=suppressions("known"))
    given = subject(snapshot=snapshot(shown), selection=hides)
    found = read(given)
    assert found.summary == (169, 13, 174, 18)
    assert tuple(map(sum, zip(*found.own.values(), strict=True))) == found.summary
    assert found.inclusive()[PROCESS] == found.summary
    assert "Note: without what is suppressed: 1 site with 7 B" in "\n".join(found.head["desc"])


def test_blocks_from_before_the_attach_are_in_use_and_count_as_allocated():
    adopted = site(counts=Counts(1, 100, 2, 30, adopted_blocks=3, adopted_bytes=50))
    assert read(subject(adopted)).summary == (120, 2, 150, 4)


def test_a_function_that_calls_itself_holds_its_bytes_once():
    found = read(subject(site(frames=stack("f", "f", "f", "main"))))
    assert found.inclusive() == dict.fromkeys((PROCESS, "main", "f"), (100, 1, 100, 1))
    assert found.edges() == {(PROCESS, "main"): (1, 100), ("main", "f"): (1, 100)}


def test_functions_that_call_each_other_hold_their_bytes_once():
    one = site("a", frames=stack("alloc", "f", "g", "f", "main"), counts=counts(1, 60))
    other = site("b", frames=stack("alloc", "g", "f", "g", "main"), counts=counts(1, 40))
    found = read(subject(one, other))
    assert {name: cost[0] for name, cost in found.inclusive().items()} == dict.fromkeys(
        (PROCESS, "main", "f", "g", "alloc"), 100
    )


def test_a_start_of_one_thread_that_another_calls_holds_both():
    found = read(subject(site("a", frames=stack("f")), site("b", frames=stack("f", "main"))))
    assert found.inclusive()["f"][0] == 200


def test_lines_of_a_function_are_apart_and_equal_ones_together():
    at = [frame("f", file="/f.c", line=line, address=n) for n, line in enumerate((5, 5, 6))]
    sites = (site(f"s{n}", frames=(one, frame("main"))) for n, one in enumerate(at))
    found = read(subject(*sites))
    assert {line: cost[0] for (_, line), cost in found.own.items()} == {5: 200, 6: 100}


@pytest.mark.parametrize("line", [None, 0, -1, 1 << 40])
def test_a_line_that_is_none_is_0(line):
    found = read(subject(site(frames=(frame("f", file="/f.c", line=line),))))
    assert [line for _, line in found.own] == [0]


def test_functions_of_one_name_in_two_files_or_modules_are_apart():
    frames = [
        frame("init", file="/a.c", line=1),
        frame("init", file="/b.c", line=1),
        frame("init", file="/b.c", line=1, module="/srv/lib.so"),
    ]
    found = read(subject(*(site(f"s{n}", frames=(one,)) for n, one in enumerate(frames))))
    assert {function: cost[0] for (function, _), cost in found.own.items()} == {
        ("/srv/app", "/a.c", "init"): 100,
        ("/srv/app", "/b.c", "init"): 100,
        ("/srv/lib.so", "/b.c", "init"): 100,
    }


def test_a_line_that_only_calls_has_costs_of_nothing_for_its_source_to_be_shown():
    stack = (frame("f"), frame("main", file="/srv/src/main.c", line=7))
    text = exported("callgrind", subject(site(frames=stack))).decode()
    assert "\n7 0 0 0 0\n" in text
    assert "\n7 100 1 100 1\n" in text


def test_inlined_functions_are_called():
    found = read(subject(site(frames=(frame("inner", inlined=True), frame("outer")))))
    assert found.edges()["outer", "inner"] == (1, 100)


def test_of_several_processes_each_calls_its_own():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    sites = (
        site("f", counts=counts(1, 60)),
        site("f", slot=Slot(2), pid=Pid(43), counts=counts(1, 40)),
    )
    found = read(subject(snapshot=snapshot(picture(*sites, targets=targets))))
    assert found.edges() == {(PROCESS, "f"): (1, 60), ("worker (pid 43)", "f"): (1, 40)}
    assert "pid" not in found.head


def test_what_went_and_came_at_a_site_is_no_negative_cost():
    sites = site("f", counts=counts(1, 200)), site("ahead", counts=Counts(0, 0, 1, 50))
    found = read(subject(*sites))
    assert found.summary == (150, 0, 200, 1)
    assert {function[2]: cost for (function, _), cost in found.own.items()} == {
        "f": (200, 1, 200, 1),
    }


def test_sums_beyond_64_bits_stay_apart():
    huge = Counts(2**64 - 1, 2**64 - 1, 2**64 - 1, 3)
    sites = (site(f"s{n}", frames=stack("f"), counts=huge) for n in range(3))
    found = read(subject(*sites))
    (cost,) = found.own.values()
    assert cost == (3 * (2**64 - 4), 0, 3 * (2**64 - 1), 3 * (2**64 - 1))


@pytest.mark.parametrize(
    "name",
    [
        *map(clean, HOSTILE),
        "(1)",
        "(2) other",
        "f(int)",
        "(anonymous namespace)::f",
        "fn=(1)",
        "+3",
        "#x",
        "calls=1 0",
        "x" * 100_000,
    ],
)
def test_a_name_is_read_as_it_was(name):
    at = frame(name, file=name, module=name, line=3)
    found = read(subject(site("a", frames=(at, frame("main"))), site("b", frames=(at,))))
    assert found.own == {((name, name, name), 3): (200, 2, 200, 2)}
    assert found.edges()["main", name] == (1, 100)


@pytest.mark.parametrize("name", [" ", "\N{NO-BREAK SPACE}"])
def test_a_blank_name_is_not_known(name):
    found = read(subject(site(frames=(frame(name, file=name, module=name),))))
    assert [function for function, _ in found.own] == [("???", "???", "???")]


def test_an_empty_name_is_none_so_that_the_place_stands_for_it():
    found = read(subject(site(frames=(frame("", file="", module=""),))))
    assert [function for function, _ in found.own] == [("???", "???", "0x1234")]


def test_every_name_is_spelled_once():
    text = exported("callgrind", subject(site("a"), site("b", frames=stack("a", "b")))).decode()
    spelled = Counter(re.findall(r"=\(\d+\) (.+)", text))
    assert spelled == {PROCESS: 1, "/srv/app": 1, "a": 1, "b": 1, "???": 2}  # a module and a file


def test_the_head_says_which_process_and_what_was_lost():
    found = read(subject(site()))
    assert found.head["pid"] == ["42"]
    assert found.head["cmd"] == ["/srv/app --port 80"]
    assert found.head["desc"] == [
        "Trigger: The process ended.",
        "Note: from app.ebpftrace, written by ebpftrace 0.1.0",
        "Note: lost nothing",
    ]
    assert found.head["events"] == ["Bytes Blocks AllocatedBytes AllocatedBlocks"]


def test_kcachegrind_knows_the_format_whatever_the_command():
    endless = facts(command_line=("漢" * 5_000,))
    shown = picture(site("known" * 100), site("f"))
    hides = Selection(suppressions=suppressions("known"))
    given = subject(
        snapshot=snapshot(shown, processes=(endless,)), file="漢" * 500, selection=hides
    )
    assert b"\nevents: " in exported("callgrind", given)[:2047]
