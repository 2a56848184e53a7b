"""From the command to the first picture, and what the tool itself takes while it watches."""

import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from scripts.bench import tracers
from scripts.bench.figures import Section, Spread, Target, as_figures, median, narrate, table, wide
from scripts.bench.loops import WORKLOADS, Child

MOST_TO_PICTURE_S = 1.5
_LOOP, _DEPTH = "depthloop_fp", 10
_TICK = os.sysconf("SC_CLK_TCK")
_SETTLE_S = 1.0  # symbols of the first sites
_WATCH_S = 5.0


def first_picture(starts: int, back_ends: tuple[str, ...]) -> Section:
    """Seconds from the command to its first picture, on a process that does nothing."""
    found: dict[str, list[float]] = {name: [] for name in ("auto", *back_ends)}
    with Child(WORKLOADS / _LOOP) as child:
        for number in range(starts):
            narrate("overhead", f"time to the first picture, {number + 1} of {starts}")
            for backend, seconds in found.items():
                with tracers.tool([child.pid], "--backend", backend) as run:
                    seconds.append(run.first_picture_s)
    spreads = {backend: Spread.of(seconds) for backend, seconds in found.items()}
    text = table(
        ("Command to first picture of an idle target", "s"),
        [(backend, wide(spread, 2)) for backend, spread in spreads.items()],
    )
    return Section(
        "first-picture",
        text,
        {backend: as_figures(spread) for backend, spread in spreads.items()},
        [Target("s from command to first picture", MOST_TO_PICTURE_S, median(spreads["auto"]))],
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process: CPU seconds so far, memory in MiB; in `share` what others map is divided."""

    cpu_s: float
    resident: float
    share: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Of `pid`, which is alive."""
        behind_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(behind_name[11]) + int(behind_name[12])  # utime, stime: proc(5)
        rollup = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        )
        resident, share = (int(rollup[name].split()[0]) / 1024 for name in ("Rss", "Pss"))
        return cls(ticks / _TICK, resident, share)


def price(watches: int, back_ends: tuple[str, ...]) -> Section:
    """CPU and memory of the tool and of its child while they watch a loop that never rests."""
    columns = ("CPU, % of one", "resident, MiB", "its share, MiB")
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    with Child(WORKLOADS / _LOOP, _DEPTH) as child:
        child.go()
        for backend in back_ends:
            narrate("overhead", f"the tool's own price by {backend}")
            for _ in range(watches):
                with tracers.tool([child.pid], "--backend", backend) as run:
                    sleep(_SETTLE_S)
                    for who, usage in _usages(run.process.pid, _WATCH_S).items():
                        found.setdefault((backend, who), []).append(usage)
    spreads = {
        key: [Spread.of(values) for values in zip(*usages, strict=True)]
        for key, usages in found.items()
    }
    text = table(
        (f"The tool's own price in {_WATCH_S:.0f} s", *columns),
        [
            (f"{who} by {backend}", *(wide(spread, 1) for spread in three))
            for (backend, who), three in spreads.items()
        ],
    )
    figures = [
        {"backend": backend, "process": who}
        | {name: as_figures(spread) for name, spread in zip(columns, three, strict=True)}
        for (backend, who), three in spreads.items()
    ]
    return Section("price", text, figures)


def _usages(pid: int, seconds: float) -> dict[str, tuple[float, float, float]]:
    """Over `seconds` from now: CPU in percent, and the memory at their end."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    family = {"the tool": pid, "its child": int(child)}
    before = {who: Usage.of(number) for who, number in family.items()}
    start = monotonic()
    sleep(seconds)
    passed = monotonic() - start
    after = {who: Usage.of(number) for who, number in family.items()}
    return {
        who: (
            100 * (after[who].cpu_s - before[who].cpu_s) / passed,
            after[who].resident,
            after[who].share,
        )
        for who in family
    }
