"""What can stand as the value of an option or argument, as far as a shell can complete it."""

from collections.abc import Iterator
from enum import Enum

from ebpftrace.errors import EbpftraceError
from scripts.usage.grammar import Argument, Grammar, Option


class Kind(Enum):
    """Who knows the words: the file system, /proc, the user database, a list, or nobody."""

    FILE = "file"
    DIRECTORY = "directory"
    PID = "pid"
    PROCESS = "process"
    GROUP = "group"
    USER = "user"
    WORDS = "words"
    NONE = "none"


_BY_NAME = {
    "AFTER": Kind.FILE,
    "BEFORE": Kind.FILE,
    "DIR": Kind.DIRECTORY,
    "FILE": Kind.FILE,
    "N": Kind.NONE,
    "NAME:ptr=argN": Kind.NONE,
    "NAME:ptr=argN,size=argN": Kind.NONE,
    "NAME:size=argN": Kind.NONE,
    "OUT": Kind.FILE,
    "PATH": Kind.GROUP,
    "PERCENT": Kind.NONE,
    "PID": Kind.PID,
    "REGEX": Kind.NONE,
    "SIZE": Kind.NONE,
    "TIME": Kind.NONE,
}
# Where one word means different things.
_BY_DESTINATION = {"conditions": Kind.WORDS, "names": Kind.PROCESS, "user": Kind.USER}
# The beginnings of what --on takes.
_BEGINNINGS = {"conditions": ("pressure=", "rss=", "tracked=")}


def kind(of: Option | Argument) -> Kind:
    """EbpftraceError of what this table does not know: it has to be decided for each."""
    if isinstance(of, Option) and of.choices:
        return Kind.WORDS
    if isinstance(of, Option) and of.dest in _BY_DESTINATION:
        return _BY_DESTINATION[of.dest]
    name = of.value if isinstance(of, Option) else of.name
    if name not in _BY_NAME:
        raise EbpftraceError(f"scripts/usage/values.py does not say how {name} is completed.")
    return _BY_NAME[name]


def words(option: Option) -> tuple[str, ...]:
    """Those of `Kind.WORDS`; after one that ends in `=` something is still to come."""
    return option.choices or _BEGINNINGS[option.dest]


def of_commands(grammar: Grammar) -> Iterator[tuple[str, Option]]:
    """Every option that takes a value, with the name of its command."""
    for command in grammar.commands:
        for option in command.options:
            if option.value is not None:
                yield command.name, option
