"""`ebpftrace record`: snapshots of running processes, for when nobody watches."""

import argparse
import os
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from ebpftrace.cli.capture import capture_options, leave
from ebpftrace.cli.command import Command, positive_time, size, time, typed, whole
from ebpftrace.cli.common import (
    add_logging,
    add_naming,
    add_targets,
    add_tracked,
    add_when,
    check_common,
    named_pids,
    note,
)
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.log import start_logging
from ebpftrace.errors import CannotAttach, UsageError
from ebpftrace.recorder import conditions
from ebpftrace.recorder.signals import Signals
from ebpftrace.units import format_bytes, format_seconds, parse_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ebpftrace.model.picture import Picture, Point
    from ebpftrace.model.snapshot import Snapshot, Trigger
    from ebpftrace.recorder.keepers import Take
    from ebpftrace.recorder.recorder import Outcome
    from ebpftrace.session.session import Session
    from ebpftrace.snapshot.storage.folder import Folder

_MOST_NAMED = 8
_KEEP, _KEEP_BYTES = 200, "1G"


class Record(Command):
    """Keep snapshots of running processes: at intervals, when memory runs short, at their end.

    Nothing is printed but what it does, on stderr, and no terminal is needed. As a service:
      systemd-run -u black-box ebpftrace record -p PID -o /var/lib/black-box
    Another one comes at each SIGUSR1 (systemctl kill -s SIGUSR1 black-box), when the memory group of
    a process runs out of memory or is throttled, and when a process ends. Ctrl-C, SIGTERM or the end
    of the last process writes the last one and removes the probes.
    """

    name = "record"
    fails_by = CannotAttach

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Targets, where to, how much, when."""
        add_targets(parser)
        _add_kept(parser)
        _add_causes(parser)
        add_when(parser, "snapshots")
        add_naming(parser)
        add_tracked(parser)
        add_logging(parser)

    def run(self) -> Exit:
        """Attach, record, leave."""
        given = self.given
        check_common(given)
        if not given.folder:
            raise UsageError("No directory was named; use -o DIR for the snapshots.")
        if given.stream and given.blocks:
            raise UsageError("A stream holds no single blocks; give --stream or --blocks.")
        start_logging(given)
        pids = named_pids(given)
        from ebpftrace.snapshot.storage.folder import Folder, Keep

        keep = Keep(given.keep, given.keep_bytes, given.keep_age)
        with closing(Signals()) as signals, closing(Folder.open(given.folder, keep)) as folder:
            session = self._opened(pids)
            try:
                outcome = self._record(session, folder, signals)
            finally:
                leave(session)
        if outcome.failure is not None:
            raise UsageError(outcome.failure)
        return Exit.TARGETS_ENDED if outcome.ended else Exit.OK

    def _opened(self, pids: "Sequence[int]") -> "Session":
        from ebpftrace.cli.targets import open_processes, wanted_of
        from ebpftrace.recorder.survival import spare
        from ebpftrace.session.preparation import prepare

        wanted = wanted_of(self.given)
        options = replace(
            capture_options(self.given, wanted=wanted),
            facts=True,
            environment=self.given.environment,
        )
        processes = open_processes(pids, wanted)
        prepared = prepare(options)
        # Not before: the compiler is a fork of ours, and memory that it needs is the target's.
        spare([os.getpid(), prepared.worker.pid])
        from ebpftrace.session.session import Session  # the compiler runs meanwhile

        return Session.open(processes, prepared, note)

    def _record(self, session: "Session", folder: "Folder", signals: Signals) -> "Outcome":
        from ebpftrace.recorder.alarms import Alarms
        from ebpftrace.recorder.arming import arm
        from ebpftrace.recorder.arrivals import Arrivals
        from ebpftrace.recorder.keepers import Files, Stream
        from ebpftrace.recorder.recorder import Plan, Recorder
        from ebpftrace.recorder.waiting import Waiting
        from ebpftrace.target.memory_group import directory_of

        given = self.given
        for line in session.notes():
            note(line)
        armed = arm(
            [target.pid for target in session.latest().targets], given.conditions, directory_of
        )
        with closing(Alarms(armed.alarms, note)) as alarms, closing(Arrivals(session)) as arrivals:
            self._say(session.latest(), [alarm.when for alarm in armed.alarms], armed.missing)
            take = self._taking(session)
            return Recorder(
                session,
                Stream(folder, take) if given.stream else Files(folder, take),
                alarms,
                Waiting(arrivals, signals, alarms).wait,
                Plan(given.every, given.duration, given.count),
                note,
            ).run()

    def _taking(self, session: "Session") -> "Take":
        from ebpftrace.session.taking import taken

        def take(picture: "Picture", trigger: "Trigger", history: "Sequence[Point]") -> "Snapshot":
            return taken(session, picture, trigger, history, blocks=self.given.blocks)

        return take

    def _say(self, picture: "Picture", when: "Sequence[str]", missing: "Sequence[str]") -> None:
        """What it watches, where it writes, and what makes it write."""
        from ebpftrace.analysis.crowd import others, pick
        from ebpftrace.analysis.wording import named, waiting

        given = self.given
        shown, rest = pick(picture.targets, _MOST_NAMED)
        said = [*map(named, shown), *([others(rest)] if rest else [])]
        if said:
            note(f"watching {', '.join(said)}")
        for words in waiting(picture):
            note(words)
        age = f", {format_seconds(given.keep_age)}" if given.keep_age is not None else ""
        note(
            f"writing to {given.folder}, every {format_seconds(given.every)}; at most {given.keep} "
            f"files, {format_bytes(given.keep_bytes)}{age}"
        )
        note(f"also at SIGUSR1 to pid {os.getpid()}, and when a process ends")
        for clause in when:
            note(f"also when {clause}")
        for sentence in missing:
            note(sentence)


def _add_kept(parser: argparse.ArgumentParser) -> None:
    """Where to, what and how much."""
    kept = parser.add_argument_group("what is kept (the oldest goes first)")
    kept.add_argument(
        "-o",
        dest="folder",
        metavar="DIR",
        help="the directory of the snapshots; it is made where there is none",
    )
    kept.add_argument(
        "--keep",
        metavar="N",
        type=whole(1, 1 << 30),
        default=_KEEP,
        help=f"keep at most so many files ({_KEEP})",
    )
    kept.add_argument(
        "--keep-bytes",
        metavar="SIZE",
        type=size,
        default=parse_size(_KEEP_BYTES),
        help=f"keep at most so many bytes of files ({_KEEP_BYTES})",
    )
    kept.add_argument("--keep-age", metavar="TIME", type=time, help="keep nothing older than this")
    kept.add_argument(
        "--stream", action="store_true", help="append what changed to a stream, not a file each"
    )
    kept.add_argument("--blocks", action="store_true", help="keep every single block as well")
    kept.add_argument(
        "--environment", action="store_true", help="keep the processes' environments as well"
    )


def _add_causes(parser: argparse.ArgumentParser) -> None:
    """When one is taken."""
    why = parser.add_argument_group("when one is taken")
    why.add_argument(
        "--every",
        metavar="TIME",
        type=positive_time,
        default=60.0,
        help="time from one to the next (60s)",
    )
    why.add_argument(
        "--on",
        dest="conditions",
        metavar="WHAT=VALUE",
        action="append",
        default=[],
        type=typed(conditions.parse),
        help="also when resident memory or tracked bytes pass a size (rss=2G, tracked=500M) or a "
        "rate (rss=50M/m, per s, m or h), or when tasks wait for memory (pressure=10%%)",
    )
