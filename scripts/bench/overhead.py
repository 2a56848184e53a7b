"""What tracing costs the target, against three empty probes and bcc's memleak on the same process.

Floor and tool alternate, and ratios are taken within a round: the floor itself moves by 12 % from one
build or minute to the next. Of the rounds' ratios the median counts; the spread is least to most.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from ebpftrace.errors import EbpftraceError
from scripts.bench import tracers
from scripts.bench.figures import Spread, Target, ratios, save, table
from scripts.bench.loops import PYTHON_LOOP, WORKLOADS, Child, LoopEnded

DEPTHS = (1, 10, 40)
BUILDS = ("depthloop_fp", "depthloop_nofp")
CONDITIONS = ("bare", "floor", "ebpftrace", "memleak")
MOST_OF_FLOOR, MOST_OF_MEMLEAK, MOST_TO_PICTURE_S = 2.3, 0.25, 1.5
_SETTLE_S = 0.4
_BARE_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: rounds with the floor and the tool, with memleak, seconds of each."""

    rounds: int
    memleak_rounds: int
    seconds: float
    starts: int


@dataclass(slots=True)
class Measured:
    """One loop: ns by condition, key (stack depth) and round; None: that round had no memleak."""

    name: str
    keys: tuple[int, ...]
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

    def as_object(self) -> dict[str, Any]:
        """For JSON; every spread that was measured, and the rounds themselves."""

        def known(spread: Spread | None) -> dict[str, Any] | None:
            return None if spread is None else asdict(spread)

        return {
            "name": self.name,
            "ns": {
                str(key): {name: known(self.spread(name, key)) for name in CONDITIONS}
                for key in self.keys
            },
            "ratios": {
                str(key): {
                    f"{above}/{below}": known(self.ratio(above, below, key))
                    for above, below in (
                        ("ebpftrace", "floor"),
                        ("ebpftrace", "memleak"),
                        ("ebpftrace", "bare"),
                    )
                }
                for key in self.keys
            },
            "rounds": self.rounds,
        }


def _narrate(sentence: str) -> None:
    sys.stderr.write(f"overhead: {sentence}\n")
    sys.stderr.flush()


def _wait_until_bare(child: Child, keys: tuple[int, ...], bare_ns: float, slack: float) -> None:
    """After a tracer's end: nothing of it may slow the next condition."""
    end = monotonic() + _BARE_LIMIT_S
    while child.sample(0.1, keys)[keys[0]] > slack * bare_ns:
        if monotonic() > end:
            raise LoopEnded(f"The loop is still slowed down {_BARE_LIMIT_S:.0f} s after a tracer.")


def measure(
    name: str, child: Child, keys: tuple[int, ...], effort: Effort, slack: float
) -> Measured:
    """All rounds of one loop. `slack`: up to this multiple of its bare time it counts as bare."""
    measured = Measured(name, keys)
    child.go()
    sleep(_SETTLE_S)

    def under(tracer: AbstractContextManager[object]) -> dict[int, float]:
        with tracer as run:
            sleep(_SETTLE_S)
            found = child.sample(effort.seconds, keys)
        if isinstance(run, tracers.Tool):
            measured.first_picture_s.append(run.first_picture_s)
        _wait_until_bare(child, keys, bare[keys[0]], slack)
        return found

    for number in range(effort.rounds):
        _narrate(f"{name}, round {number + 1} of {effort.rounds}")
        bare = child.sample(effort.seconds / 2, keys)
        one: dict[str, dict[int, float] | None] = {"bare": bare}
        one["floor"] = under(tracers.floor(child.pid))
        one["ebpftrace"] = under(tracers.tool([child.pid]))
        one["memleak"] = None
        if number < effort.memleak_rounds:
            one["memleak"] = under(tracers.memleak(child.pid))
        measured.rounds.append(one)
    return measured


def mean_frames() -> dict[str, dict[int, float]]:
    """Frames that the tool records of a stack, by build and depth, as a mean over allocations."""
    _narrate("frames per stack")
    with ExitStack() as children:
        pids = {}
        for build in BUILDS:
            for depth in DEPTHS:
                child = children.enter_context(Child(WORKLOADS / build, depth))
                child.go()
                pids[build, depth] = child.pid
        with tracers.tool(list(pids.values()), "--top", "0") as run:
            run.next_picture()
            run.next_picture()
    found: dict[str, dict[int, float]] = {build: {} for build in BUILDS}
    for (build, depth), pid in pids.items():
        sites = [site for site in run.pictures[-1]["sites"] if site["pid"] == pid]
        births = sum(site["allocated_blocks"] for site in sites)
        frames = sum(site["allocated_blocks"] * len(site["frames"]) for site in sites)
        found[build][depth] = frames / births if births else 0.0
    return found


