"""Exports a snapshot in every format, and compares what the tools that read them say it holds.

Of each FILE, else of the recorded shop and of names that attack a format. A tool that is not installed
is named with the package that brings it, and makes the exit status 1 as a difference does; with
--available it does not. Each format has a module beside this one; `definitions` reads some without a tool.
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
from scripts.formats import (
    check_callgrind,
    check_collapsed,
    check_csv,
    check_heaptrack,
    check_html,
    check_json,
    check_massif,
    check_openmetrics,
    check_pprof,
    check_speedscope,
    definitions,
)
from scripts.formats.checking import Files, Row, Tool, Totals, checked
from scripts.formats.subjects import RECORDING, hostile

CHEAP: tuple[Tool, ...] = (
    *definitions.TOOLS,
    check_collapsed.DRAWN,
    check_massif.TOOL,
    check_callgrind.TOOL,
    check_heaptrack.TOOL,
    check_json.TOOL,
    check_csv.TOOL,
    check_openmetrics.LIBRARY,
)
"""`scripts/setup --dev` installs them: 24 MB to download. Unit tests have each read every format of its own."""

LARGE: tuple[Tool, ...] = (
    check_html.TOOL,
    check_collapsed.OPENED,
    check_speedscope.TOOL,
    check_pprof.TOOL,
    check_openmetrics.PROMTOOL,
)
"""Chromium is 186 MB to download, Go 81, Prometheus 23."""

TOOLS = (*CHEAP, *LARGE)


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
            one.load()(Subject.of(snapshot, "checked", Selection(top=0), measure), out)
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


def verdict(found: Sequence[Row]) -> str:
    """One sentence or two, of all formats."""
    wrong = [f"{row.format} ({row.tool})" for row in found if row.well is False]
    read = {row.format for row in found if row.well is not None}
    missing = [row for row in found if row.well is None]
    if wrong:
        said = f"{len(wrong)} of {len(found)} readings differ or fail: {', '.join(wrong)}."
    else:
        readings = len(found) - len(missing)
        said = f"{len(read)} formats carry the same totals, in {readings} readings."
    if missing:
        said += f" Not asked: {', '.join(f'{row.tool} of {row.format}' for row in missing)}."
    return said


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/check-exports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="a snapshot")
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
    snapshots: dict[str, Snapshot] = {name: load(name) for name in given.files}
    if not snapshots:
        snapshots = {"the shop": load(str(RECORDING)), "hostile names": hostile()}
    statuses = [_checked(*one, formats, given.available) for one in snapshots.items()]
    return max(statuses)


def _checked(name: str, snapshot: Snapshot, formats: Sequence[Format], available: bool) -> int:
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="check-exports-") as folder:
        for row in rows(snapshot, formats, TOOLS, Path(folder)):
            narrate("check-exports", f"{name}: {row.format}, {row.tool}: {row.verdict}")
            found.append(row)
    wanted = Row("", name, "", totals_of(snapshot), "", True)
    heads = ["format", "tool", "version", *MEASURES, "verdict"]
    print(f"{table(heads, map(_cells, [wanted, *found]))}\n{verdict(found)}")
    return status(found, available)


if __name__ == "__main__":
    run("check-exports", _main)
