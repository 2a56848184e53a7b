"""What a malloc/free pair costs under each tracer, in the same rounds on the same process.

Floor and tool alternate, and ratios are taken within a round: the floor itself moves by 12 % from one
build or minute to the next. Of the rounds' ratios the median counts; the spread is least to most.
Stacks of the tight loop have to be whole all the while, with and without frame pointers.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, sleep
from typing import Any

from scripts.bench import floors, tracers
from scripts.bench.figures import (
    Section,
    Spread,
    Target,
    as_figures,
    cell,
    median,
    narrate,
    ratios,
    table,
    wide,
)
from scripts.bench.loops import PYTHON_LOOP, WORKLOADS, Child, LoopEnded
from scripts.bench.wholeness import Picture, check_loop, grown, of_process

DEPTHS = (1, 10, 40)
BUILDS = ("depthloop_fp", "depthloop_nofp")
MOST_OF_FLOOR = {10: {"perf": 1.5, "session": 1.3}, 40: {"perf": 1.7, "session": 1.5}}
"""By depth and back end, without frame pointers."""
MOST_OF_MEMLEAK = 0.25
SETTLE_S = 0.4
_BARE_LIMIT_S = 20.0

Tracing = Callable[[int], AbstractContextManager[object]]
Check = Callable[[Picture, Picture], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: rounds, those with memleak, seconds of each reading.

    `back_ends`: those of the tool that this kernel has, the cheapest first.
    """

    rounds: int
    memleak_rounds: int
    seconds: float
    back_ends: tuple[str, ...]

    def tracing(self) -> dict[str, Tracing]:
        """Every condition but bare, by name."""
        found: dict[str, Tracing] = {"floor": floors.floor}
        if "session" in self.back_ends:
            found["session floor"] = floors.session_floor
        for backend in reversed(self.back_ends):
            found[backend] = partial(tool_by, backend)
        return found | ({"memleak": tracers.memleak} if self.memleak_rounds else {})


def tool_by(backend: str, pid: int) -> AbstractContextManager[tracers.Tool]:
    """The tool on one process, with its probes held in one way."""
    return tracers.tool([pid], "--backend", backend)


@dataclass(slots=True)
class Measured:
    """One loop: ns by condition, key (stack depth) and round; None: not in that round."""

    name: str
    keys: tuple[int, ...]
    conditions: tuple[str, ...]
    back_ends: tuple[str, ...]
    rounds: list[dict[str, dict[int, float] | None]] = field(default_factory=list)
    first_picture_s: list[float] = field(default_factory=list)

    def of(self, condition: str, key: int) -> list[float | None]:
        """One number a round."""
        found = (one.get(condition) for one in self.rounds)
        return [None if numbers is None else numbers[key] for numbers in found]

    def spread(self, condition: str, key: int) -> Spread | None:
        return Spread.of(number for number in self.of(condition, key) if number is not None)

    def ratio(self, above: str, below: str, key: int) -> Spread | None:
        """Of the rounds' ratios."""
        return Spread.of(ratios(self.of(above, key), self.of(below, key)))

    def compared(self) -> list[tuple[str, str]]:
        """What is divided by what: every back end by each thing that it is held against."""
        floor_of = [(backend, "floor") for backend in reversed(self.back_ends)]
        others = [("session", "session floor"), (self.back_ends[0], "memleak")]
        others += [(backend, "bare") for backend in reversed(self.back_ends)]
        return floor_of + [pair for pair in others if set(pair) <= set(self.conditions)]

    def as_object(self) -> dict[str, Any]:
        """For JSON; every spread that was measured, and the rounds themselves."""
        return {
            "name": self.name,
            "ns": {
                str(key): {name: as_figures(self.spread(name, key)) for name in self.conditions}
                for key in self.keys
            },
            "ratios": {
                str(key): {
                    f"{above}/{below}": as_figures(self.ratio(above, below, key))
                    for above, below in self.compared()
                }
                for key in self.keys
            },
            "rounds": self.rounds,
            "busy_first_picture_s": self.first_picture_s,
        }


def wait_until_bare(child: Child, keys: tuple[int, ...], bare_ns: float, slack: float) -> None:
    """After a tracer's end: nothing of it may slow the next condition."""
    end = monotonic() + _BARE_LIMIT_S
    while child.sample(0.1, keys)[keys[0]] > slack * bare_ns:
        if monotonic() > end:
            raise LoopEnded(f"The loop is still slowed down {_BARE_LIMIT_S:.0f} s after a tracer.")


