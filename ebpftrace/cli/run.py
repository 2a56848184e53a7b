"""`ebpftrace run`: a program from its first allocation to its end, and what it held then."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from ebpftrace.analysis.exiting import AtExit, at_exit
from ebpftrace.analysis.selection import Selection
from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.cli.capture import capture_options, leave
from ebpftrace.cli.command import Command, size, whole
from ebpftrace.cli.common import (
    add_common,
    check_common,
    listed,
    log_unused,
    note,
    read_suppressions,
    selection,
)
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.forwarding import Forwarding
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.saying import OutputClosed, mute, told
from ebpftrace.cli.watch import Limits, guarded, watch
from ebpftrace.errors import CannotAttach, TargetGone, UsageError
from ebpftrace.export import exit_json, exit_text, jsonl, text
from ebpftrace.model.picture import Picture
from ebpftrace.text import clean
from ebpftrace.units import format_bytes

if TYPE_CHECKING:
    from ebpftrace.session.session import Session
    from ebpftrace.target.launching import Launch


class Run(Command):
    """Run a program and say what it still holds when it ends, by call site.

    ebpftrace run [OPTION…] -- CMD [ARGUMENT…]

    It is watched from its first allocation on, those of its libraries' constructors included, and so
    is what it executes in its place; processes that it starts are not. Its input and output stay its
    own: the report goes to stderr, or to --output. Ctrl-C ends the program, as without ebpftrace. The
    exit status is the program's, 128 and the signal if one ended it.

    As a check for leaks in CI:
    ebpftrace run --error-exitcode 9 --threshold 4k --suppressions known.supp -- ./tests
    """

    name = "run"

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """The command, the check, the form of the output, and the common options."""
        parser.usage = "ebpftrace run [OPTION...] -- CMD [ARGUMENT...]"
        parser.add_argument("command_line", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
        gate = parser.add_argument_group("as a check")
        gate.add_argument(
            "--error-exitcode",
            metavar="N",
            type=whole(1, 255),
            help="exit with N if more than --threshold is in use at exit, suppressed call sites aside",
        )
        gate.add_argument(
            "--threshold", metavar="SIZE", type=size, default=0, help="that much may be (0)"
        )
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--text", action="store_true", help="a report every interval as well")
        form.add_argument("--json", action="store_true", help="an object a line every interval")
        parser.add_argument(
            "-o", "--output", metavar="FILE", help="write reports there instead of to stderr"
        )
        parser.add_argument("--force", action="store_true", help="overwrite files that exist")
        add_common(parser)

    def run(self) -> int:
        """Start it, watch it, say what it held."""
        given = self.given
        check_common(given)
        command = given.command_line[given.command_line[:1] == ["--"] :]
        if not command:
            raise UsageError("No command was given; use ebpftrace run [OPTION...] -- CMD.")
        start_logging(given)
        suppressions = read_suppressions(given)
        # Not at the top: `--version` and usage errors need none of the capture half.
        from ebpftrace.host import capabilities, handles
        from ebpftrace.target.launching import Launch

        capabilities.require()
        handles.require()
        with _opened(given.output, given.force) as out:
            launch = Launch(command)
            try:
                return self._watched(launch, out or sys.stderr, suppressions)
            finally:
                launch.close()
                log_unused(suppressions)

    def _watched(self, launch: "Launch", out: TextIO, suppressions: Suppressions | None) -> int:
        from ebpftrace.session.preparation import prepare

        signals = Forwarding(launch.send)
        try:
            prepared = prepare(capture_options(self.given))
            from ebpftrace.session.session import Session  # the compiler runs meanwhile

            session = Session.open([], prepared, note, launch=launch)
        except TargetGone as error:
            if not launch.ended():
                launch.close(kill=True)
                raise
            note(str(error))
            return launch.wait()
        except CannotAttach as error:
            launch.close(kill=True)
            raise CannotAttach(f"{error} It was ended before it had run anything.") from error
        except BaseException:
            launch.close(kill=True)
            raise
        found = self._until_its_end(session, signals, out, suppressions)
        if not signals.stopped:
            return self._judged(found, launch.wait())
        return self._judged(found, 128 + signals.number)

    def _until_its_end(
        self,
        session: "Session",
        signals: Forwarding,
        out: TextIO,
        suppressions: Suppressions | None,
    ) -> AtExit:
        given = self.given
        chosen = selection(given, listed(given), suppressions)
        try:
            for line in session.notes():
                note(line)
            try:
                write = guarded(self._form(chosen, out))
                limits = Limits(given.duration, given.count)
                watch(session, write, lambda picture: bool(picture.sites), limits, signals)
            except OutputClosed:
                mute()
            final = session.stop()
            found = at_exit(final, chosen, given.threshold)
            try:
                with told():
                    self._report(final, found, chosen, session.children(), out)
            except OutputClosed:
                mute()
            return found
        finally:
            leave(session)

    def _form(self, chosen: Selection, out: TextIO) -> Callable[[Picture], None]:
        """What is written every interval."""
        if self.given.json:
            return lambda picture: jsonl.write(picture, chosen, out)
        if self.given.text:
            return lambda picture: text.write(picture, chosen, out)
        return lambda _: None

    def _report(
        self, final: Picture, found: AtExit, chosen: Selection, children: int, out: TextIO
    ) -> None:
        """What comes at the end."""
        if self.given.json:
            jsonl.write(final, chosen, out)
            command = [clean(word) for word in self.given.command_line]
            jsonl.emit(exit_json.as_object(found, command, children), out)
        else:
            text.emit(exit_text.lines(found, chosen, children), out)

    def _judged(self, found: AtExit, status: int) -> int:
        """The exit status, with the reason where it is not the program's."""
        wanted = self.given.error_exitcode
        if wanted is None:
            return status
        if not found.known:
            note("what it held at its exit is not known, so this is no check that was passed.")
            return Exit.CANNOT_ATTACH
        if not found.too_much:
            return status
        note(
            f"{format_bytes(found.unsuppressed_bytes)} in use at exit: more than --threshold "
            f"{format_bytes(found.threshold)}."
        )
        return int(wanted)


@contextmanager
def _opened(path: str | None, force: bool) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    try:
        with open(path, "w" if force else "x", encoding="utf-8") as out:  # noqa: PTH123 - TextIO
            yield out
    except FileExistsError as error:
        raise UsageError(f"{path} exists; give --force to overwrite it.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
