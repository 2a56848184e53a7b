"""Massif's format, read as strictly as massif-visualizer does, and by the patterns of ms_print."""

import re
from datetime import datetime, timezone
from typing import NamedTuple

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Point
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.subjects import exported, subject
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import facts, snapshot

ROOT = "(heap allocation functions) malloc/new/new[], --alloc-fns, etc."


class Node(NamedTuple):
    """`label` is all that comes after the bytes."""

    bytes: int
    label: str
    children: list["Node"]


class Taken(NamedTuple):
    """A snapshot of massif's; `tree` is None if it is empty."""

    time: int
    bytes: int
    kind: str
    tree: Node | None


def taken(given):
    """All snapshots; the head is checked."""
    lines = exported("massif", given).decode().split("\n")
    assert lines.pop() == ""
    for key in ("desc: ", "cmd: ", "time_unit: ms"):
        assert lines.pop(0).startswith(key)
    found: list[Taken] = []
    while lines:
        number = len(found)
        assert lines[:3] == ["#-----------", f"snapshot={number}", "#-----------"]
        pattern = r"time=(\d+) mem_heap_B=(\d+) mem_heap_extra_B=0 mem_stacks_B=0 heap_tree=(\w+)"
        said = re.fullmatch(pattern, " ".join(lines[3:8]))
        assert said
        del lines[:8]
        tree = None if said[3] == "empty" else node(lines, 0)
        found.append(Taken(int(said[1]), int(said[2]), said[3], tree))
    return found


def node(lines, depth):
    line = lines.pop(0)
    said = re.fullmatch(rf" {{{depth}}}n(\d+): (\d+) (.+)", line)
    assert said
    return Node(int(said[2]), said[3], [node(lines, depth + 1) for _ in range(int(said[1]))])


def tree(*sites, **given):
    """Of the last snapshot, without the line of the root."""
    last = taken(subject(*sites, **given))[-1]
    assert last.tree.label == ROOT
    assert last.tree.bytes == last.bytes
    return last.tree.children


def drawn(nodes):
    """Labels and bytes, nested."""
    return [
        (one.label, one.bytes, *([drawn(one.children)] if one.children else [])) for one in nodes
    ]


def at(since, size, *, name="f"):
    """A picture so many seconds after the attach."""
    held = site(name, counts=counts(1, size))
    return picture(held, since_attach_s=since, time=datetime(2026, 11, 20, tzinfo=timezone.utc))


def series(*pictures, **given):
    """A subject of all these pictures; its snapshot is the last one."""
    values = {"snapshot": snapshot(pictures[-1]), "series": lambda: iter(pictures)}
    return subject(**{**values, **given})


def test_a_tree_leads_from_the_allocation_outward():
    stack = (
        frame("leak_here", file="/srv/src/app.c", line=42, address=0x4011E6),
        frame("main", address=0x401200),
    )
    given = subject(site(frames=stack, counts=counts(2, 300)))
    assert exported("massif", given).decode().splitlines()[-11:] == [
        "#-----------",
        "snapshot=1",
        "#-----------",
        "time=12000",
        "mem_heap_B=300",
        "mem_heap_extra_B=0",
        "mem_stacks_B=0",
        "heap_tree=peak",
        f"n1: 300 {ROOT}",
        " n1: 300 0x4011E6: leak_here (/srv/src/app.c:42)",
        "  n0: 300 0x401200: main (in /srv/app)",
    ]


def test_the_largest_child_comes_first():
    sites = (site(name, counts=counts(1, size)) for name, size in (("a", 10), ("b", 30), ("c", 20)))
    assert [one.bytes for one in tree(*sites)] == [30, 20, 10]


def test_stacks_part_where_they_differ():
    inner = frame("alloc", address=1)
    one = site("a", frames=(inner, frame("left", address=2)), counts=counts(1, 60))
    other = site("b", frames=(inner, frame("right", address=3)), counts=counts(1, 40))
    assert drawn(tree(one, other)) == [
        (
            "0x1: alloc (in /srv/app)",
            100,
            [("0x2: left (in /srv/app)", 60), ("0x3: right (in /srv/app)", 40)],
        )
    ]


