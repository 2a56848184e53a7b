"""The flame view: which boxes there are, what they look like, how one moves between them."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ebpftrace.tui.glyphs import ASCII, UNICODE
from ebpftrace.tui.icicle import Box, at, icicle_lines, layout, neighbour


class Tree(NamedTuple):
    label: str
    bytes: int
    below: tuple["Tree", ...] = ()


def tree(label, *below, size=None):
    """A node that holds what its children do, unless it holds `size`."""
    return Tree(label, sum(child.bytes for child in below) if size is None else size, below)


def leaf(label, size):
    return Tree(label, size)


def boxes_of(root, width=40, height=10):
    return layout(root, width, height, lambda node: node.below)


def drawn(boxes, width=40, height=10, chosen=None, glyphs=UNICODE):
    lines = icicle_lines(boxes, width, height, chosen, glyphs)
    return ["".join(span.text for span in line) for line in lines]


def named(boxes, label):
    return next(i for i, box in enumerate(boxes) if box.node and box.node.label == label)


MAIN = tree(
    "main",
    tree("parse", leaf("token", 10), leaf("tree", 20)),
    leaf("read", 10),
    size=60,
)


def test_a_box_is_as_wide_as_its_share_of_the_bytes():
    boxes = [(box.node.label, box.x, box.y, box.width) for box in boxes_of(MAIN, 60)]
    assert boxes == [
        ("main", 0, 0, 60),
        ("parse", 0, 1, 30),
        ("read", 30, 1, 10),
        ("token", 0, 2, 10),
        ("tree", 10, 2, 20),
    ]


def test_widths_of_siblings_add_up_by_largest_remainder():
    root = tree("root", *(leaf(f"{n}", 1) for n in range(3)))
    assert [box.width for box in boxes_of(root, 11)[1:]] == [4, 4, 3]


def test_what_is_below_a_cell_is_summed_after_the_others():
    small = (leaf(f"small{n}", 1) for n in range(100))
    boxes = boxes_of(tree("root", *small, leaf("none", 0), leaf("big", 300)), 40)
    assert boxes[1:] == (
        Box(0, 1, 30, leaf("big", 300), 300),
        Box(30, 1, 10, None, 100, 100),
    )
    assert "▏+100 sma…" in drawn(boxes)[1]


def test_only_what_is_seen_is_asked_for():
    asked = []

    def children(node):
        asked.append(node.label)
        return node.below

    deep = tree("a", tree("b", tree("c", leaf("d", 1000))), *(leaf(f"{n}", 1) for n in range(100)))
    layout(deep, 20, 3, children)
    assert asked == ["a", "b"]


def test_a_stack_deeper_than_python_recurses_is_laid_out():
    root = leaf("end", 5)
    for depth in range(5000):
        root = Tree(f"f{depth}", 5, (root,))
    assert len(boxes_of(root, 10, 4000)) == 4000


ODD = {
    "nothing": leaf("root", 0),
    "negative": tree("root", leaf("a", -5), leaf("b", 5), size=-3),
    "more than its parent": tree("root", leaf("a", 70), leaf("b", 50), size=3),
    "huge": tree("root", leaf("a", 1 << 64), leaf("b", 1)),
    "hostile": tree(
        "", leaf("x" * 100_000, 5), leaf("漢" * 9, 5), leaf("[/x]\x1b", 5), leaf("", 9)
    ),
}


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("name", ODD)
def test_every_tree_fills_the_cells_it_is_given(name, glyphs):
    for width in (1, 2, 7, 40, 250):
        boxes = boxes_of(ODD[name], width, 5)
        for chosen in (None, 0, len(boxes) - 1, 99):
            lines = drawn(boxes, width, 5, chosen, glyphs)
            assert [cell_len(line) for line in lines] == [width] * 5
            assert all(line.isprintable() for line in lines)
            assert glyphs is UNICODE or all(line.isascii() for line in lines)
    assert boxes_of(ODD[name], 0, 5) == boxes_of(ODD[name], 5, 0) == ()


trees = st.recursive(
    st.builds(leaf, st.text(max_size=5), st.integers(min_value=0, max_value=1 << 40)),
    lambda below: st.builds(lambda kids: tree("node", *kids), st.lists(below, max_size=6)),
    max_leaves=40,
)


@given(trees, st.integers(min_value=1, max_value=60))
def test_boxes_lie_under_their_parent_side_by_side_in_order(root, width):
    boxes = boxes_of(root, width)
    assert list(boxes) == sorted(boxes, key=lambda box: (box.y, box.x))
    for index, box in enumerate(boxes):
        assert box.width >= 1
        assert [at(boxes, box.x + cell, box.y) for cell in range(box.width)] == [index] * box.width
        above = at(boxes, box.x, box.y - 1)
        if box.y:
            assert above is not None
            assert box.x + box.width <= boxes[above].x + boxes[above].width


def test_neighbours_are_told_apart_without_colour():
    rows = drawn(boxes_of(MAIN, 60), 60, 3)
    assert rows[1].startswith("▏parse                        ▏read     " + " " * 20)
    assert rows[2].startswith("▏token    ▏tree              " + " " * 20)
    assert drawn(boxes_of(MAIN, 60), 60, 3, glyphs=ASCII)[2].startswith("|token    |tree ")
    roles = [line[0].role for line in icicle_lines(boxes_of(MAIN), 40, 3, None, UNICODE)]
    assert roles == ["box", "box2", "box"]


def test_the_chosen_box_has_a_sign_and_the_role_of_the_cursor():
    boxes = boxes_of(MAIN, 60)
    line = icicle_lines(boxes, 60, 3, named(boxes, "read"), UNICODE)[1]
    assert [(span.role, span.text.rstrip()) for span in line] == [
        ("box2", "▏parse"),
        ("cursor", "▸read"),
        ("plain", ""),
    ]


def test_a_label_is_cut_to_its_box_and_left_out_where_only_the_cut_would_be_seen():
    assert drawn(boxes_of(leaf("session_create", 1), 8), 8, 1) == ["▏sessio…"]
    assert drawn(boxes_of(leaf("session_create", 1), 2), 2, 1) == ["▏ "]


def test_a_cell_belongs_to_its_box_or_to_none():
    boxes = boxes_of(MAIN, 60)
    assert at(boxes, 29, 1) == named(boxes, "parse")
    assert at(boxes, 30, 1) == named(boxes, "read")
    assert at(boxes, 40, 1) is at(boxes, 5, 9) is at(boxes, 5, -1) is at((), 0, 0) is None


@pytest.mark.parametrize(
    "start,direction,end",
    [
        ("parse", "right", "read"),
        ("read", "left", "parse"),
        ("parse", "up", "main"),
        ("main", "down", "parse"),
        ("parse", "down", "tree"),
        ("tree", "left", "token"),
        ("main", "up", "main"),
        ("main", "left", "main"),
        ("read", "right", "read"),
        ("read", "down", "read"),
        ("tree", "right", "tree"),
    ],
)
def test_keys_lead_to_the_next_box_and_stay_where_there_is_none(start, direction, end):
    boxes = boxes_of(MAIN, 60)
    assert boxes[neighbour(boxes, named(boxes, start), direction)].node.label == end