def first_picture(starts: int) -> list[float]:
    """Seconds from the command to its first picture, on a process that does nothing."""
    _narrate("time to the first picture")
    found = []
    with Child(WORKLOADS / BUILDS[0]) as child:
        for _ in range(starts):
            with tracers.tool([child.pid]) as run:
                found.append(run.first_picture_s)
    return found


def _cell(spread: Spread | None, digits: int, change: Callable[[float], float] = float) -> str:
    return "-" if spread is None else f"{change(spread.median):,.{digits}f}"


def _depth_rows(measured: Measured, frames: dict[int, float]) -> list[list[str]]:
    rows = []
    for depth in measured.keys:
        of_floor = measured.ratio("ebpftrace", "floor", depth)
        of_memleak = measured.ratio("ebpftrace", "memleak", depth)
        rows.append(
            [
                f"{measured.name} {depth}",
                f"{frames[depth]:.1f}",
                *(_cell(measured.spread(name, depth), 0) for name in CONDITIONS),
                of_floor.text(2) if of_floor else "-",
                of_memleak.text(2) if of_memleak else "-",
            ]
        )
    return rows


def _python_row(measured: Measured) -> list[str]:
    of_floor = measured.ratio("ebpftrace", "floor", 1)
    return [
        measured.name,
        *(_cell(measured.spread(name, 1), 0, lambda ns: 1e9 / ns) for name in CONDITIONS),
        of_floor.text(2) if of_floor else "-",
    ]


def _report(
    loops: Sequence[Measured],
    pythons: Sequence[Measured],
    frames: dict[str, dict[int, float]],
    starts: Spread | None,
) -> None:
    print(
        "\nTight malloc(64)/free loop, ns per pair (median of the rounds); ratios: median (spread)"
    )
    heads = ("loop, depth", "frames", *CONDITIONS, "of floor", "of memleak")
    print(table(heads, [row for loop in loops for row in _depth_rows(loop, frames[loop.name])]))
    if pythons:
        print("\npython3: json, re, sorted; iterations a second")
        print(table(("allocator", *CONDITIONS, "time of floor's"), map(_python_row, pythons)))
    busy = Spread.of(s for loop in (*loops, *pythons) for s in loop.first_picture_s)
    if starts and busy:
        print("\nCommand to first picture, s")
        print(f"idle target  {starts.text(2)}\nbusy target  {busy.text(2)}")


def _targets(loops: Sequence[Measured], starts: Spread | None) -> list[Target]:
    framed = next(loop for loop in loops if loop.name == BUILDS[0])
    of_floor = framed.ratio("ebpftrace", "floor", 10)
    of_memleak = framed.ratio("ebpftrace", "memleak", 10)
    return [
        Target(
            "times the floor, depth 10, frame pointers",
            MOST_OF_FLOOR,
            of_floor.median if of_floor else None,
        ),
        Target(
            "of memleak, depth 10, frame pointers",
            MOST_OF_MEMLEAK,
            of_memleak.median if of_memleak else None,
        ),
        Target(
            "s from command to first picture", MOST_TO_PICTURE_S, starts.median if starts else None
        ),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, help="of floor and tool (7; with --quick 3)")
    parser.add_argument("--quick", action="store_true", help="shorter, for a first impression")
    parser.add_argument("--no-python", action="store_true", help="leave out the python3 loops")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    rounds = max(1, given.rounds or (3 if given.quick else 7))
    has_memleak = tracers.MEMLEAK.exists()
    if not has_memleak:
        _narrate(f"{tracers.MEMLEAK} is not installed (package bpfcc-tools): left out.")
    effort = Effort(
        rounds=rounds,
        memleak_rounds=(1 if given.quick else rounds) if has_memleak else 0,
        seconds=0.8 if given.quick else 1.5,
        starts=3 if given.quick else 7,
    )
    loops, pythons = [], []
    for build in BUILDS:
        with Child(WORKLOADS / build, *DEPTHS) as child:
            loops.append(measure(build, child, DEPTHS, effort, slack=5.0))
    if not given.no_python:
        for name, environment in (("default", {}), ("malloc", {"PYTHONMALLOC": "malloc"})):
            with Child(PYTHON_LOOP, environment=environment) as child:
                pythons.append(measure(name, child, (1,), effort, slack=1.5))
    frames = mean_frames()
    starts = Spread.of(first_picture(effort.starts))
    targets = _targets(loops, starts)
    _report(loops, pythons, frames, starts)
    print("\nTargets\n" + "\n".join(target.text() for target in targets))
    if given.json:
        figures = {
            "loops": [loop.as_object() for loop in loops],
            "python": [loop.as_object() for loop in pythons],
            "frames": frames,
            "first_picture_s": asdict(starts) if starts else None,
        }
        save(given.json, "overhead", figures, targets)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EbpftraceError as error:
        sys.exit(f"overhead: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
