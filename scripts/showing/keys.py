"""Keys at random moments, and how long each took to be on the screen.

A key is answered when another site (function, node) is under the dashboard's cursor than when it was
pressed: no refresh does that, for the cursor stays on its site. One key at a time is under way. A
moment for a key that comes meanwhile is taken for one that is answered with it, which is the least
that it would have waited: a stall that swallows ten moments counts as ten, not as one.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from scripts.showing.terminal import Terminal

_DOWN = (b"\x1b[B", b"j")
_UP = (b"\x1b[A", b"k")
_PAGE_DOWN, _PAGE_UP = b"\x1b[6~", b"\x1b[5~"
_HOME, _END = b"\x1b[H", b"\x1b[F"
_APART_S = 0.005
_PATIENCE_S = 2.0


@dataclass(slots=True)
class Answers:
    """`waited`: seconds, one for each moment; `queued` of them came while another key was under way.

    `unanswered` keys changed nothing in two seconds; `unasked`: times that the cursor was elsewhere
    without a key, which makes the rest doubtful.
    """

    waited: list[float] = field(default_factory=list)
    pressed: int = 0
    queued: int = 0
    unanswered: int = 0
    unasked: int = 0


class Percentiles(NamedTuple):
    """In the unit of what they were taken of."""

    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, readings: Sequence[float]) -> "Percentiles | None":
        """By nearest rank; None of no readings."""
        if not readings:
            return None
        ordered = sorted(readings)
        p50, p90, p99 = (ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.9, 0.99))
        return cls(p50, p90, p99, ordered[-1])


def planned(rng: random.Random) -> Iterator[bytes]:
    """Keys of which each moves the cursor, from wherever the one before has left it."""
    while True:
        yield _HOME
        yield from (rng.choice(_DOWN) for _ in range(rng.randint(3, 9)))
        yield from (_PAGE_DOWN, rng.choice(_DOWN), rng.choice(_UP), _END)
        yield from (rng.choice(_UP) for _ in range(rng.randint(3, 9)))
        yield from (_PAGE_UP, rng.choice(_UP), rng.choice(_DOWN))


class Presser:
    """Presses keys on a terminal up to a moment, and does `tick` once a second meanwhile."""

    def __init__(
        self, terminal: Terminal, tick: Callable[[], None], per_s: float = 20.0, seed: int = 1
    ) -> None:
        self.answers = Answers()
        self._mean_gap = 1 / per_s - _APART_S
        self._terminal = terminal
        self._tick = tick
        self._rng = random.Random(seed)
        self._keys = planned(self._rng)
        self._next_tick = time.monotonic() + 1.0
        self._under_cursor: tuple[str, ...] = ()

    def press_until(self, end: float) -> Answers:
        """Up to the moment `end`; the first second is not measured."""
        self._terminal.press(_DOWN[0])  # before, the cursor stays on a row and not on a site
        self._read(time.monotonic() + 1.0, lambda: False)
        moment = time.monotonic()
        while (moment := max(moment, time.monotonic()) + self._gap()) < end:
            self._read(time.monotonic() + _APART_S, lambda: False)  # the rest of the same write
            before = self._under_cursor
            self._read(moment, lambda: False)
            self.answers.unasked += self._under_cursor != before
            self._press()
        return self.answers

    def _gap(self) -> float:
        return _APART_S + self._rng.expovariate(1 / self._mean_gap)

    def _press(self) -> None:
        before = self._under_cursor
        self.answers.pressed += 1
        pressed = time.monotonic()
        self._terminal.press(next(self._keys))
        answered = self._read(pressed + _PATIENCE_S, lambda: self._under_cursor not in {before, ()})
        if answered is None:
            self.answers.unanswered += 1
            return
        moment = pressed
        while moment < answered:
            self.answers.waited.append(answered - moment)
            moment += self._gap()
        self.answers.queued = len(self.answers.waited) + self.answers.unanswered
        self.answers.queued -= self.answers.pressed

    def _read(self, until: float, condition: Callable[[], bool]) -> float | None:
        """When `condition` came to hold; None where it has not by the moment `until`."""
        while (now := time.monotonic()) < until:
            if now >= self._next_tick:
                self._next_tick += 1.0
                self._tick()
            came = self._terminal.read(min(until, self._next_tick))
            if came is not None:
                self._under_cursor = self._terminal.screen.cursor_names()
                if condition():
                    return came
        return None
