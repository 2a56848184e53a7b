"""`ebpftrace doctor`: will attach work here, and if not, what to do."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ebpftrace.cli.command import Command
from ebpftrace.cli.common import (
    add_logging,
    add_pids,
    distinct_pids,
)
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.saying import say
from ebpftrace.errors import CannotAttach

if TYPE_CHECKING:
    from ebpftrace.doctor.report import Report


class Doctor(Command):
    """Say whether attach will work here, and how to mend what keeps it from working.

    Everything is tried on nothing of anybody's; with -p the process is looked at, not attached to.
    Only --bundle with -p attaches, for two seconds.
    """

    name = "doctor"
    fails_by = CannotAttach

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Targets if wanted, and where the result goes."""
        add_pids(parser)
        parser.add_argument("--json", action="store_true", help="one object instead of a table")
        parser.add_argument(
            "--bundle",
            metavar="FILE",
            type=Path,
            help="write a new .tar.gz for a bug report, and say what is in it",
        )
        add_logging(parser)

    def run(self) -> Exit:
        """Check, pack, say."""
        given = self.given
        start_logging(given)
        pids = distinct_pids(given.pids) if given.pids else []
        # Not at the top: `--version` and usage errors need none of the capture half.
        from ebpftrace.doctor import bundle, host_checks, target_checks
        from ebpftrace.doctor.report import Report
        from ebpftrace.host import privileges

        if given.bundle:
            bundle.check_path(given.bundle)
        host = host_checks.checks()
        privileges.shed()
        targets = tuple(target_checks.report(pid, host.trial) for pid in pids)
        report = Report(host.checks, targets, host.features)
        listing: list[str] = []
        contents: list[str] = []
        if given.bundle:
            made = bundle.parts(report, [t.pid for t in report.targets if t.suitable])
            bundle.write(given.bundle, made)
            listing = ["", *bundle.listing(given.bundle, made)]
            contents = [part.name for part in made]
        if given.json:
            found = report.as_object()
            if given.bundle:
                found["bundle"] = {"file": str(given.bundle), "contents": contents}
            say(json.dumps(found, ensure_ascii=False))
        else:
            say("\n".join([*report.lines(), *listing]))
        return _status(report)


def _status(report: "Report") -> Exit:
    """A host that works and a process that does not is what `attach` ends with 3 for."""
    if report.ok:
        return Exit.OK
    if report.host_ok and not any(target.suitable for target in report.targets):
        return Exit.CANNOT_ATTACH
    return Exit.FINDINGS
