"""The call tree that pages and the like draw: merged by function, the same totals as the subject."""

import random

import pytest

from ebpftrace.export.formats import call_tree as call_trees
from ebpftrace.export.formats.call_tree import CallTree, Function, Source
from ebpftrace.export.formats.subject import MEASURES, Subject, measured
from ebpftrace.model.ids import Pid, Slot
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.subjects import subject
from tests.unit.snapshot_builders import snapshot


def call_tree(given: Subject) -> CallTree:
    return call_trees.call_tree(given, given.older())


def paths(tree: CallTree) -> dict[tuple[str, ...], int]:
    """The way to each node by names, and the node."""
    found: dict[tuple[str, ...], int] = {}
    way: list[str] = []
    for node, (function, depth) in enumerate(zip(tree.function, tree.depth, strict=True)):
        way[depth:] = [tree.functions[function].name]
        found[tuple(way)] = node
    return found


def held(tree: CallTree, columns=None) -> dict[tuple[str, ...], float]:
    """Bytes by the way to where stacks end."""
    ways = {node: way for way, node in paths(tree).items()}
    column = (tree.held if columns is None else columns)[0]
    return {ways[end]: value for end, value in zip(tree.ends, column, strict=True)}


def stack(*names: str, **given):
    return tuple(frame(name, **given) for name in names)


def test_stacks_share_the_functions_they_have_in_common_from_the_outside():
    one = site("a", frames=stack("malloc_a", "serve", "main"), counts=counts(1, 10))
    other = site("b", frames=stack("malloc_b", "serve", "main"), counts=counts(1, 5))
    tree = call_tree(subject(one, other))
    assert list(paths(tree)) == [
        ("main",),
        ("main", "serve"),
        ("main", "serve", "malloc_a"),
        ("main", "serve", "malloc_b"),
    ]
    assert held(tree) == {("main", "serve", "malloc_a"): 10, ("main", "serve", "malloc_b"): 5}


def test_a_stack_may_end_where_another_goes_on():
    shorter = site("a", frames=stack("main"), counts=counts(1, 10))
    longer = site("b", frames=stack("f", "main"), counts=counts(1, 5))
    assert held(call_tree(subject(longer, shorter))) == {("main",): 10, ("main", "f"): 5}


def test_functions_of_one_name_in_two_modules_are_two():
    one = site("a", frames=stack("f", module="/a.so"))
    other = site("b", frames=stack("f", module="/b.so"))
    tree = call_tree(subject(one, other))
    assert tree.functions == [Function("f", "/a.so"), Function("f", "/b.so")]
    assert len(tree.function) == 2


def test_lines_that_differ_leave_the_file_and_files_that_differ_leave_nothing():
    sites = [
        site(str(line), frames=stack("f", file="x.c", line=line) + stack("g", file=file, line=7))
        for line, file in [(1, "p.c"), (2, "p.c"), (1, "q.c")]
    ]
    tree = call_tree(subject(*sites))
    ways = paths(tree)
    assert tree.sources[tree.source[ways["g", "f"]]] == Source("x.c")
    assert tree.sources[tree.source[ways["g",]]] == Source()
    alone = call_tree(subject(sites[0]))
    assert alone.sources[alone.source[1]] == Source("x.c", 1)


def some_sites(seed: int):
    pick = random.Random(seed)
    return [
        site(
            str(number),
            frames=stack(*(pick.choice("abcd") for _ in range(pick.randint(1, 6)))),
            counts=counts(pick.randint(0, 9), pick.randint(0, 999), pick.randint(0, 99)),
        )
        for number in range(200)
    ]


def columns_sum_up(columns, given: Subject) -> None:
    for measure, column in zip(MEASURES, columns, strict=True):
        assert sum(column) == measured(given.counts, measure)


@pytest.mark.parametrize("seed", range(5))
def test_every_measure_sums_up_to_the_totals_with_what_has_no_call_site(seed):
    sites = some_sites(seed)
    whole = picture(*sites, totals=counts(10_000, 1_000_000, 500_000))
    given = subject(snapshot=snapshot(whole))
    columns_sum_up(call_tree(given).held, given)


def test_each_stack_has_its_bytes_whatever_the_order_of_the_sites():
    sites = some_sites(1)
    expected: dict[tuple[str, ...], int] = {}
    for one in sites:
        way = tuple(each.function for each in one.at.frames[::-1])
        expected[way] = expected.get(way, 0) + one.counts.bytes
    random.Random(2).shuffle(sites)
    assert held(call_tree(subject(*sites))) == expected


def test_what_is_suppressed_is_left_out_on_both_sides():
    sites = (site("f", frames=stack("f")), site("known", frames=stack("known")))
    given = subject(*sites, base=snapshot(picture(*sites)))
    chosen = Subject.of(
        given.snapshot,
        "x",
        type(given.selection)(suppressions=suppressions("known")),
        base=given.base,
    )
    tree = call_tree(chosen)
    assert [one.name for one in tree.functions] == ["f"]
    assert sum(tree.before[0]) == 100


def test_a_diff_has_what_either_snapshot_holds_by_the_same_ways():
    before = picture(
        site("a", frames=stack("gone", "main", module="/old/app"), counts=counts(1, 7)),
        site("b", frames=stack("kept", "main", module="/old/app"), counts=counts(1, 20)),
    )
    now = picture(
        site("b", frames=stack("kept", "main", module="/new/app"), counts=counts(2, 30)),
        site("c", frames=stack("new", "main", module="/new/app"), counts=counts(1, 1)),
    )
    tree = call_tree(subject(snapshot=snapshot(now), base=snapshot(before)))
    assert held(tree) == {("main", "gone"): 0, ("main", "kept"): 30, ("main", "new"): 1}
    assert held(tree, tree.before) == {
        ("main", "gone"): 7,
        ("main", "kept"): 20,
        ("main", "new"): 0,
    }


def test_a_diff_matches_processes_by_name_after_a_restart():
    def two(*pids: int):
        targets = [target(pid=Pid(pid), slot=Slot(pid), comm="worker") for pid in pids]
        sites = [site("f", slot=Slot(pid), pid=Pid(pid)) for pid in pids]
        return snapshot(picture(*sites, targets=tuple(targets)))

    tree = call_tree(subject(snapshot=two(1, 2), base=two(3)))
    assert held(tree) == {("worker", "f"): 200}
    assert held(tree, tree.before) == {("worker", "f"): 100}


def test_growth_is_summed_and_absent_where_nothing_is_known():
    known = (site("a", frames=stack("f"), growth=2.0), site("b", frames=stack("f"), growth=None))
    assert list(call_tree(subject(*known)).growth) == [2.0]
    assert not call_tree(subject(site(growth=None))).growth


def test_a_picture_without_sites_is_an_empty_tree():
    tree = call_tree(subject())
    assert (len(tree.function), len(tree.ends)) == (0, 0)
