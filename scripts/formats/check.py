"""Exports a snapshot in every format, and compares what the tools that read them say it holds.

A format that nothing here reads, and a tool that is not installed, are named, and make the exit status
1 as a difference does; with --available they do not. Each tool has a module beside this one.
"""

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ebpftrace.analysis.selection import Selection
from ebpftrace.collector import collector_paused
from ebpftrace.export.formats.registry import FORMATS, Format
from ebpftrace.export.formats.subject import MEASURES, Measure, Subject, measured
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.loading import load
from scripts.bench.command import run
from scripts.bench.figures import narrate, table
from scripts.formats import pprof
from scripts.formats.checking import Files, Row, Tool, Totals, checked

TOOLS: tuple[Tool, ...] = (pprof.TOOL,)

_RECORDING = Path(__file__).parents[2] / "tests/recordings/shop.jsonl.gz"


def rows(
    snapshot: Snapshot, formats: Iterable[Format], tools: Sequence[Tool], folder: Path
) -> Iterator[Row]:
    """One for each format and tool, as they come. `folder` takes the exported files."""
    wanted = totals_of(snapshot)
    for one in formats:
        files = exported(snapshot, one, folder)
        readers = [tool for tool in tools if tool.format == one.name]
        for tool in readers:
            yield checked(tool, files, wanted)
        if not readers:
            yield Row(one.name, "-", "-", {}, "no tool is known here", None)


def exported(snapshot: Snapshot, one: Format, folder: Path) -> Files:
    """A file for all measures, or, of a format that has room for one, a file each."""
    files: dict[Measure, Path] = {}
    for measure in MEASURES:
        if files and not one.one_measure:
            files[measure] = files[MEASURES[0]]
            continue
        files[measure] = folder / f"{measure}.{one.name}"
        with files[measure].open("wb") as out, collector_paused():
            one.load()(Subject.of(snapshot, "checked", Selection(), measure), out)
    return files


def totals_of(snapshot: Snapshot) -> Totals:
    """What every format has to hold."""
    return {measure: measured(snapshot.picture.totals, measure) for measure in MEASURES}


def status(found: Iterable[Row], available: bool) -> int:
    """1 where something is not as it should be."""
    well = [row.well for row in found]
    return int(False in well or (None in well and not available))


def _cells(row: Row) -> list[str]:
    totals = [f"{row.totals[measure]:,}" if measure in row.totals else "-" for measure in MEASURES]
    return [row.format, row.tool, row.version, *totals, row.verdict]


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/check-exports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file", nargs="?", default=str(_RECORDING), help="a snapshot, default %(default)s"
    )
    parser.add_argument(
        "--format",
        action="append",
        choices=[one.name for one in FORMATS],
        help="only this one; may be given several times",
    )
    parser.add_argument(
        "--available", action="store_true", help="leave out tools that are not installed"
    )
    return parser.parse_args()


def _main() -> int:
    given = _parsed()
    formats = [one for one in FORMATS if given.format is None or one.name in given.format]
    snapshot = load(given.file)
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="check-exports-") as folder:
        for row in rows(snapshot, formats, TOOLS, Path(folder)):
            narrate("check-exports", f"{row.format}, {row.tool}: {row.verdict}")
            found.append(row)
    wanted = Row("", "the snapshot", "", totals_of(snapshot), "", True)
    heads = ["format", "tool", "version", *MEASURES, "verdict"]
    print(table(heads, map(_cells, [wanted, *found])))
    return status(found, given.available)


if __name__ == "__main__":
    run("check-exports", _main)
