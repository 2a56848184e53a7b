"""The root of the command line: parser, commands, and the one place that catches."""

import argparse
import inspect
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from ebpftrace import __version__, shortage
from ebpftrace.cli import streams
from ebpftrace.cli.attach import Attach
from ebpftrace.cli.command import Command
from ebpftrace.cli.diff import Diff
from ebpftrace.cli.doctor import Doctor
from ebpftrace.cli.exits import Exit, exit_of
from ebpftrace.cli.export import Export
from ebpftrace.cli.open import Open
from ebpftrace.cli.probes import Probes
from ebpftrace.cli.record import Record
from ebpftrace.cli.report import Report
from ebpftrace.cli.run import Run
from ebpftrace.cli.streams import mute
from ebpftrace.errors import CannotAttach, EbpftraceError, UsageError
from ebpftrace.text import clean_lines

log = logging.getLogger(__name__)

COMMANDS: tuple[type[Command], ...] = (
    *(Attach, Run, Record),
    *(Report, Diff, Open, Export),
    *(Probes, Doctor),
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in a sentence, as every other error does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See: {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; a command's docstring is its help."""
    root = _Parser(
        prog="ebpftrace",
        description="Shows which call sites of a running process hold memory that was not freed.",
    )
    root.add_argument("--version", action="version", version=f"ebpftrace {__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for kind in COMMANDS:
        text = inspect.getdoc(kind) or ""
        sub = commands.add_parser(
            kind.name,
            help=text.splitlines()[0].rstrip("."),
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        kind.add_arguments(sub)
        sub.set_defaults(command=kind)
    return root


def _ended(error: EbpftraceError) -> int:
    # Who named a file may have meant the terminal of who reads it.
    sys.stderr.write(f"ebpftrace: {clean_lines(str(error))}\n")
    log.debug("ended by", exc_info=error)
    return int(exit_of(error))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status (see `cli.exits`)."""
    streams.prepare()
    try:
        return _run(argv)
    finally:
        streams.leave()


def _run(argv: Sequence[str] | None) -> int:
    fails_by: type[EbpftraceError] = CannotAttach
    try:
        given = parser().parse_args(argv)
        command: type[Command] = given.command
        fails_by = command.fails_by
        return int(command(given).run())
    except EbpftraceError as error:
        return _ended(error)
    except KeyboardInterrupt:
        return int(Exit.OK)
    except BrokenPipeError:
        mute(sys.stdout)
        return int(Exit.OK)
    except Exception as error:
        log.debug("internal error", exc_info=True)
        if (told := shortage.told(error)) is not None:  # wherever it came from
            return _ended(fails_by(" ".join(told)))
        sys.stderr.write(
            f"ebpftrace: internal error: {type(error).__name__}: {error}. This is a defect; "
            "--debug --log-file FILE keeps the details for a report.\n"
        )
        return int(Exit.INTERNAL)
