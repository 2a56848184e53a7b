"""How closely allocations are watched: what is seen, and what that costs."""

from typing import Literal, NamedTuple

Mode = Literal["full", "sample", "growth"]
"""full: every block. sample: births in windows of time, deaths all. growth: which call sites take fresh memory."""
Wanted = Literal["full", "sample", "growth", "auto"]
"""auto: whichever of them is the most exact one inside the budget."""


class Level(NamedTuple):
    """A `Mode`, or one of another version; in `sample`, of how many births one is recorded."""

    mode: str
    scale: int = 1

    def __str__(self) -> str:
        return f"sample 1:{self.scale}" if self.mode == "sample" else self.mode


GROWTH = Level("growth")
"""What it counts is of another kind: from and to it all numbers begin anew."""


class ModeChange(NamedTuple):
    """From `at_s` (since attach) on it was watched so, and why."""

    at_s: float
    level: Level
    why: str
