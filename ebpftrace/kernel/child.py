"""What our child processes give up of what a fork copies."""

import os
import signal

_HIGHEST = 1 << 20


def keep_only(*descriptors: int) -> None:
    """Close every other one but the standard three.

    Else a copy of a socket's end would keep its other end waiting for us, too.
    """
    start = 3
    for descriptor in sorted(descriptors):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, _HIGHEST)


def how_it_ended(status: int) -> str:
    """The words for a wait status: `was killed by SIGKILL, as it is when memory runs out`."""
    if not os.WIFSIGNALED(status):
        return f"ended with status {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    lack = ", as it is when memory runs out" if number == signal.SIGKILL else ""
    return f"was killed by {name}{lack}"
