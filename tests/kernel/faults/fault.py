"""What a fault is, and what is expected of the tool and of its target whenever it happens: data."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kernel.faults.round import Round


class Fate(Enum):
    """Of the target."""

    LIVES = "lives"
    ENDS = "ends"
    EITHER = "lives or has ended before"


@dataclass(frozen=True)
class Expected:
    """How the tool may end, and what becomes of the target."""

    statuses: frozenset[int]
    """Negative: the signal that ended it."""
    says: str = ""
    """A pattern that is found on stderr where the status is 2, 3 or 4."""
    fate: Fate = Fate.LIVES
    leaves_breakpoints: bool = False
    """Who is killed may be removing a probe, and the kernel then leaves its breakpoint (`kernel.worker_process`).
    The next run that ends in good order takes it out."""


@dataclass(frozen=True)
class Fault:
    """`inject` starts the tool and does what the fault is; it returns what exactly was met, in a few words."""

    name: str
    what: str
    inject: Callable[["Round"], str]
    expected: Expected
    rounds: Callable[["Round"], int] = lambda _: 1
    """How many different ones there are, of the round before the first."""
    busy: int = 2
    """Threads of the target that work, and those that sleep."""
    idle: int = 0
    program: Callable[[Path], Path] | None = None
    """Makes another program of the target in a folder."""


def may_end(
    *statuses: int, says: str = "", fate: Fate = Fate.LIVES, leaves_breakpoints: bool = False
) -> Expected:
    return Expected(frozenset(statuses), says, fate, leaves_breakpoints)


def times(number: int) -> Callable[["Round"], int]:
    """So many rounds, whatever the host is."""
    return lambda _: number


@dataclass(frozen=True)
class Result:
    """Of one round. `speed`: of the target afterwards, as a part of what it was before; 0 where it has ended."""

    met: str
    statuses: tuple[int, ...]
    findings: tuple[str, ...]
    sentences: tuple[str, ...]
    speed: float
    clean_s: float
    """From the end of the tool to when nothing was left."""
    taken_out: bool = False
    """Was a breakpoint left that the next run took out?"""