def test_what_is_below_the_threshold_is_one_entry_in_its_place():
    small = [site(f"s{n}", counts=counts(1, 30)) for n in range(40)]
    sites = [site("large", counts=counts(1, 99_000)), site("less", counts=counts(1, 1_000))]
    assert drawn(tree(*sites, *small)) == [
        ("0x401234: large (in /srv/app)", 99_000),
        ("in 40 places, all below massif's threshold (0.10%)", 1_200),
        ("0x401234: less (in /srv/app)", 1_000),
    ]
    assert drawn(tree(*sites, small[0]))[-1] == ("in 1 place, below massif's threshold (0.10%)", 30)


def test_inlined_functions_are_entries_of_their_own():
    stack = (frame("inner", inlined=True), frame("outer"))
    assert drawn(tree(site(frames=stack))) == [
        ("0x401234: inner (in /srv/app)", 100, [("0x401234: outer (in /srv/app)", 100)])
    ]


def test_a_recursion_is_as_deep_as_it_was():
    deep = 3_000  # more than Python's own stack takes
    lines = exported("massif", subject(site(frames=(frame("again"),) * deep))).decode().splitlines()
    assert lines[-deep - 1 :] == [
        f"n1: 100 {ROOT}",
        *(f"{' ' * n}n{n < deep:d}: 100 0x401234: again (in /srv/app)" for n in range(1, deep + 1)),
    ]


@pytest.mark.parametrize("name", ["operator new(unsigned long)", "operator new[](unsigned long)"])
def test_the_root_stands_for_operator_new_as_well(name):
    stack = (frame(name), frame("make"))
    assert drawn(tree(site(frames=stack))) == [("0x401234: make (in /srv/app)", 100)]
    assert drawn(tree(site(frames=stack[:1]))) == [(f"0x401234: {name} (in /srv/app)", 100)]


def test_what_is_held_without_a_call_site_is_in_the_tree():
    shown = picture(site(counts=counts(1, 60)), totals=counts(3, 100))
    assert drawn(tree(snapshot=snapshot(shown))) == [
        ("0x401234: leak_here (in /srv/app)", 60),
        ("[call sites that were not recorded]", 40),
    ]


def test_what_a_site_freed_before_its_allocations_were_counted_is_no_entry():
    ahead = site("ahead", counts=counts(-1, -50))
    below = tree(site("f", counts=counts(1, 200)), ahead)
    assert drawn(below) == [("0x401234: f (in /srv/app)", 150)]


def test_of_several_processes_each_has_its_end_of_the_stacks():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    shown = picture(site("f"), site("f", slot=Slot(2), pid=Pid(43)), targets=targets)
    assert drawn(tree(snapshot=snapshot(shown))) == [
        ("0x401234: f (in /srv/app)", 200, [("worker (pid 43)", 100), ("app (pid 42)", 100)])
    ]


def test_the_time_starts_at_the_attach_when_nothing_was_counted_yet():
    assert [one[:3] for one in taken(subject(site()))] == [(0, 0, "empty"), (12_000, 100, "peak")]
    assert [one[:3] for one in taken(series(at(0.0, 5)))] == [(0, 5, "peak")]


def test_a_picture_that_holds_nothing_has_a_tree_of_a_root():
    last = taken(subject())[-1]
    assert last.tree == Node(0, ROOT, [])


def test_the_history_fills_the_time_before_a_single_snapshot():
    history = (Point(2.0, 40, None), Point(4.0, 70, 9), Point(12.0, 100, None))
    given = subject(snapshot=snapshot(picture(site()), history=history))
    assert [one[:3] for one in taken(given)] == [
        (0, 0, "empty"),
        (2_000, 40, "empty"),
        (4_000, 70, "empty"),
        (12_000, 100, "peak"),
    ]


def test_a_peak_whose_call_sites_are_not_known_is_not_marked():
    history = (Point(2.0, 400, None),)
    given = subject(snapshot=snapshot(picture(site()), history=history))
    assert [one[1:3] for one in taken(given)] == [(0, "empty"), (400, "empty"), (100, "detailed")]


def test_a_history_does_not_take_the_place_of_a_picture():
    pictures = [at(5.001, 50), at(10.0, 60)]
    history = (Point(5.0, 55, None), Point(7.0, 70, None))
    last = snapshot(pictures[-1], history=history)
    shown = [(one.time, one.bytes, one.kind) for one in taken(series(*pictures, snapshot=last))]
    assert shown == [
        (0, 0, "empty"),
        (5_001, 50, "detailed"),
        (7_000, 70, "empty"),
        (10_000, 60, "detailed"),
    ]


