"""`ebpftrace run`: a program from its first allocation to its end, and what it held then."""

import argparse
from contextlib import ExitStack

from ebpftrace.cli import dashboard
from ebpftrace.cli.captured import Captured
from ebpftrace.cli.command import Command, size, whole
from ebpftrace.cli.common import add_common, add_follow, check_common, log_unused, read_suppressions
from ebpftrace.cli.forwarding import Forwarding
from ebpftrace.cli.interrupts import number_of
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.outputs import Outputs
from ebpftrace.errors import CannotAttach, UsageError


class Run(Command):
    """Run a program and say what it still holds when it ends, by call site.

    It is watched from its first allocation on, those of its libraries' constructors included, and so
    is what it executes in its place; processes that it starts are with --follow, from some moments
    after their start on. Its input and output stay its own: the report goes to stderr, or to --output.
    Ctrl-C and SIGTERM end the program, as without ebpftrace. The exit status is the program's, 128 and
    the signal if one ended it.

    As a check for leaks in CI:
      ebpftrace run --error-exitcode 9 --threshold 4k --suppressions known.supp -- ./tests
    """

    name = "run"
    fails_by = CannotAttach

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """The command, the check, the form of the output, and the common options."""
        parser.usage = "ebpftrace run [OPTION...] -- CMD [ARGUMENT...]"
        parser.add_argument("command_line", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
        _add_check(parser)
        form = parser.add_mutually_exclusive_group()
        form.add_argument(
            "--text", action="store_true", help="write a report every interval as well"
        )
        form.add_argument(
            "--json",
            action="store_true",
            help="write an object a line every interval, and one on the end; without --output on stdout, "
            "and what the program writes there goes to stderr",
        )
        form.add_argument(
            "--dashboard",
            action="store_true",
            help="show the dashboard meanwhile; what the program writes to the terminal comes after it, "
            "and leaving it ends the program",
        )
        parser.add_argument("--user", metavar="NAME", help="run it with the rights of this user")
        _add_files(parser)
        add_follow(parser)
        add_common(parser, of_run=True)

    def run(self) -> int:
        """Start it, watch it, say what it held."""
        try:
            return self._status()
        except (
            KeyboardInterrupt
        ) as error:  # before there was anything that it could be handed on to
            return 128 + number_of(error)

    def _status(self) -> int:
        given = self.given
        check_common(given)
        command = given.command_line[given.command_line[:1] == ["--"] :]
        if not command:
            raise UsageError("No command was given; use ebpftrace run [OPTION...] -- CMD.")
        if given.trace_log is not None and given.drain_after is not None:
            raise UsageError("--trace-log has every call; --drain-after leaves some out.")
        if given.dashboard and not dashboard.possible():
            raise UsageError("--dashboard needs a terminal that can show it.")
        start_logging(given)
        suppressions = read_suppressions(given)
        # Not at the top: `--version` and usage errors need none of the capture half.
        from ebpftrace.cli.running import Running
        from ebpftrace.host import capabilities, handles, privileges
        from ebpftrace.target.launching import Launch

        capabilities.require()
        handles.require()
        with ExitStack() as undo:
            undo.callback(log_unused, suppressions)
            outputs = undo.enter_context(Outputs(given))
            captured = undo.enter_context(Captured()) if given.dashboard else None
            privileges.pass_none_on()
            launch = Launch(
                command, outputs.moved if captured is None else captured.moved, given.user
            )
            undo.callback(launch.close)
            signals = Forwarding(launch.send)
            privileges.shed()  # the rights of what was launched are its own
            return Running(given, launch, signals, outputs, suppressions).status(captured)


def _add_check(parser: argparse.ArgumentParser) -> None:
    gate = parser.add_argument_group("as a check")
    gate.add_argument(
        "--error-exitcode",
        metavar="N",
        type=whole(1, 255),
        help="exit with N if more than --threshold is in use at exit, suppressed call sites aside",
    )
    gate.add_argument(
        "--threshold",
        metavar="SIZE",
        type=size,
        default=0,
        help="so much may be in use at exit (0)",
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("files (none that exists is replaced without --force)")
    files.add_argument(
        "-o", "--output", metavar="FILE", help="write reports there instead of to stderr"
    )
    files.add_argument(
        "--save",
        metavar="FILE",
        help="keep a snapshot of the end, for report, diff, export and open",
    )
    files.add_argument(
        "--trace-log",
        metavar="FILE",
        help="write every call, as the script mtrace reads it; FILE.2 and so on after an exec",
    )
    files.add_argument("--force", action="store_true", help="replace files that exist")
