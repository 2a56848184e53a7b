"""What callgrind_annotate reads in an export: totals, and that no function holds more than there is."""

import operator
import re
from functools import partial
from pathlib import Path

from ebpftrace.export.formats.subject import MEASURES
from scripts.formats import valgrind
from scripts.formats.checking import Failed, Files, Tool, Totals, output
from scripts.formats.valgrind import number

_PROGRAM = "callgrind_annotate"
_OPTIONS = ("--threshold=100", "--show-percs=no")
_ROW = re.compile(r"^ *((?:[\d,]+|\.)(?: +(?:[\d,]+|\.)){3})  ?(.*)$")
_TOTALS = "PROGRAM TOTALS"


def totals(files: Files) -> Totals:
    """As its first line has them; the functions have to sum up to them."""
    file = files["bytes"]
    whole, functions = _rows(file, "--auto=no")
    own = tuple(map(sum, zip(*functions, strict=True)))
    if own != whole:
        raise Failed(f"the functions hold {own} of {whole}")
    for costs in _rows(file, "--auto=no", "--inclusive=yes")[1]:
        if any(map(operator.gt, costs, whole)):
            raise Failed(f"with what it calls a function holds {costs} of {whole}")
    output([_PROGRAM, *_OPTIONS, "--auto=yes", "--inclusive=yes", "--tree=both", file])
    return dict(zip(MEASURES, whole, strict=True))


def _rows(file: Path, *options: str) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """The totals, and the functions."""
    whole: tuple[int, ...] | None = None
    functions: list[tuple[int, ...]] = []
    for line in output([_PROGRAM, *_OPTIONS, *options, file]).splitlines():
        found = _ROW.match(line)
        if found is None:
            continue
        costs = tuple(map(number, found[1].split()))
        if found[2].strip().startswith(_TOTALS):
            whole = costs
        else:
            functions.append(costs)
    if whole is None:
        raise Failed("it has no totals")
    return whole, functions or [(0,) * len(whole)]


TOOL = Tool("callgrind", _PROGRAM, valgrind.BROUGHT_BY, partial(valgrind.version, _PROGRAM), totals)
