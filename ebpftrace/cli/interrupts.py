"""The signals that tell a command to end, before it takes them over: each is an exception."""

import signal


class Interrupted(KeyboardInterrupt):
    """By `number`. What is under way is undone."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def number_of(error: KeyboardInterrupt) -> int:
    """The signal; SIGINT where Python's own handler was in place."""
    return error.number if isinstance(error, Interrupted) else signal.SIGINT
