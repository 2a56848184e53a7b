"""Collapsed stacks as flamegraph.pl draws them and speedscope opens them.

inferno is not asked: no distribution packs it. flamegraph.pl is on PATH, or where Debian's package of
Devel::NYTProf has it, which brings it along.
"""

import re
import shutil
from pathlib import Path

from scripts.formats import check_speedscope
from scripts.formats.checking import Failed, Files, Tool, Totals, output

_NYTPROF = Path("/usr/share/perl5/Devel/NYTProf/flamegraph.pl")
# Of a total of no samples, and of some.
_ALL = re.compile(r"<title>all \(([\d,]+) samples, 100%\)</title>")
_BOX = re.compile(r"<title>.* \(([\d,]+) samples, [\d.]+%\)</title><rect .* y=\"([\d.]+)\"")


def version() -> str | None:
    """It has none: where it was found."""
    program = _program()
    if program is None:
        return None
    return "Devel::NYTProf's" if program == _NYTPROF else "on PATH"


def drawn(files: Files) -> Totals:
    """As the graphs have them at their bottom; the boxes above it have to hold as much."""
    return {measure: _drawn(file) if file.stat().st_size else 0 for measure, file in files.items()}


def _drawn(file: Path) -> int:
    program = _program()
    assert program is not None
    graph = output([program, "--minwidth=0", "--hash", file])
    whole = _ALL.search(graph)
    if whole is None:
        raise Failed("the graph has no box of all")
    total = _number(whole[1])
    rows: dict[float, int] = {}
    for box in _BOX.finditer(graph):
        rows[float(box[2])] = rows.get(float(box[2]), 0) + _number(box[1])
    # From the top of the picture to the bottom.
    held = [rows[y] for y in sorted(rows)]
    if held[-2:] != [total, total]:
        raise Failed(f"of {total:,} its two lowest rows hold {held[-2:]}")
    return total


def _number(said: str) -> int:
    return int(said.replace(",", ""))


def _program() -> Path | None:
    found = shutil.which("flamegraph.pl")
    if found is not None:
        return Path(found)
    return _NYTPROF if _NYTPROF.exists() else None


DRAWN = Tool("collapsed", "flamegraph.pl", "libdevel-nytprof-perl", version, drawn)
OPENED = Tool(
    "collapsed",
    "speedscope",
    check_speedscope.BROUGHT_BY,
    check_speedscope.version,
    check_speedscope.of_collapsed,
)
