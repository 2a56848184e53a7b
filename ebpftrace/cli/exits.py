"""The one table of exit codes."""

from enum import IntEnum

from ebpftrace.errors import CannotAttach, EbpftraceError, UsageError


class Exit(IntEnum):
    """How a command ended. `run` returns the child's own status instead of OK."""

    OK = 0
    """As asked: Ctrl-C, SIGTERM, hang-up, closed output, --duration, --count, q."""
    FINDINGS = 1
    """A threshold was passed, or a check of `doctor` failed."""
    USAGE = 2
    """Bad usage, or a file that cannot be read or written."""
    CANNOT_ATTACH = 3
    """No such process, not permitted, no allocator, unsafe to probe; or the host gives too little to go on."""
    TARGETS_ENDED = 4
    """Every target ended before the watch was over."""
    INTERNAL = 5
    """A defect of ebpftrace."""


def exit_of(error: EbpftraceError) -> Exit:
    """The exit code that an error ends in."""
    for kind, code in ((UsageError, Exit.USAGE), (CannotAttach, Exit.CANNOT_ATTACH)):
        if isinstance(error, kind):
            return code
    return Exit.INTERNAL
