"""Growth by page faults: what a watched fault costs, and how soon the right line is found.

The cost is measured side by side on one process, alternating, and held against what the tool says it is.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scripts.bench.figures import Section, Spread, as_figures, narrate, table, wide
from scripts.bench.loops import WORKLOADS, Child

_READINGS = 9
_RATES = {"10 MB/min": 163, "1 GB/min": 16276}
_LINES = {"heap": "leak_here", "read": "read_here", "fork": "copy_here"}
_MOST_S = 30.0
_LEAST_SHARE = 0.5  # of all growth, for a site to be found
_LEAST_BYTES = 100_000
_READING_S = 20.0


@dataclass(frozen=True, slots=True)
class Round:
    """Nanoseconds a page, fresh and again, without the tool and with it; and what the tool says a fault costs."""

    bare: tuple[float, float]
    watched: tuple[float, float]
    said_ns: float | None

    @property
    def added(self) -> float:
        return self.watched[0] - self.bare[0]

    @property
    def added_again(self) -> float:
        return self.watched[1] - self.bare[1]


@contextmanager
def _tool(pid: int, interval: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Its pictures, from the first one on."""
    command = [sys.executable, "-m", "ebpftrace", "attach", "-p", str(pid), "--mode", "growth"]
    tool = subprocess.Popen(
        [*command, "--json", "--interval", interval, "--top", "20"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tool.stdout
    try:
        yield map(json.loads, tool.stdout)
    finally:
        tool.terminate()
        tool.communicate(timeout=60)


def _page_ns(child: Child) -> tuple[float, float]:
    """The medians of what it says from now on."""
    child.forget()
    fresh, again = [], []
    for _ in range(_READINGS):
        words = child.line(_READING_S).split()
        fresh.append(float(words[1]))
        again.append(float(words[2]))
    return sorted(fresh)[_READINGS // 2], sorted(again)[_READINGS // 2]


def _rounds(count: int) -> list[Round]:
    found = []
    with Child(WORKLOADS / "touch_time") as child:
        child.go()
        for number in range(count):
            narrate("overhead", f"growth, round {number + 1} of {count}")
            bare = _page_ns(child)
            with _tool(child.pid, "0.5") as pictures:
                next(pictures)
                watched = _page_ns(child)
                cost = next(pictures)["cost"]
            said = None
            if cost["hits_per_s"] and cost["target_cpu_percent"] is not None:
                said = cost["target_cpu_percent"] * 1e7 / cost["hits_per_s"]
            found.append(Round(bare, watched, said))
    return found


def _found_after(how: str, kib: int) -> float | None:
    """Seconds until the line leads; None where it does not in time."""
    with Child(WORKLOADS / "grows_by", how, kib) as child, _tool(child.pid, "0.5") as pictures:
        next(pictures)
        child.go()
        began = time.monotonic()
        for picture in pictures:
            passed = time.monotonic() - began
            if _leads(picture, _LINES[how]):
                return passed
            if passed > _MOST_S:
                return None
    return None


def _leads(picture: dict[str, Any], function: str) -> bool:
    sites = [site for site in picture["sites"] if site["family"] == "memory"]
    held = sum(
        site["bytes"]
        for site in sites
        if any(frame["function"] == function for frame in site["frames"])
    )
    return bool(held >= max(_LEAST_BYTES, _LEAST_SHARE * picture["totals"]["bytes"]))


def measure(times: int) -> Section:
    """What a watched page fault costs, and how soon growth is found."""
    rounds = _rounds(times)
    spreads = {
        "bare": Spread.of(one.bare[0] for one in rounds),
        "added, fresh": Spread.of(one.added for one in rounds),
        "added, again": Spread.of(one.added_again for one in rounds),
        "ratio": Spread.of(one.watched[0] / one.bare[0] for one in rounds),
        "said by the tool": Spread.of(one.said_ns for one in rounds if one.said_ns is not None),
    }
    rows = [[name, wide(spread, 2 if name == "ratio" else 0)] for name, spread in spreads.items()]
    found: dict[str, dict[str, float | None]] = {}
    for how in _LINES:
        for name, kib in _RATES.items():
            narrate("overhead", f"growth, {how} at {name}")
            found.setdefault(how, {})[name] = _found_after(how, kib)
    lines = [
        [how, *("not in time" if s is None else f"{s:.1f}" for s in by_rate.values())]
        for how, by_rate in found.items()
    ]
    text = "\n".join(
        (
            "Growth: a page fault that is watched, ns",
            table(["", "ns a page"], rows),
            "Growth: seconds until the right line has half of what the process has grown by",
            table(["", *_RATES], lines),
        )
    )
    figures = {name: as_figures(spread) for name, spread in spreads.items()}
    return Section("growth", text, {"fault_ns": figures, "found_s": found})
