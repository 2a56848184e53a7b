"""`ebpftrace report`: what a snapshot says."""

import argparse
import sys

from ebpftrace.cli.command import Command
from ebpftrace.cli.common import add_logging, add_shown, listed, read_suppressions, selection
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.saying import said
from ebpftrace.cli.snapshots import add_file, add_symbols, loader
from ebpftrace.collector import collector_paused
from ebpftrace.export import snapshot_json, snapshot_text
from ebpftrace.text import clean


class Report(Command):
    """Say what a snapshot holds: when and why it was taken, the processes, the call sites.

    It needs neither root nor the process, nor the host that it ran on. FILE may also be a stream or
    a recording of --json, of which the last picture counts, or a directory: its newest snapshot.
    """

    name = "report"

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """The file, and what is shown of it."""
        add_file(parser)
        parser.add_argument("--json", action="store_true", help="one object instead of a report")
        add_shown(parser)
        add_symbols(parser)
        add_logging(parser)

    def run(self) -> Exit:
        """Load and say."""
        given = self.given
        start_logging(given)
        chosen = selection(given, listed(given), read_suppressions(given))
        with collector_paused(), loader(given) as opened:
            (snapshot,) = opened.load(given.file)
            view = snapshot_json if given.json else snapshot_text
            with said():
                view.write(snapshot, clean(snapshot.file or given.file), chosen, sys.stdout)
        return Exit.OK
