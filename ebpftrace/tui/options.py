"""What whoever opens the dashboard gives it, and gets back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ebpftrace.analysis.selection import Selection
from ebpftrace.model.modes import Wanted
from ebpftrace.model.picture import Picture, Point


class Controls(NamedTuple):
    """What a live watch can be told. `drains`: record no allocations from now on, only frees; or (False)
    again. `want`: watch in that mode, for so many percent of a processor (None: no limit). `wanted`: what
    was asked for last; None before there is a watch.
    """

    drains: Callable[[bool], None]
    want: Callable[[Wanted, float | None], None]
    wanted: Callable[[], tuple[Wanted, float | None] | None]


Save = Callable[[Picture, Sequence[Point]], str]


class Recorded(NamedTuple):
    """What a picture is part of that was not drawn just now.

    `why` and `host` in a few words. Pictures of another `watch` do not go on from it. `history`
    ascends; empty where it is not known. `over`: what is said when no more will come.
    """

    why: str
    host: str | None = None
    watch: str = ""
    history: Sequence[Point] = ()
    over: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """`interval` in seconds, from one picture to the next; `stopped` is asked ten times a second.

    `notes` gives sentences about the attach, for the help. `opening` says in a few words what is
    done until the first picture comes. `recorded` says what a picture is part of; None: it is live.
    `save` writes a picture, with the totals until then, somewhere and says in a sentence where, or
    why not; it may take its time. `controls` is None of what was recorded.
    """

    selection: Selection = field(default_factory=lambda: Selection(top=0))
    interval: float = 1.0
    notes: Callable[[], tuple[str, ...]] = lambda: ()
    opening: Callable[[], str] = lambda: ""
    stopped: Callable[[], bool] = lambda: False
    recorded: Callable[[Picture], Recorded | None] = lambda _: None
    save: Save | None = None
    controls: Controls | None = None


class Outcome(NamedTuple):
    """The last picture that came, and whether there is still a terminal to say something on."""

    last: Picture | None
    terminal_gone: bool
