"""`ebpftrace open`: what was recorded, as if it were live."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.cli import dashboard
from ebpftrace.cli.command import Command
from ebpftrace.cli.common import (
    add_logging,
    add_shown,
    listed,
    log_unused,
    note,
    read_suppressions,
    selection,
)
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.saying import OutputClosed
from ebpftrace.cli.snapshots import Loader, add_file, add_symbols, loader
from ebpftrace.cli.streams import mute
from ebpftrace.cli.watch import Limits, StopSignals, guarded, watch
from ebpftrace.collector import collector_paused, settle
from ebpftrace.model.picture import Picture
from ebpftrace.text import clean

if TYPE_CHECKING:
    from ebpftrace.snapshot.source import Source

_SOON_S = 0.5


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; write it as 1, 0.5, 10 or inf")
    return speed


class Open(Command):
    """Show what was recorded: in the dashboard on a terminal, else as reports.

    FILE is a snapshot, or a directory: its newest one; a stream, or what attach --json wrote, is
    played as if it happened now. It needs neither root nor the process, nor the host that it ran on.
    --follow shows what ebpftrace record is writing, until q or Ctrl-C.
    """

    name = "open"

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """The file, form of the output, and what is shown."""
        add_file(parser)
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--follow",
            action="store_true",
            help="the newest of a directory or stream, then each one that a recorder adds to it",
        )
        how.add_argument(
            "--speed",
            metavar="N",
            type=_speed,
            default=1.0,
            help="of what is played: 10 is ten times as fast, inf as fast as it can be shown (1)",
        )
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--text", action="store_true", help="a report of every picture")
        form.add_argument("--json", action="store_true", help="an object a line of every picture")
        add_shown(parser)
        add_symbols(parser)
        add_logging(parser)

    def run(self) -> Exit:
        """Read, show, leave."""
        given = self.given
        start_logging(given)
        on_screen = not (given.text or given.json) and dashboard.possible()
        suppressions = read_suppressions(given)
        with loader(given) as opened, self._source(opened) as source:
            signals = StopSignals()  # until here Ctrl-C ends at once what may take its time
            if on_screen:
                dashboard.load()
                settle()  # a full collection would take 0.1 s for 50,000 sites, and find nothing
                dashboard.show_recorded(source, selection(given, 0, suppressions), signals)
            else:
                self._report(source, self._writer(source, suppressions), signals)
                for sentence in source.notes():
                    note(sentence)
            for sentence in opened.notes():
                note(sentence)
        log_unused(suppressions)
        return Exit.OK

    def _source(self, opened: Loader) -> "Source":
        # Not at the top: msgpack and zstandard are for those who read a file.
        from ebpftrace.snapshot.loading import following, pictures

        given = self.given
        if given.follow:
            return following(given.file, opened.picture)
        with collector_paused():
            return pictures(given.file, given.speed, opened.picture)

    def _report(
        self, source: "Source", write: Callable[[Picture], None], signals: StopSignals
    ) -> None:
        attempt = guarded(write)
        try:
            first = source.after(None, _SOON_S)
            if first is None:
                note(f"{source.doing}; Ctrl-C ends it.")
            if watch(source, attempt, lambda _: True, Limits(), signals):
                attempt(source.latest())
        except OutputClosed:
            mute(sys.stdout)

    def _writer(
        self, source: "Source", suppressions: Suppressions | None
    ) -> Callable[[Picture], None]:
        """How a picture is written: what is not played comes with all that is known of it."""
        from ebpftrace.export import jsonl, snapshot_json, snapshot_text, text

        given, plain = self.given, jsonl if self.given.json else text
        whole = snapshot_json if given.json else snapshot_text
        chosen = selection(given, listed(given), suppressions)

        def write(picture: Picture) -> None:
            snapshot = None if source.is_played else source.snapshot(picture)
            if snapshot is None:
                plain.write(picture, chosen, sys.stdout)
            else:
                whole.write(snapshot, clean(snapshot.file or given.file), chosen, sys.stdout)

        return write
