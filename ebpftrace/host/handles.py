"""Can a process be held by a descriptor here? A filter may know older system calls only."""

import os

from ebpftrace.errors import HostRefuses
from ebpftrace.host.check import Check, ok, refused
from ebpftrace.host.explain import refusal


def require() -> None:
    """HostRefuses where pidfd_open() does not work on ourselves."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        raise refusal(error, "pidfd", "Processes cannot be held by a descriptor") from error


def check() -> Check:
    """The same question for `doctor`."""
    try:
        require()
    except HostRefuses as error:
        return refused("pidfd", error)
    return ok("pidfd", "pidfd_open() works")
