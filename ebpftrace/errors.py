"""The errors a caller acts on, and nothing else.

    EbpftraceError           a sentence for the user: what failed, on what, why, what to do
    ├── UsageError           the command line or a file it names cannot be used
    └── CannotAttach         nothing can be traced as asked
        ├── HostRefuses      whatever the target: `doctor` shows the reason and the fix apart
        └── TargetGone       the process ended: a caller that watches several goes on

`cli.exits` maps each class to an exit status. A message is one or two full sentences.
"""


class EbpftraceError(Exception):
    """Base of every error that ends in a sentence instead of a traceback."""


class UsageError(EbpftraceError):
    """The command line is wrong, or a file it names cannot be read or written."""


class CannotAttach(EbpftraceError):
    """The process, the host or the permissions do not allow tracing; the message says which."""


class HostRefuses(CannotAttach):
    """This host does not allow it: `reason` and `fix` are full sentences."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason} {fix}")
        self.reason = reason
        self.fix = fix


class TargetGone(CannotAttach):
    """The process ended, or its pid belongs to another process by now."""