def test_a_long_series_keeps_its_peak_and_its_last_picture():
    pictures = [at(float(n), 100 + n % 7, name=f"at{n}") for n in range(1, 5_001)]
    pictures[1_234] = at(1_235.0, 900, name="peak")
    found = taken(series(*pictures))
    assert 95 <= len(found) <= 103
    assert [one.time for one in found] == sorted(one.time for one in found)
    (peak,) = [one for one in found if one.kind == "peak"]
    assert (peak.time, peak.bytes) == (1_235_000, 900)
    assert drawn(peak.tree.children) == [("0x401234: peak (in /srv/app)", 900)]
    assert found[-1].time == 5_000_000
    assert drawn(found[-1].tree.children) == [
        ("0x401234: at5000 (in /srv/app)", pictures[-1].totals.bytes)
    ]
    assert 10 <= sum(one.tree is not None for one in found) <= 13


def test_every_tree_of_a_series_is_of_its_own_picture():
    pictures = [at(float(n), 10 * n, name=f"at{n}") for n in range(1, 8)]
    found = taken(series(*pictures))[1:]
    assert [drawn(one.tree.children) for one in found] == [
        [(f"0x401234: at{n} (in /srv/app)", 10 * n)] for n in range(1, 8)
    ]


def test_of_equal_peaks_one_is_marked():
    found = taken(series(at(1.0, 50), at(2.0, 50), at(3.0, 40)))
    assert [one.kind for one in found] == ["empty", "peak", "detailed", "detailed"]


@pytest.mark.parametrize("left", [7, 0])
def test_what_is_suppressed_is_in_no_snapshot(left):
    def both(since, known):
        sites = site("known", counts=counts(1, known)), site("f", counts=counts(1, 60))
        return picture(*sites, since_attach_s=since)

    pictures = both(3.0, 7), both(4.0, left)
    last = snapshot(pictures[-1], history=(Point(1.0, 67, None),))
    given = series(
        *pictures, snapshot=last, selection=Selection(suppressions=suppressions("known"))
    )
    found = taken(given)
    assert [(one.time, one.bytes) for one in found] == [(0, 0), (3_000, 60), (4_000, 60)]
    assert all(len(one.tree.children) == 1 for one in found[1:])
    said = exported("massif", given).decode().split("\n")[0]
    assert f"without what is suppressed: 1 site with {left} B" in said
    assert "pictures only: of moments between them it is not known what is suppressed" in said


def test_the_head_says_which_command_and_what_the_format_has_no_room_for():
    head = exported("massif", subject(site(counts=counts(3, 100)))).decode().splitlines()[:2]
    desc = (
        "desc: --threshold=0.1; from app.ebpftrace, written by ebpftrace 0.1.0; lost nothing; "
        "bytes only: at the end they are in 3 blocks"
    )
    assert head == [desc, "cmd: /srv/app --port 80"]


def test_a_command_that_is_not_known_is_its_program():
    given = subject(snapshot=snapshot(picture(site()), processes=()))
    assert b"\ncmd: /srv/app\n" in exported("massif", given)


def test_many_commands_are_told_in_part():
    targets = tuple(target(pid=Pid(n), slot=Slot(n)) for n in range(1, 8))
    processes = tuple(
        facts(pid=Pid(n), slot=Slot(n), command_line=("/srv/app", f"it's {n}")) for n in range(1, 8)
    )
    given = subject(snapshot=snapshot(picture(targets=targets), processes=processes))
    line = exported("massif", given).decode().splitlines()[1]
    assert line.startswith("""cmd: /srv/app 'it'"'"'s 1' ; """)
    assert line.endswith(" ; (and 3 more)")


@pytest.mark.parametrize(
    "name",
    [
        *map(clean, HOSTILE),
        "main::{lambda(int)#1}::operator()(int) const",
        "std::function<void (int)>::operator()(int)",
        "n9: 100 0x1: other (x.c:1)",
        "100%s",
        "",
        "x" * 100_000,
    ],
)
def test_a_name_leaves_bytes_address_and_place_as_they_are(name):
    module = f"/tmp/{name} (deleted)"
    (one,) = tree(site(frames=(frame(name, module=module, address=0xFFFFFFFFFF600000),)))
    # As massif-visualizer takes a label apart, and without what ms_print takes for a comment.
    assert "#" not in one.label
    address, _, after = one.label.partition(": ")
    function, _, where = after.rpartition(" (")
    assert address == "0xFFFFFFFFFF600000"
    assert function == (name.replace("#", "@") or "0x1234")  # an empty name is none
    assert where == f"in {module.replace('#', '@').replace(' (', '(')})"
