"""What ms_print reads in an export: bytes at its end, and that its trees are of all bytes of their moment."""

import re
from functools import partial

from scripts.formats import valgrind
from scripts.formats.checking import Failed, Files, Tool, Totals, output
from scripts.formats.valgrind import number

_PROGRAM = "ms_print"

# n, time, total, useful-heap, extra-heap, stacks
_MOMENT = re.compile(r"^ *(\d+) +([\d,]+) +([\d,]+) +([\d,]+) +0 +0$")
_ROOT = re.compile(r"^\d+\.\d\d% \(([\d,]+)B\) \(heap allocation functions\) ")
_CHILD = re.compile(r"^->\d+\.\d\d% \(([\d,]+)B\) ")
# Perl's, of a tree of more than a hundred frames.
_DEEP = re.compile(r'^Deep recursion on subroutine "main::read_heap_tree" at .*$', re.MULTILINE)


def totals(files: Files) -> Totals:
    """Those of the last moment."""
    printed = output([_PROGRAM, "--threshold=0", files["bytes"]], passed_over=_DEEP)
    total = root = below = None
    trees = 0
    for line in printed.splitlines():
        if found := _MOMENT.match(line):
            _compare(total, root, below)
            total, root, below = number(found[4]), None, 0
        elif found := _ROOT.match(line):
            root, trees = number(found[1]), trees + 1
        elif (found := _CHILD.match(line)) and below is not None:
            below += number(found[1])
    _compare(total, root, below)
    if total is None or not trees or root is None:
        raise Failed("there is no moment, or the last one has no tree")
    return {"bytes": total}


def _compare(total: int | None, root: int | None, below: int | None) -> None:
    if root is not None and not total == root == below:
        raise Failed(f"of {total} bytes the root has {root}, and its children {below}")


TOOL = Tool(
    "massif",
    _PROGRAM,
    valgrind.BROUGHT_BY,
    partial(valgrind.version, _PROGRAM),
    totals,
    measures=("bytes",),
)
