"""How soon stacks are whole: rules are made when a walk misses one, so the first walks end early.

The target is python3 with malloc below it, as many different stacks as programs have, in full run
when the tool attaches. Counters at the ends of a window lie on a line between two pictures.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from time import sleep

from scripts.bench import tracers
from scripts.bench.figures import Section, Spread, Target, as_figures, median, narrate, table, wide
from scripts.bench.loops import PYTHON_LOOP, Child
from scripts.bench.pairs import SETTLE_S
from scripts.bench.wholeness import Picture, births, cut

EDGES_S = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
WARM_AFTER_S = 0.5
MOST_CUT_PERCENT = 1.0
_PYTHON = Path("/usr/bin/python3")
_INTERVAL = "0.1"


@dataclass(frozen=True, slots=True)
class Count:
    """Since attach, at a moment: allocations, those not whole by the losses and by their sites."""

    at_s: float
    births: float
    cut: float
    at_cut_sites: float

    @classmethod
    def of(cls, picture: Picture) -> "Count":
        """Of a picture that lists every site."""
        total = births(picture["totals"])
        whole = [site for site in picture["sites"] if site["complete"] and not site["guessed"]]
        beside = total - sum(map(births, whole))
        return cls(picture["since_attach_s"], total, cut(picture), beside)

    def towards(self, later: "Count", moment: float) -> "Count":
        """At `moment`, on the line from here to `later`."""
        share = (moment - self.at_s) / (later.at_s - self.at_s)
        here, there = asdict(self).values(), asdict(later).values()
        return Count(*(a + share * (b - a) for a, b in zip(here, there, strict=True)))


def _at(counts: Sequence[Count], moment: float) -> Count:
    for earlier, later in pairwise(counts):
        if earlier.at_s <= moment <= later.at_s and earlier.at_s < later.at_s:
            return earlier.towards(later, moment)
    raise tracers.TracerFailed(f"No pictures around {moment} s since attach.")


def percent_cut(counts: Sequence[Count], start_s: float, end_s: float) -> float | None:
    """Allocations in a window whose stacks are not whole, by the worse of the two accounts.

    None where nothing was allocated.
    """
    start, end = _at(counts, start_s), _at(counts, end_s)
    born = end.births - start.births
    missed = max(end.cut - start.cut, end.at_cut_sites - start.at_cut_sites)
    return 100 * missed / born if born else None


def _watched() -> tuple[list[Count], float]:
    """One watch of a new process from its first moment on, and s from command to first picture."""
    options = ("--interval", _INTERVAL, "--top", "0")
    with Child(_PYTHON, PYTHON_LOOP, environment={"PYTHONMALLOC": "malloc"}) as child:
        child.go()
        sleep(SETTLE_S)
        with tracers.tool([child.pid], *options) as run:
            while run.next_picture()["since_attach_s"] < EDGES_S[-1]:
                pass
            return [Count(0, 0, 0, 0), *map(Count.of, run.pictures)], run.first_picture_s


def measure(times: int) -> Section:
    """Attach `times` to a fresh process each."""
    watches = []
    for number in range(times):
        narrate("overhead", f"warm-up, {number + 1} of {times}")
        watches.append(_watched())
    windows = [*pairwise(EDGES_S), (WARM_AFTER_S, EDGES_S[-1])]

    def spread(window: tuple[float, float]) -> Spread | None:
        found = [percent_cut(counts, *window) for counts, _ in watches]
        return Spread.of(percent for percent in found if percent is not None)

    def rate(window: tuple[float, float]) -> Spread | None:
        start, end = window
        return Spread.of(
            (_at(counts, end).births - _at(counts, start).births) / (end - start)
            for counts, _ in watches
        )

    first = Spread.of(seconds for _, seconds in watches)
    rows = [
        (f"{start:g}-{end:g}", wide(spread((start, end)), 2), wide(rate((start, end))))
        for start, end in windows
    ]
    text = (
        "Warm-up, python3 with PYTHONMALLOC=malloc: allocations whose stack is not whole\n"
        f"{table(('s since attach', '%', 'allocations a second'), rows)}\n"
        f"from the command to the first picture: {wide(first, 2)} s"
    )
    figures = {
        "percent": {
            f"{start:g}-{end:g}": as_figures(spread((start, end))) for start, end in windows
        },
        "first_picture_s": as_figures(first),
        "watches": [[asdict(count) for count in counts] for counts, _ in watches],
    }
    target = Target(
        f"% of stacks not whole after {WARM_AFTER_S:g} s",
        MOST_CUT_PERCENT,
        median(spread(windows[-1])),
    )
    return Section("warm-up", text, figures, [target])
