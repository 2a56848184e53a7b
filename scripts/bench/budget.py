"""How `--mode auto` keeps its budget: what it takes, what it says that costs, and what the target feels.

Attached and not attached in turn, on one process for each load. Only the steady state counts: what comes
after the first seconds of a watch.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from scripts.bench import tracers
from scripts.bench.figures import Section, Spread, Target, as_figures, median, narrate, table, wide
from scripts.bench.loops import PYTHON_LOOP, WORKLOADS, Child

BUDGET = 5.0
"""Percent of a processor, which is what the tool has unless it is told."""
ALLOWED = 2.0
"""Points more than the budget that the target may feel."""
RATES = (1_000, 10_000, 40_000, 100_000, 1_000_000)
SAMPLED = 40_000
"""Pairs a second that are to be sampled, neither left nor watched one by one."""
_PACED = WORKLOADS / "paced_pairs"
_STEADY_S = 3.0
_CLEAN_S = 0.5
_LINE_S = 10.0
_MADE = 0.95  # of the pairs that were asked for, at least
_INTERVAL = "400ms"
_CPUCLOCK_SCHED = 2  # of the clock of a process, include/linux/posix-timers.h

Picture = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """Over some seconds: `cpu` of them on a processor, and how often it did what it does (`done`)."""

    seconds: float
    cpu: float
    done: float

    def __add__(self, other: "Reading") -> "Reading":
        return Reading(self.seconds + other.seconds, self.cpu + other.cpu, self.done + other.done)

    @property
    def cpu_percent(self) -> float:
        return 100 * self.cpu / self.seconds


@dataclass(frozen=True, slots=True)
class Round:
    """The target alone, before and after, and watched. Costs are percent of a processor as the tool has them, None: not known.

    `level`: the one that it was in for the longest time; `changes`: from one to another in the steady state.
    """

    bare: Reading
    watched: Reading
    level: str
    changes: int
    predicted: float | None
    computed: float | None

    @property
    def added(self) -> float:
        """Percent of a processor that it needs more for what it is told to do in a second."""
        return self.watched.cpu_percent - self.bare.cpu_percent

    @property
    def lost(self) -> float:
        """Of what it does in a second of CPU time, in percent."""
        return 100 * (1 - self.watched.done / self.watched.cpu * self.bare.cpu / self.bare.done)

    @property
    def taken(self) -> float:
        """Percent of a processor that it lost, where it runs all the time; less where others run too."""
        return self.lost * self.watched.cpu / self.watched.seconds


@dataclass(frozen=True, slots=True)
class Load:
    """`rate`: pairs a second; None: as fast as it can."""

    name: str
    start: Callable[[], AbstractContextManager[Child]]
    rate: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """All rounds of one load."""

    load: Load
    rounds: Sequence[Round]

    @property
    def slowdown(self) -> Spread | None:
        """Percent of one processor."""
        paced = self.load.rate is not None
        return Spread.of(one.added if paced else one.taken for one in self.rounds)

    def of(self, name: str) -> Spread | None:
        """Of an attribute of rounds, where it is known."""
        return Spread.of(n for one in self.rounds if (n := getattr(one, name)) is not None)

    @property
    def levels(self) -> str:
        """Where the rounds were, the most frequent one first."""
        counts = Counter(one.level for one in self.rounds).most_common()
        return ", ".join(name if len(counts) == 1 else f"{name} ({n})" for name, n in counts)

    @property
    def made(self) -> float | None:
        """Of the pairs that it was asked for, in the worst reading; None where it was not asked."""
        if self.load.rate is None:
            return None
        readings = [reading for one in self.rounds for reading in (one.bare, one.watched)]
        return min(reading.done / reading.seconds for reading in readings) / self.load.rate

    def targets(self) -> list[Target]:
        limit = BUDGET + ALLOWED
        found = [Target(f"{self.load.name}: % of a CPU", limit, median(self.slowdown))]
        if self.load.rate == SAMPLED:
            others = sum(not one.level.startswith("sample") for one in self.rounds)
            found.append(Target(f"{self.load.name}: rounds that were not sampled", 0, others))
        return found

    @property
    def verdict(self) -> str:
        return "pass" if all(target.reached for target in self.targets()) else "MISS"

    def cells(self) -> list[str]:
        made = "" if self.made is None or self.made >= _MADE else f", {self.made:.0%} made"
        return [
            self.load.name + made,
            self.levels,
            str(sum(one.changes for one in self.rounds)),
            wide(self.of("predicted"), 1),
            wide(self.of("computed"), 1),
            wide(self.slowdown, 1),
            "-" if self.load.rate is not None else wide(self.of("lost"), 1),
            self.verdict,
        ]

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        names = ("predicted", "computed", "added", "lost", "taken")
        return {
            "name": self.load.name,
            "pairs_per_s": self.load.rate,
            "slowdown_percent": as_figures(self.slowdown),
            **{name: as_figures(self.of(name)) for name in names},
            "made": self.made,
            "pass": self.verdict == "pass",
            "rounds": [asdict(one) for one in self.rounds],
        }


def level_of(picture: Picture) -> str:
    """As the tool writes it: `full`, `sample 1:16`, `growth`."""
    mode, scale = picture["mode"], picture["scale"]
    return f"{mode} 1:{scale}" if mode == "sample" else str(mode)


def predicted(pictures: Sequence[Picture]) -> float | None:
    """What the level of the last picture was to cost before it was taken, as it was last said; from the
    first picture where that one has it already. `growth` begins anew, with what was foreseen.
    """
    level = level_of(pictures[-1])
    since = len(pictures)
    while since > 0 and level_of(pictures[since - 1]) == level:
        since -= 1
    before = list(reversed(pictures[:since])) or list(pictures)
    said = (picture["cost"]["forecast_percent"].get(level) for picture in before)
    return next((float(percent) for percent in said if percent is not None), None)


def round_of(
    bare: Reading, watched: Reading, before: Sequence[Picture], steady: Sequence[Picture]
) -> Round:
    """From the pictures `before` the steady state, and those in it, of which there is one at least."""
    levels = [level_of(picture) for picture in steady]
    level = Counter(levels).most_common(1)[0][0]
    last = max(number for number, name in enumerate(levels) if name == level)
    costs = [picture["cost"]["target_cpu_percent"] for picture in steady]
    known = [cost for cost in costs if cost is not None]
    return Round(
        bare,
        watched,
        level,
        sum(one != other for one, other in pairwise(levels)),
        predicted([*before, *steady[: last + 1]]),
        statistics.mean(known) if known else None,
    )


def _cpu_s(pid: int) -> float:
    """Of all its threads, in ns as the scheduler has them."""
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def _paced(child: Child, seconds: float) -> Reading:
    """`t_ns pairs` ten times a second."""

    def said() -> tuple[int, int, float]:
        child.forget()
        at, made = child.line(_LINE_S).split()
        return int(at), int(made), _cpu_s(child.pid)

    at, made, cpu = said()
    time.sleep(seconds)
    now, made_now, cpu_now = said()
    return Reading((now - at) / 1e9, cpu_now - cpu, made_now - made)


def _flat_out(child: Child, seconds: float) -> Reading:
    """`1 ns_per_iteration` after each batch: all of them take the same CPU time."""
    child.forget()
    child.line(_LINE_S)
    began, cpu = time.monotonic(), _cpu_s(child.pid)
    times = []
    while time.monotonic() - began < seconds:
        times.append(float(child.line(_LINE_S).split()[1]))
    passed, spent = time.monotonic() - began, _cpu_s(child.pid) - cpu
    return Reading(passed, spent, spent * 1e9 / statistics.harmonic_mean(times))


def _watched(
    child: Child, read: Callable[[], Reading]
) -> tuple[Reading, Sequence[Picture], Sequence[Picture]]:
    """And the pictures from before that, and meanwhile."""
    with tracers.tool([child.pid], "--mode", "auto", "--interval", _INTERVAL) as run:
        time.sleep(_STEADY_S)
        known = len(run.pictures)
        found = read()
        pictures = list(run.pictures)
    return found, pictures[:known], pictures[known:]


def _rounds(load: Load, times: int, seconds: float) -> list[Round]:
    rounds = []
    with load.start() as child:
        child.go()

        def read() -> Reading:
            return (_flat_out if load.rate is None else _paced)(child, seconds)

        def alone() -> Reading:
            time.sleep(_CLEAN_S)
            return read()

        before = alone()
        for number in range(times):
            narrate("overhead", f"budget, {load.name}, round {number + 1} of {times}")
            watched, *pictures = _watched(child, read)
            after = alone()
            rounds.append(round_of(before + after, watched, *pictures))
            before = after
    return rounds


def _loads() -> list[Load]:
    paced = [Load(f"{rate:,} pairs/s", partial(Child, _PACED, rate), rate) for rate in RATES]
    malloc = {"PYTHONMALLOC": "malloc"}
    return [
        *paced,
        Load("python3", partial(Child, PYTHON_LOOP)),
        Load("python3, malloc", partial(Child, PYTHON_LOOP, environment=malloc)),
    ]


def measure(times: int, seconds: float) -> Section:
    """Every load so many times, each reading of so many seconds; 10 or more, for windows are few."""
    rows = [Row(load, _rounds(load, times, seconds)) for load in _loads()]
    heads = ("load", "level", "changes", "predicted", "computed", "slowdown", "per CPU s", "")
    text = (
        f"--mode auto within {BUDGET:g} % of a CPU, in the steady state: percent of one CPU as predicted, as "
        "computed by\nthe tool and as measured; what is lost of a second of CPU time where it runs all the time; "
        f"at most {BUDGET + ALLOWED:g}\n" + table(heads, [row.cells() for row in rows])
    )
    targets = [target for row in rows for target in row.targets()]
    return Section("budget", text, [row.as_object() for row in rows], targets)
