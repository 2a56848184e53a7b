"""A table of call sites for spreadsheets, pandas, DuckDB and `sqlite3 .import --csv`.

RFC 4180 in UTF-8 with a header; lines end in a bare line feed, as cut and awk want it. Columns:

    id                  of the call site; empty for what has none (`ebpftrace attach --json` with --top)
    pid, process        process: its comm
    family, allocator   glibc, malloc
    blocks, bytes       that are held: allocated + adopted - freed
    allocated_blocks, allocated_bytes, freed_blocks, freed_bytes, adopted_blocks, adopted_bytes
    oldest_s            age of the oldest block that is held
    growth_bytes_per_s  over the last five to ten seconds
    trend               growing, levelling off, steady, churning
    function, file, line, module  of the frame to blame
    stack               all frames from the allocation outward, with ` <- ` between

What is not known is empty. The sum of a column of blocks or bytes is the total. A spreadsheet runs
what begins with `=`, `+`, `-` or `@`, in quotes or not, and names are chosen by whoever wrote the
program: a text that begins with one of these, or has one behind a `;` where some spreadsheets divide
cells, gets a `'` before it.
"""

import csv
import itertools
import re
from collections.abc import Sequence
from typing import BinaryIO

from ebpftrace.analysis.trend import Trends
from ebpftrace.analysis.wording import leading
from ebpftrace.export.formats.places import REST, Place, Places
from ebpftrace.export.formats.subject import Subject
from ebpftrace.model.picture import CallSite, Counts, Site

COLUMNS = (
    *("id", "pid", "process", "family", "allocator", "blocks", "bytes"),
    *Counts._fields,
    *("oldest_s", "growth_bytes_per_s", "trend", "function", "file", "line", "module", "stack"),
)
_AT_ONCE = 500  # lines; of 20 frames each they are a MB
_CALLED_BY = " <- "
# The full-width forms count in spreadsheets of East Asia; spaces and quotes before one may be dropped.
_FORMULA = re.compile("""(^|;)(?=[ '"]*[=+@\uff1d\uff0b\uff0d\uff20-])""")

Cell = str | int | float | None


def write(subject: Subject, out: BinaryIO) -> None:
    """A line for each call site, the one that holds most first, and one for what has none."""
    rows = _Rows(subject)
    largest = sorted(subject.sites, key=lambda one: (-one.counts.bytes, one.at.id))
    lines = itertools.chain(
        [",".join(COLUMNS) + "\n"],
        map(rows.line, largest),
        [_rest(subject.rest)] if any(subject.rest) else [],
    )
    while piece := "".join(itertools.islice(lines, _AT_ONCE)):
        out.write(piece.encode())


def safe(text: str) -> str:
    """The same, made so that no spreadsheet runs it."""
    if text[:1].isalnum() and ";" not in text:
        return text
    return _FORMULA.sub(r"\1'", text)


class _Made:
    """So that csv hands over a line instead of writing it."""

    def write(self, line: str) -> str:
        return line


def _line(cells: Sequence[Cell], stack: str) -> str:
    """`stack` has its quotes doubled: csv looks at every character, which took 1.3 s of 67 MB."""
    return f'{_CELLS.writerow(cells)},"{stack}"\n'


_CELLS = csv.writer(_Made(), lineterminator="")


def _rest(rest: Counts) -> str:
    known: dict[str, Cell] = {"blocks": rest.blocks, "bytes": rest.bytes, **rest._asdict()}
    known["function"] = REST
    return _line([known.get(name) for name in COLUMNS[:-1]], REST)


class _Rows:
    """Texts are made fit for a cell once for each place in the code."""

    def __init__(self, subject: Subject) -> None:
        picture = subject.snapshot.picture
        self._now = picture.since_attach_s
        self._rules = subject.selection.rules
        self._trends = Trends(self._now)
        self._places = Places(picture)
        self._called: list[str] = []
        """Of each place what a stack says, with quotes doubled."""
        self._blamed: list[tuple[Cell, ...]] = []
        """Of each place: function, file, line, module."""
        self._processes = {target.slot: safe(target.comm) for target in picture.targets}

    def line(self, site: Site) -> str:
        """In the order of COLUMNS."""
        at, counts = site.at, site.counts
        stack = self._stack(at)
        blamed = stack[leading(at.frames, self._rules) if at.frames else 0]
        oldest, growth = site.oldest_at, site.growth
        cells = (
            safe(at.id),
            at.pid,
            self._processes.get(at.slot),
            at.family and safe(at.family),
            at.allocator and safe(at.allocator),
            counts.blocks,
            counts.bytes,
            *counts,
            None if oldest is None else round(self._now - oldest, 3),
            None if growth is None else round(growth, 1),
            self._trends.of(site).word,
            *self._blamed[blamed],
        )
        return _line(cells, _CALLED_BY.join([self._called[number] for number in stack]))

    def _stack(self, at: CallSite) -> Sequence[int]:
        """Without the process, which has a column of its own."""
        stack = self._places.stack(at)
        for place in self._places.table[len(self._called) :]:
            self._called.append(safe(_called(place)).replace('"', '""'))
            file, module = place.file and safe(place.file), place.module and safe(place.module)
            self._blamed.append((safe(place.name), file, place.line or None, module))
        return stack[: len(at.frames) + (not at.frames or not at.complete)]


def _called(place: Place) -> str:
    """`serve server.c:42`, `malloc [/lib/libc.so.6]`; nothing in it passes for the next place."""
    known = place.name
    if place.file is not None:
        known += f" {place.file}:{place.line}" if place.line else f" {place.file}"
    elif place.module is not None:
        known += f" {place.module}" if place.module.startswith("[") else f" [{place.module}]"
    return known.replace(_CALLED_BY, " · ")
