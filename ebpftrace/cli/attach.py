"""`ebpftrace attach`: a live view of running processes."""

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.cli import dashboard
from ebpftrace.cli.capture import capture_options, leave
from ebpftrace.cli.command import Command
from ebpftrace.cli.common import (
    add_common,
    add_targets,
    check_common,
    listed,
    log_unused,
    named_pids,
    note,
    read_suppressions,
    selection,
)
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.saying import OutputClosed
from ebpftrace.cli.streams import mute
from ebpftrace.cli.watch import Limits, StopSignals, guarded, watch
from ebpftrace.errors import CannotAttach
from ebpftrace.export import jsonl, text
from ebpftrace.model.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ebpftrace.session.preparation import Preparation
    from ebpftrace.session.session import Session
    from ebpftrace.target.process import Process

# The first report with something in it comes early: somebody is waiting for it.
_FIRST_REPORT_S = 0.25


class Attach(Command):
    """Show which call sites of running processes hold memory that was not freed.

    Nothing in the target is changed, and nothing of it restarted. On a terminal this is a dashboard,
    else a report every interval. Ctrl-C, or q in the dashboard, ends the watch: the last picture
    comes first, then the probes are removed.
    """

    name = "attach"
    fails_by = CannotAttach

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Targets, form of the output, and the common options."""
        add_targets(parser)
        form = parser.add_mutually_exclusive_group()
        form.add_argument(
            "--text", action="store_true", help="write a report every interval, to a terminal too"
        )
        form.add_argument(
            "--json", action="store_true", help="write an object a line every interval"
        )
        add_common(parser)

    def run(self) -> Exit:
        """Attach, watch, leave."""
        given = self.given
        check_common(given)
        start_logging(given)
        pids = named_pids(given)
        suppressions = read_suppressions(given)
        signals = StopSignals()
        # Not at the top: `--version` and usage errors need none of the capture half.
        from ebpftrace.cli.targets import open_processes, wanted_of
        from ebpftrace.session.preparation import prepare

        first = None if given.json else min(_FIRST_REPORT_S, given.interval)
        wanted = wanted_of(given)
        processes = open_processes(pids, wanted)
        shows = not (given.text or given.json) and dashboard.possible()
        prepared = prepare(replace(capture_options(given, first, wanted), dashboard=shows))
        if shows:
            return self._show(processes, prepared, suppressions, signals)
        from ebpftrace.session.session import Session  # the compiler runs meanwhile

        session = Session.open(processes, prepared, note)
        try:
            return self._report(session, suppressions, signals)
        finally:
            leave(session)
            log_unused(suppressions)

    def _show(
        self,
        processes: "Sequence[Process]",
        prepared: "Preparation",
        suppressions: Suppressions | None,
        signals: StopSignals,
    ) -> Exit:
        """The dashboard, which is there before the session."""
        from ebpftrace.cli.opening import Opening, Told

        def opened(warn: Told, step: Told) -> "Session":
            from ebpftrace.session.session import Session

            return Session.open(processes, prepared, warn, step)

        given = self.given
        limits = Limits(given.duration, given.count)
        opening = Opening(_named(processes), opened, prepared.interrupt)
        try:
            dashboard.load()
            chosen = selection(given, 0, suppressions)
            ended = dashboard.show(opening, chosen, given.interval, limits, signals, _worth_reading)
        finally:
            leave(opening)
            log_unused(suppressions)
        return Exit.TARGETS_ENDED if ended else Exit.OK

    def _report(
        self, session: "Session", suppressions: Suppressions | None, signals: StopSignals
    ) -> Exit:
        given = self.given
        limits = Limits(given.duration, given.count)
        for line in session.notes():
            note(line)
        view = jsonl if given.json else text
        chosen = selection(given, listed(given), suppressions)
        write = guarded(lambda picture: view.write(picture, chosen, sys.stdout))
        try:
            ended = watch(
                session,
                write,
                (lambda _: True) if given.json else _worth_reading,
                limits,
                signals,
            )
            write(session.stop())
        except OutputClosed:
            session.stop()
            mute(sys.stdout)
            return Exit.OK
        return Exit.TARGETS_ENDED if ended else Exit.OK


def _named(processes: "Sequence[Process]") -> str:
    if not processes:
        return "what is to come"
    if len(processes) > 1:
        return f"{len(processes)} processes"
    return f"{processes[0].comm} (pid {processes[0].pid})"


def _worth_reading(picture: Picture) -> bool:
    """The picture drawn at the moment of arming holds nothing yet, unless there is nothing to hold."""
    return (
        bool(picture.sites or not picture.targets) or picture.since_attach_s >= _FIRST_REPORT_S / 2
    )