def measure(
    name: str,
    child: Child,
    keys: tuple[int, ...],
    effort: Effort,
    slack: float,
    check: Check | None = None,
) -> Measured:
    """All rounds of one loop. `slack`: up to this multiple of its bare time it counts as bare.

    `check` is given the tool's pictures from before and after each of its readings.
    """
    tracing = effort.tracing()
    measured = Measured(name, keys, ("bare", *tracing), effort.back_ends)
    child.go()
    sleep(SETTLE_S)
    for number in range(effort.rounds):
        narrate("overhead", f"{name}, round {number + 1} of {effort.rounds}")
        bare = child.sample(effort.seconds / 2, keys)
        one: dict[str, dict[int, float] | None] = {"bare": bare}
        for condition, trace in tracing.items():
            if condition == "memleak" and number >= effort.memleak_rounds:
                continue
            with trace(child.pid) as run:
                sleep(SETTLE_S)
                warm = run.next_picture() if check and isinstance(run, tracers.Tool) else None
                one[condition] = child.sample(effort.seconds, keys)
            if isinstance(run, tracers.Tool):
                measured.first_picture_s.append(run.first_picture_s)
                if check and warm:
                    check(warm, run.pictures[-1])
            wait_until_bare(child, keys, bare[keys[0]], slack)
        measured.rounds.append(one)
    return measured


def mean_frames() -> dict[str, dict[int, float]]:
    """Frames that the tool records of a stack, by build and depth, as a mean over allocations.

    TracerFailed where one of them is not whole, or not as deep as the loop is.
    """
    narrate("overhead", "frames per stack")
    with ExitStack() as children:
        pids = {}
        for build in BUILDS:
            for depth in DEPTHS:
                child = children.enter_context(Child(WORKLOADS / build, depth))
                child.go()
                pids[build, depth] = child.pid
        with tracers.tool(list(pids.values()), "--top", "0") as run:
            warm = run.next_picture()
            run.next_picture()
    found: dict[str, dict[int, float]] = {build: {} for build in BUILDS}
    for (build, depth), pid in pids.items():
        before, after = (of_process(picture, pid) for picture in (warm, run.pictures[-1]))
        check_loop(before, after, (depth,))
        sites = list(grown(before, after))
        frames = sum(count * len(site["frames"]) for site, count in sites)
        found[build][depth] = frames / sum(count for _, count in sites)
    return found


def tight(effort: Effort) -> Section:
    """The tight loop of both builds at every depth. TracerFailed where stacks are not whole."""
    frames = mean_frames()  # first: what is wrong with them is told now, not half an hour later
    whole = partial(check_loop, depths=DEPTHS)
    loops = []
    for build in BUILDS:
        with Child(WORKLOADS / build, *DEPTHS) as child:
            loops.append(measure(build, child, DEPTHS, effort, slack=5.0, check=whole))
    costs = table(
        ("loop, depth", "frames", *loops[0].conditions),
        [
            (
                f"{loop.name} {depth}",
                f"{frames[loop.name][depth]:.1f}",
                *(cell(loop.spread(name, depth)) for name in loop.conditions),
            )
            for loop in loops
            for depth in DEPTHS
        ],
    )
    compared = [pair for pair in loops[0].compared() if pair[1] != "bare"]
    shares = table(
        ("ratios", *(f"{above}/{below}" for above, below in compared)),
        [
            (f"{loop.name} {depth}", *(wide(loop.ratio(*pair, depth), 2) for pair in compared))
            for loop in loops
            for depth in DEPTHS
        ],
    )
    text = (
        "Tight malloc(64)/free loop, ns of CPU time per pair (median of the rounds)\n"
        f"{costs}\n\nThe same as ratios: median of the rounds' ratios (least-most)\n{shares}"
    )
    figures = {"loops": [loop.as_object() for loop in loops], "frames": frames}
    return Section("pairs", text, figures, _targets(loops[0], loops[1], effort))


def _targets(framed: Measured, frameless: Measured, effort: Effort) -> list[Target]:
    best = effort.back_ends[0]
    return [
        *(
            Target(
                f"times the floor by {name}, depth {depth}, no frame pointers",
                most,
                median(frameless.ratio(name, "floor", depth)),
            )
            for depth, limits in MOST_OF_FLOOR.items()
            for name, most in limits.items()
        ),
        Target(
            f"of memleak by {best}, depth 10, frame pointers",
            MOST_OF_MEMLEAK,
            median(framed.ratio(best, "memleak", 10)),
        ),
    ]


def python(effort: Effort) -> Section:
    """The python3 loops."""
    loops = []
    for name, environment in (("default", {}), ("malloc", {"PYTHONMALLOC": "malloc"})):
        with Child(PYTHON_LOOP, environment=environment) as child:
            loops.append(measure(name, child, (1,), effort, slack=1.5))
    floor_of = [pair for pair in loops[0].compared() if pair[1] == "floor"]

    def speed(spread: Spread | None) -> str:
        return "-" if spread is None else f"{1e9 / spread.median:,.0f}"

    text = table(
        ("allocator", *loops[0].conditions, *(f"time {a}/{b}" for a, b in floor_of)),
        [
            (
                loop.name,
                *(speed(loop.spread(name, 1)) for name in loop.conditions),
                *(wide(loop.ratio(*pair, 1), 2) for pair in floor_of),
            )
            for loop in loops
        ],
    )
    head = "python3: json, re, sorted; iterations a second\n"
    return Section("python", head + text, [loop.as_object() for loop in loops])
