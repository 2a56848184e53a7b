"""Call trees as rows that open and close, and as boxes."""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from ebpftrace.analysis.measures import value_of
from ebpftrace.analysis.summing import summed
from ebpftrace.analysis.tree import Node, Tree
from ebpftrace.model.picture import Site
from ebpftrace.tui.icicle import Box, layout
from ebpftrace.tui.rows import Shoot, TreeRows
from ebpftrace.tui.view import Path, View
from ebpftrace.units import format_count

_MOST_SHOOTS = 20_000
_HOT = 0.6
_WAY = " › "


class OpenPart(NamedTuple):
    """What of a tree is to be seen; `problem` where that is more than can be shown."""

    shoots: list[Shoot]
    problem: str | None


def shoots(tree: Tree, view: View) -> OpenPart:
    """From the top down; the depth of a tree is the target's choice, so there is no recursion."""
    found: list[Shoot] = []
    roots = tree.roots()
    waiting = _with_heat(roots, sum(root.counts.bytes for root in roots), 0, view)
    while waiting:
        if len(found) == _MOST_SHOOTS:
            return OpenPart(found, f"only the first {format_count(_MOST_SHOOTS)} rows are shown")
        node, depth, is_hot = waiting.pop()
        is_open = not node.is_leaf and (
            node.key in view.opened or (is_hot and node.key not in view.closed)
        )
        found.append(Shoot(node, depth, is_open))
        if is_open:
            below = _with_heat(tree.children(node), node.counts.bytes, depth + 1, view)
            waiting += [(one, deep, is_hot and hot) for one, deep, hot in below]
    return OpenPart(found, None)


def _with_heat(
    nodes: Sequence[Node], whole: int, depth: int, view: View
) -> list[tuple[Node, int, bool]]:
    """The last to be shown first: with their depth, and whether most of `whole` bytes are theirs."""
    ordered = sorted(nodes, key=lambda node: value_of(node, view.sort), reverse=view.reverse)
    return [(node, depth, node.counts.bytes > _HOT * whole) for node in ordered]


def flame(
    tree: Tree,
    zoom: Path,
    cells: tuple[int, int],
    sites: Sequence[Site],
    chosen: Sequence[int],
) -> tuple[TreeRows, tuple[Box, ...]]:
    """The node that is zoomed to and what is below it, as boxes for `cells` columns and lines.

    Siblings stand by name, so that they stay in place. Where the node has gone it is its nearest caller.
    """

    def children(node: Node) -> list[Node]:
        return sorted(_below(tree, node), key=attrgetter("label", "key"))

    if not chosen:
        return TreeRows((), sites), ()
    zoomed = _node_at(tree, zoom)
    top = zoomed if zoomed is not None else _trunk(tree, _whole(sites, chosen))
    boxes = layout(top, *cells, children)
    shoots = [Shoot(box.node, box.y, True) for box in boxes if box.node is not None]
    return TreeRows(shoots, sites), boxes


def _whole(sites: Sequence[Site], chosen: Sequence[int]) -> Node:
    """What all roots hang on."""
    sums = summed([sites[at] for at in chosen])
    return Node((), "all", "", *sums, chosen, 0, False, 0)


def _trunk(tree: Tree, whole: Node) -> Node:
    """The first node that has branches, named by the way there: a chain would fill the screen.

    A stack that ends on the way is a branch.
    """
    top, names = whole, ["all"]
    while len(below := _below(tree, top)) == 1:
        (next_one,) = below
        if next_one.is_leaf or len(next_one.sites) < len(top.sites):
            break
        top = next_one
        names.append(top.label)
    return top._replace(label=_WAY.join(names))


def _below(tree: Tree, node: Node) -> list[Node]:
    return tree.children(node) if node.key else tree.roots()


def _node_at(tree: Tree, path: Path) -> Node | None:
    """The node that `path` leads to, or the last on the way that is still there."""
    ways = (path[:length] for length in range(len(path), 0, -1))
    return next((node for way in ways if (node := tree.find(way)) is not None), None)
