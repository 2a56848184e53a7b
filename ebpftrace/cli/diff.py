"""`ebpftrace diff`: what changed between snapshots."""

import argparse
import sys

from ebpftrace.analysis.diff import DIFF_SORTS, Beyond, Shown, beyond, diff
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.wording import chain, many
from ebpftrace.cli.command import Command, size
from ebpftrace.cli.common import add_logging, add_picked, add_top, listed, note, read_suppressions
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.saying import said
from ebpftrace.cli.snapshots import add_files, add_symbols, loader
from ebpftrace.collector import collector_paused
from ebpftrace.errors import UsageError
from ebpftrace.export import diff_json, diff_text
from ebpftrace.export.text import cut
from ebpftrace.text import clean
from ebpftrace.units import format_bytes

# All of them are held at once: of 50,000 call sites each, 2 GB.
_MOST_FILES = 32
_MOST_NAMED = 120


class Diff(Command):
    """Say which call sites hold more than before, which less, which are new and which gone.

    Call sites are one where their code is, whatever the addresses and pids: restarts do not matter,
    and the same site of several processes is summed. A module that was rebuilt is matched by the
    names of its functions. With more files than two, the first is compared with the last.
    """

    name = "diff"

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """The files, what is shown, and what is too much."""
        add_files(parser)
        parser.add_argument("--json", action="store_true", help="one object instead of a report")
        parser.add_argument(
            "--threshold",
            metavar="SIZE",
            type=size,
            help="exit with status 1 if all of it, or a call site, grew by more (512, 4k, 2M)",
        )
        what = parser.add_argument_group("what is shown (totals always cover everything)")
        add_top(what)
        what.add_argument(
            "--sort",
            choices=DIFF_SORTS,
            default="growth",
            help="what comes first: what changed most, or what is held last (growth)",
        )
        add_picked(what)
        add_symbols(parser)
        add_logging(parser)

    def run(self) -> Exit:
        """Load, compare, say."""
        given = self.given
        start_logging(given)
        paths = [given.first, *given.later]
        if len(paths) > _MOST_FILES:
            raise UsageError(f"diff takes {_MOST_FILES} files at most, not {len(paths)}.")
        suppressions = read_suppressions(given)
        with collector_paused(), loader(given) as opened:
            snapshots = opened.load(*paths)
            hidden = suppressions.by if suppressions is not None else None
            found = diff([one.picture for one in snapshots], hidden)
            shown = Shown(
                given.sort, listed(given), Rules.standard().with_skipped(given.skip_frames)
            )
            threshold = given.threshold
            passed = None if threshold is None else (threshold, beyond(found, threshold))
            files = [clean(one.file or path) for one, path in zip(snapshots, paths, strict=True)]
            with said():
                if given.json:
                    diff_json.write(snapshots, files, found, shown, passed, sys.stdout)
                else:
                    diff_text.write(snapshots, files, found, shown, sys.stdout)
        if passed is None or not passed[1]:
            return Exit.OK
        note(_sentence(*passed, shown.rules))
        return Exit.FINDINGS


def _sentence(threshold: int, passed: Beyond, rules: Rules) -> str:
    """What grew by more than the threshold."""
    words = []
    if passed.total is not None:
        words.append(f"what is held in all grew by {format_bytes(passed.total)}")
    if passed.sites:
        fastest = passed.sites[0]
        title = chain(fastest.largest, rules, 0).title
        more = f", as did {many(others, 'other site')}" if (others := len(passed.sites) - 1) else ""
        words.append(
            f"{cut(title, _MOST_NAMED)} grew by {format_bytes(fastest.change.bytes)}{more}"
        )
    return f"{' and '.join(words)}: more than --threshold {format_bytes(threshold)}."
