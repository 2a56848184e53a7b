"""The command, and `python -m ebpftrace`: what holds from its first line to its last.

Owns signals before a command takes them over, and after its end, and failures to load the rest.
"""

import os
import signal
import sys
from types import FrameType

from ebpftrace import shortage
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.interrupts import Interrupted

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run what the command line says; the exit status."""
    sys.unraisablehook = _unraisable
    taken = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    for number in taken:  # an exception would be lost in the middle of an import
        signal.signal(number, _leave)
    try:
        from ebpftrace.cli.main import main as command
    except Exception as error:
        told = shortage.told(error)
        if told is None:
            raise
        sys.stderr.write(f"ebpftrace: {' '.join(told)}\n")
        return int(Exit.CANNOT_ATTACH)
    for number in taken:
        signal.signal(number, _interrupt)
    try:
        return command()
    finally:
        # The interpreter gives up handlers at its end: who is ended by a signal then has not ended as asked.
        for number in taken:
            signal.signal(number, signal.SIG_IGN)


def _unraisable(given: "sys.UnraisableHookArgs") -> None:
    """Of a thread without memory for its first step nothing is printed: who starts it says so."""
    if not issubclass(given.exc_type, MemoryError):
        sys.__unraisablehook__(given)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Nothing has been begun."""
    os._exit(128 + number if sys.argv[1:2] == ["run"] else Exit.OK)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


if __name__ == "__main__":
    sys.exit(main())
