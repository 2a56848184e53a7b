"""Seccomp around ourselves; what it refuses is found by trying, see `kernel.trials`."""

from ebpftrace.host import status
from ebpftrace.host.check import Check, note, ok


def check() -> Check:
    """A filter alone is no failure: it may permit what we need."""
    mode = status.of().seccomp
    if mode == status.SECCOMP_FILTER:
        return note("seccomp", "a filter is around ebpftrace; the checks below say what it refuses")
    return ok("seccomp", "not told by this kernel" if mode is None else "no filter")
