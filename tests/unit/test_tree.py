"""The call tree: what is merged, in which order, and what stands for what is not known."""

from unittest.mock import Mock

import pytest

from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.tree import DIRECTIONS, ENDS_EARLY, Tree
from ebpftrace.analysis.wording import caller
from ebpftrace.model.ids import StackId
from tests.unit.builders import counts, frame, site

RULES = Rules.standard()


def stack(*functions, size=100, **given):
    """A site by its functions, from the allocation outward."""
    frames = tuple(frame(one) if isinstance(one, str) else one for one in functions)
    return site(frames=frames, counts=counts(size=size), **given)


def down(*sites, **given):
    return Tree(sites, "top-down", RULES, **given)


def up(*sites, **given):
    return Tree(sites, "bottom-up", RULES, **given)


def drawn(tree, nodes=None, indent=0):
    """Every node as text: its label and bytes, and what its own stacks end with."""
    lines = []
    for node in tree.roots() if nodes is None else nodes:
        own = f" self {node.self_bytes}" if node.self_bytes else ""
        lines.append(f"{'  ' * indent}{node.label} {node.bytes}{own}")
        lines += drawn(tree, tree.children(node), indent + 1)
    return lines


def test_top_down_goes_from_the_start_of_the_thread_inward():
    tree = down(
        stack("a", "run", "main"), stack("b", "run", "main", size=300), stack("run", "main")
    )
    assert drawn(tree) == [
        "main 500",
        "  run 500 self 100",
        "    b 300 self 300",
        "    a 100 self 100",
    ]


def test_bottom_up_goes_from_the_frame_to_blame_outward():
    tree = up(stack("malloc", "put", "a", "main"), stack("put", "b"), stack("put", size=50))
    assert drawn(tree) == [
        "put 250 self 50",
        "  a 100",
        "    main 100 self 100",
        "  b 100 self 100",
    ]


def test_frames_merge_by_function_and_module():
    here, there = (frame("init", module=name) for name in ("/a.so", "/b.so"))
    line, other = (frame("init", module="/a.so", line=n, offset=n) for n in (1, 2))
    roots = down(*(stack(one) for one in (here, there, line, other))).roots()
    assert [list(node.sites) for node in roots] == [[0, 2, 3], [1]]
    assert roots[0].key != roots[1].key


def test_code_without_a_name_merges_by_module_and_offset():
    frames = [frame(None, offset=offset, address=n) for n, offset in enumerate((16, 16, 32))]
    roots = down(*map(stack, frames)).roots()
    assert [(node.label, len(node.sites)) for node in roots] == [("0x10", 2), ("0x20", 1)]


def test_an_inlined_function_is_a_node():
    (root,) = down(stack(frame("put", inlined=True), "main")).roots()
    assert root.label == "main"
    assert not root.is_leaf


@pytest.mark.parametrize(
    "lines, files, place",
    [
        ((4, 4), ("/s/a.c", "/s/a.c"), "a.c:4"),
        ((4, 5), ("/s/a.c", "/s/a.c"), "a.c"),
        ((0, 0), ("/s/a.c", "/s/a.c"), "a.c"),
        ((4, 4), ("/s/a.c", "/s/b.c"), "app"),
        ((None, None), (None, None), "app"),
    ],
)
def test_a_place_is_as_exact_as_its_frames_agree(lines, files, place):
    frames = [frame("f", line=line, file=file) for line, file in zip(lines, files, strict=True)]
    (root,) = down(*map(stack, frames)).roots()
    assert root.place == place


def test_an_incomplete_stack_hangs_under_a_root_of_its_own_top_down_only():
    sites = [stack("f", "main"), stack("g", "run", complete=False, end="no_rule")]
    assert drawn(down(*sites)) == [
        "main 100",
        "  f 100 self 100",
        f"{ENDS_EARLY} 100",
        "  run 100",
        "    g 100 self 100",
    ]
    assert [node.label for node in up(*sites).roots()] == ["f", "g"]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_sites_without_frames_stand_under_a_root_that_says_why(direction):
    sites = [stack(), stack(complete=False), stack(stack=StackId(0))]
    tree = Tree(sites, direction, RULES)
    assert drawn(tree) == [
        "(stack not here yet) 200 self 200",
        "(stack not kept) 100 self 100",
    ]
    assert all(node.is_leaf for node in tree.roots())


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_tree_of_nothing_has_no_roots(direction):
    assert Tree((), direction, RULES).roots() == []


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_recursion_is_as_many_nodes_as_frames(direction):
    tree = Tree([stack(*["again"] * 3000)], direction, RULES)
    (node,) = tree.roots()
    while not node.is_leaf:
        (node,) = tree.children(node)
    assert (len(node.key), node.self_bytes) == (3000, 100)


def test_only_some_sites_can_be_asked_for():
    sites = [stack("a", "main"), stack("b", "main"), stack("c", "main")]
    (root,) = down(*sites, among=[0, 2]).roots()
    assert (root.bytes, list(root.sites)) == (200, [0, 2])


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_next_tree_has_the_same_keys_and_new_numbers(direction):
    sites = [stack("malloc", "a", "main"), stack("malloc", "b", "main")]
    before = Tree(sites, direction, RULES)
    old = drawn(before)
    more = [one._replace(counts=counts(size=700)) for one in sites]
    after = Tree(more, direction, RULES, before=before)
    assert [node.key for node in after.roots()] == [node.key for node in before.roots()]
    assert drawn(after) == drawn(Tree(more, direction, RULES))
    assert drawn(before) == old


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_what_changed_since_the_tree_before_is_divided_anew(direction):
    sites = [stack("a", "main"), stack("b", "main"), stack("c", "main")]
    before = Tree(sites, direction, RULES)
    old = drawn(before)
    for changed, among in (
        (sites[1:], None),
        ([*sites, stack("d", "main")], None),
        ([stack("x", "main"), *sites[1:]], None),
        (sites, [1]),
    ):
        after = Tree(changed, direction, RULES, before=before, among=among)
        assert drawn(after) == drawn(Tree(changed, direction, RULES, among=among))
        assert drawn(before) == old


def test_a_tree_of_the_other_direction_takes_nothing_over():
    sites = [stack("a", "main")]
    assert drawn(up(*sites, before=down(*sites))) == drawn(up(*sites))


def test_nothing_is_named_before_it_is_asked_for(monkeypatch):
    named = Mock(side_effect=caller)
    monkeypatch.setattr("ebpftrace.analysis.tree.caller", named)
    main = frame("main")
    tree = down(*(stack(f"f{n}", main) for n in range(50)))
    (root,) = tree.roots()
    assert named.call_count == 1
    tree.children(root)
    assert named.call_count == 51


def test_names_that_look_like_anything_are_labels():
    names = ["", "[/usr/lib]", "x" * 100_000, "名前"]
    roots = down(*(stack(frame(name, module=name, file="")) for name in names)).roots()
    assert {node.label for node in roots} == set(names)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_node_is_found_again_by_its_key(direction):
    sites = [stack("a", "b", "main"), stack("b", "main", complete=False)]
    tree = Tree(sites, direction, RULES)
    level = tree.roots()
    while level:
        assert all(tree.find(node.key) is node for node in level)
        level = [child for node in level for child in tree.children(node)]
    assert tree.find(()) is None
    assert tree.find(("main",)) is None
    assert tree.find((*tree.roots()[0].key, "x", "y")) is None
