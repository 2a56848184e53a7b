"""`ebpftrace export`: what a snapshot holds, as a file that other tools read."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from ebpftrace.analysis import wording
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import Selection
from ebpftrace.cli.command import Command, whole
from ebpftrace.cli.common import add_logging, add_picked, log_unused, note, read_suppressions
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.output import Output
from ebpftrace.cli.snapshots import add_file, add_symbols, loader
from ebpftrace.collector import collector_paused
from ebpftrace.errors import UsageError
from ebpftrace.export.formats.registry import FORMATS, Format, named
from ebpftrace.export.formats.subject import MEASURES, Subject
from ebpftrace.text import clean
from ebpftrace.units import format_bytes

_EXAMPLES = """

examples:
  ebpftrace export app.ebpftrace -f csv -o sites.csv
  ebpftrace export app.ebpftrace -f json -o picture.json.zst
  ebpftrace export snapshots/ -f collapsed -o - | flamegraph.pl >held.svg

exit status: 0 it was written, or who read it has gone; 2 it was not, for the reason that is said"""
_ENDS = (signal.SIGTERM, signal.SIGHUP)


class Export(Command):
    """Write what a snapshot holds in a format that other tools read.

    Every format has the same totals, and all call sites unless told otherwise; what --suppressions hides is in none, and
    said. It needs neither root nor the process, nor the host that it ran on. FILE may also be a
    stream or a recording of --json, of which the last picture counts, or a directory: its newest
    snapshot. A format that shows the course of time has all pictures of that watch.

    OUT is whole or not there: it gets its name once all of it is written, and one that exists is
    replaced with --force only. It is packed by gzip or zstd where its name ends in .gz or .zst. It
    holds names and paths of the program; its mode is by the umask.
    """

    name = "export"

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """What, as what, where to."""
        parser.epilog = _epilog()
        add_file(parser)
        parser.add_argument(
            "-f",
            dest="format",
            metavar="FORMAT",
            required=True,
            choices=[one.name for one in FORMATS],
            help="one of those below",
        )
        parser.add_argument(
            "-o",
            dest="out",
            metavar="OUT",
            required=True,
            help="the file to write; - is standard output",
        )
        parser.add_argument("--force", action="store_true", help="replace OUT where it exists")
        what = parser.add_argument_group("what is written")
        one_measure = ", ".join(one.name for one in FORMATS if one.one_measure)
        what.add_argument(
            "--measure",
            choices=MEASURES,
            help="what numbers stand for (bytes: those held now), in formats with room for one: "
            f"{one_measure}; all others have all four",
        )
        cutting = ", ".join(one.name for one in FORMATS if one.cuts)
        what.add_argument(
            "--top",
            metavar="N",
            type=whole(0, 1 << 30),
            help=f"the largest call sites, and the rest as one, in: {cutting}; else all, as with 0",
        )
        comparing = ", ".join(one.name for one in FORMATS if one.compares)
        what.add_argument(
            "--base",
            metavar="FILE",
            help=f"show what changed since this one, in: {comparing or 'no format yet'}",
        )
        add_picked(what)
        add_symbols(parser)
        add_logging(parser)

    def run(self) -> Exit:
        """Load and write."""
        given = self.given
        start_logging(given)
        chosen = named(given.format)
        self._check(chosen)
        out = Output(given.out, packed=chosen.packed, force=given.force)
        with _ended_by_signals(out):
            return self._write(chosen, out)

    def _check(self, chosen: Format) -> None:
        if self.given.base is not None and not chosen.compares:
            comparing = [one.name for one in FORMATS if one.compares]
            where = f"give -f {' or '.join(comparing)}, or use" if comparing else "use"
            raise UsageError(
                f"--base is for formats that show changes, which {chosen.name} does not: "
                f"{where} ebpftrace diff."
            )
        if self.given.measure is not None and not chosen.one_measure:
            note(f"--measure changes nothing here: {chosen.name} has room for all of them.")

        if self.given.top is not None and not chosen.cuts:
            note(f"--top changes nothing here: {chosen.name} has all call sites.")

    def _write(self, chosen: Format, out: Output) -> Exit:
        # Not at the top: msgpack and zstandard are for those who read a file.
        from ebpftrace.snapshot.series import Series

        given = self.given
        suppressions = read_suppressions(given)
        write = chosen.load()
        with collector_paused(), loader(given) as opened:
            paths = [given.file] if given.base is None else [given.base, given.file]
            *base, snapshot = opened.load(*paths)
            files = [one.file for one in (*base, snapshot) if one.file is not None]
            if out.is_one_of([*paths, *files]):
                raise UsageError(
                    f"{out.said} is what is to be exported. Give another file with -o."
                )
            rules = Rules.standard().with_skipped(given.skip_frames)
            series = Series(given.file, snapshot, opened.picture)
            subject = Subject.of(
                snapshot,
                clean(snapshot.file or given.file),
                Selection(top=given.top or 0, rules=rules, suppressions=suppressions),
                given.measure or "bytes",
                series,
                base[0] if base else None,
            )
            size = out.write(lambda file: write(subject, file))
            if size is not None:
                note(_sentence(chosen, out.said, size, subject))
                for sentence in dict.fromkeys((*snapshot.notes, *series.notes())):
                    note(sentence)
        log_unused(suppressions)
        return Exit.OK


def _epilog() -> str:
    """The formats, and what reads each."""
    widest = max(len(one.name) for one in FORMATS)
    lines = [f"  {one.name:{widest}}  {one.says}" for one in FORMATS]
    return "formats:\n" + "\n".join(lines) + _EXAMPLES


def _sentence(chosen: Format, where: str, size: int, subject: Subject) -> str:
    """What was written, how large it is, and what is not in it."""
    file = f"wrote {chosen.name} to {where}, {format_bytes(size)}"
    words = [
        f"{file}: {wording.held(subject.counts)}, {wording.many(len(subject.sites), 'call site')}"
    ]
    if subject.rest.blocks:
        words.append(f"of it {wording.held(subject.rest)} in call sites that were not recorded")
    if subject.suppressed.sites:
        words.append(f"left out {wording.suppressed(subject.suppressed)}")
    return "; ".join(words)


@contextmanager
def _ended_by_signals(out: Output) -> Iterator[None]:
    """Undo what was begun, and do not pass for a file that was written.

    A shell goes on with what follows a command that ends with 0.
    """
    before = {one: signal.getsignal(one) for one in _ENDS}
    try:
        for one, handler in before.items():
            if handler is signal.SIG_DFL:  # nohup has a hang-up ignored
                signal.signal(one, _interrupt)
        yield
    except KeyboardInterrupt:
        raise UsageError(f"The export was interrupted: {out.said} was not written.") from None
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
