"""Names that a target or the sender of a file has chosen, in everything that shows them.

They come in as they always do, by a file that is read; nothing that a terminal obeys may come out, the
dashboard's lines are as wide as they should be, and an export has the totals that it is made of.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from zlib import crc32

from rich.style import Style

from ebpftrace.analysis.names import bare, original
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import Selection
from ebpftrace.analysis.trend import TOO_EARLY
from ebpftrace.errors import UsageError
from ebpftrace.export import text
from ebpftrace.export.formats.registry import FORMATS, Format
from ebpftrace.export.formats.subject import MEASURES, Measure, Subject
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.format.reading import read_snapshot
from ebpftrace.snapshot.format.writing import pieces
from ebpftrace.tui.canvas import strip
from ebpftrace.tui.columns import Judged, Moment, choose, heading, line_of
from ebpftrace.tui.composer import Composer, Request, Shown
from ebpftrace.tui.detail import Look, group_lines, site_lines
from ebpftrace.tui.glyphs import ASCII, UNICODE, Glyphs
from ebpftrace.tui.guide import guide_lines
from ebpftrace.tui.header import State, header_lines
from ebpftrace.tui.icicle import icicle_lines
from ebpftrace.tui.lines import Line
from ebpftrace.tui.scope import scope_line
from ebpftrace.tui.stack import as_text
from ebpftrace.tui.status import status_lines
from ebpftrace.tui.view import GROUPED, KINDS, Kind, View
from scripts.formats import definitions
from scripts.formats.check import totals_of
from scripts.formats.check_openmetrics import by_library
from scripts.formats.checking import Failed, Tool
from scripts.formats.subjects import BREAKING
from scripts.fuzzing.files import MemoryFile, memory_file
from scripts.fuzzing.shown import printable, report
from scripts.fuzzing.target import Finding, Limits, Target
from scripts.fuzzing.targets.snapshots import show
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.snapshot_builders import facts, snapshot

_ALL = Selection(top=0)
_BETWEEN = b"\n\n"
_MOST_NAMES = 6
_WIDTHS = (20, 140)
_HEIGHT = 6
_EXPORTED = 3
_TEXTS = frozenset({"collapsed", "html", "speedscope", "massif", "callgrind", "csv", "openmetrics"})
_READERS = (*definitions.TOOLS, Tool("openmetrics", "", "", lambda: "", by_library))
_files = {measure: MemoryFile() for measure in MEASURES}


def _dashboard_attempt(data: bytes) -> None:
    names, read = _named(data)
    for name in names:
        bare(name)
        original(name)
    chosen = crc32(data)  # an input sees some of the views, which it always does
    glyphs = UNICODE if chosen & 8 else ASCII
    _draw(read.picture, _WIDTHS[chosen & 1], KINDS[chosen % len(KINDS)], glyphs)


def _exports_attempt(data: bytes) -> None:
    _, read = _named(data)
    show(read)
    report("\n".join(text.lines(read.picture, _ALL)), "a report")
    chosen = crc32(data)
    for at in range(_EXPORTED):
        _export(read, FORMATS[(chosen + at) % len(FORMATS)])


def _named(data: bytes) -> tuple[list[str], Snapshot]:
    """Names that come in as they always do, by a file that is read."""
    names = [part.decode("utf-8", "surrogateescape") for part in data.split(_BETWEEN)][:_MOST_NAMES]
    memory_file().fill(b"".join(pieces(_written(names))))
    return names, read_snapshot(memory_file().path)


def _written(names: list[str]) -> Snapshot:
    """Two processes and some sites that are called so, whatever a name may stand for."""
    first, last = names[0], names[-1]
    targets = tuple(
        target(pid=Pid(41 + slot), slot=Slot(slot), comm=name, exe=name, allocators=(name,))
        for slot, name in ((1, first), (2, last))
    )
    sites = [
        site(
            f"{number}{name}",
            slot=Slot(1 + number % 2),
            pid=Pid(42 + number % 2),
            family=name,
            allocator=name,
            end=name,
            counts=counts(1 + number, 1_000 * (1 + number), freed=number),
            frames=(
                frame(name, file=f"/{name}", line=number, module=last, source=name, address=number),
                frame(
                    last, inlined=True, file=name, module=name, build_id=name, address=number + 1
                ),
                frame(None, module=f"/{name}"),
                frame("main", address=number + 1),
            ),
        )
        for number, name in enumerate(names)
    ]
    processes = tuple(
        facts(pid=one.pid, slot=one.slot, command_line=tuple(names)) for one in targets
    )
    return snapshot(picture(*sites, targets=targets), processes=processes, notes=tuple(names))


# --- the dashboard --------------------------------------------------------------------------------------


def _draw(shown: Picture, width: int, kind: Kind, glyphs: Glyphs) -> None:
    filtered = View(_ALL, kind, query=shown.targets[0].comm[:20])
    for view in (View(_ALL, kind), filtered):
        found = Composer().compose(Request(shown, view, room=(width, _HEIGHT)))
        _check_lines(_lines(found, view, width, glyphs), width, glyphs)
        _check_lines(_around(found, width), width, glyphs)
    for one in shown.sites:
        report(as_text(one, shown.targets[0].comm), "a stack that is copied")


def _lines(found: Shown, view: View, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """What the table, the flame view and the pane show."""
    shown = found.request.picture
    columns = choose(width, view, several=True, families=True)
    yield heading(columns, view, width, glyphs)
    moment = Moment(shown.since_attach_s, found.whole, glyphs, Judged())
    look = Look(shown, Rules.standard(), None, None, glyphs)
    for at in range(len(found.rows)):
        row = found.rows.row(at)
        yield line_of(row, columns, moment, at == 0, width)
        if view.kind in GROUPED:
            yield from group_lines(row, found.rows.part(at), look, width)
        else:
            yield from site_lines(found.rows.sites(at)[0], look, width)
    yield from icicle_lines(found.boxes, width, _HEIGHT, 0, glyphs)
    yield scope_line(shown, view, None, len(found.rows), found.problem)


def _around(found: Shown, width: int) -> Iterator[Line]:
    shown = found.request.picture
    state = State(found.headline, TOO_EARLY, None, None, Rules.standard())
    yield from header_lines(shown, state, _HEIGHT)
    yield from status_lines(shown, width, 2)
    known = sum(1 for _ in guide_lines(None, (), width))
    yield from islice(guide_lines(shown, shown.naming.notes, width), known - 2, None)


def _check_lines(lines: Iterable[Line], width: int, glyphs: Glyphs) -> None:
    for line in lines:
        drawn = strip(line, width, Style(), glyphs)
        if sum(segment.cell_length for segment in drawn) != width:
            raise Finding(f"a line of {width} cells has another width: {drawn.text!a}")
        printable(drawn.text, "a line of the dashboard")


# --- exports --------------------------------------------------------------------------------------------


def _export(read: Snapshot, one: Format) -> None:
    files: dict[Measure, Path] = {}
    for measure in MEASURES if one.one_measure else MEASURES[:1]:
        out = io.BytesIO()
        one.load()(Subject.of(read, "file", _ALL, measure), out)
        _files[measure].fill(out.getvalue())
        files[measure] = Path(_files[measure].path)
        if one.name in _TEXTS:
            printable(out.getvalue().decode(), one.name, allowed="\n\t\r")
    if one.name == "csv":
        _check_rows(files["bytes"], len(read.picture.sites))
    for measure in MEASURES:
        files.setdefault(measure, files["bytes"])
    for tool in _READERS:
        if tool.format == one.name:
            _check_totals(read, tool, files)


def _check_totals(read: Snapshot, tool: Tool, files: dict[Measure, Path]) -> None:
    try:
        totals = tool.totals(files)
    except Failed as error:
        raise Finding(f"{tool.format}: {error}") from error
    wanted = totals_of(read)
    if any(totals[measure] != wanted[measure] for measure in totals):
        raise Finding(f"{tool.format} has {totals}, and it should have {wanted}")


def _check_rows(file: Path, sites: int) -> None:
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.reader(opened, strict=True))
    if len(rows) != 1 + sites or any(len(row) != len(rows[0]) for row in rows):
        raise Finding(f"csv has {len(rows)} rows, and there are {sites} sites")


def _seeds() -> Iterator[bytes]:
    names = [name[:60].encode("utf-8", "surrogateescape") for name in BREAKING]
    for at in range(0, len(names), _MOST_NAMES):
        yield _BETWEEN.join(names[at : at + _MOST_NAMES])
    yield b"std::vector<int, std::allocator<int> >::push_back(int const&)\n\noperator new[](unsigned long)"


_WORDS = (
    *(b"\n\n", b"\x1b[2J", b"\xc2\x9b", b"[/]", b"[bold]", b"<b>", b"</script>", b";", b'"'),
    *(b"\\", b"{", b"}", b"\xe2\x80\xae", b"\xf0\x9f\x98\x80", b"\xcc\x81", b" = ", b"fn=(1)"),
    *(b"operator()", b"<lambda", b"::", b"(anonymous namespace)", b"[abi:cxx11]", b"\t"),
)

DASHBOARD = Target(
    "dashboard",
    "names of functions, files, modules and processes, on the lines of the dashboard",
    _dashboard_attempt,
    _seeds,
    (UsageError,),
    words=_WORDS,
    most_bytes=1024,
    limits=Limits(seconds=4.0),
)

EXPORTS = Target(
    "exports",
    "the same in reports and exports, which have to have the totals that they are made of",
    _exports_attempt,
    _seeds,
    (UsageError,),
    words=_WORDS,
    most_bytes=1024,
    limits=Limits(seconds=4.0, memory=128 << 20),
)

TARGETS = (DASHBOARD, EXPORTS)
