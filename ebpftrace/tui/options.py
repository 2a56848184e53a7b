"""What whoever opens the dashboard gives it, and gets back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ebpftrace.analysis.selection import Selection
from ebpftrace.model.picture import Picture


@dataclass(frozen=True, slots=True)
class Options:
    """`interval` in seconds, from one picture to the next; `stopped` is asked ten times a second.

    `notes` gives sentences about the attach, for the help. `opening` says in a few words what is
    done until the first picture comes. `save` writes a picture somewhere and says in a sentence
    where, or why not.
    """

    selection: Selection = field(default_factory=lambda: Selection(top=0))
    interval: float = 1.0
    notes: Callable[[], tuple[str, ...]] = lambda: ()
    opening: Callable[[], str] = lambda: ""
    stopped: Callable[[], bool] = lambda: False
    save: Callable[[Picture], str] | None = None


class Outcome(NamedTuple):
    """The last picture that came, and whether there is still a terminal to say something on."""

    last: Picture | None
    terminal_gone: bool
