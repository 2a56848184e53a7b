"""Children that are forked off while their parent is traced and nobody follows them.

They inherit the breakpoints. With perf events the kernel takes them out at a child's first hit; with
links the tool has to make it look again. The child itself says when it was back at its bare pace.
"""

import contextlib
import time
from dataclasses import asdict, dataclass

from scripts.bench import tracers
from scripts.bench.figures import (
    Section,
    Spread,
    Target,
    as_figures,
    cell,
    median,
    narrate,
    table,
    wide,
)
from scripts.bench.loops import WORKLOADS, Child

MOST_MS = 200
_BURST, _BURST_GAP_MS = 20, 50
_QUIET_S = 2.5  # longer than two of the tool's gaps between renewals, so that each fork is a first
_ROUND_S = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """ms of each child until it was bare (10,000: not before it gave up); the parent's ns a pair."""

    children_ms: tuple[float, ...]
    parent_before_ns: float
    parent_while_ns: float

    @property
    def worst_ms(self) -> float:
        return max(self.children_ms)


def _round(child: Child) -> Round:
    child.go()
    words = [line.split() for line in child.expect("done", _ROUND_S)]
    before, during = next(map(float, rest) for name, *rest in words if name == "parent")
    return Round(tuple(float(rest[0]) for name, *rest in words if name == "child"), before, during)


def _rounds(backend: str | None, count: int, children: int, gap_ms: int) -> list[Round]:
    """Of one process under one watch; `backend` None: untraced."""
    found = []
    with contextlib.ExitStack() as undo:
        child = undo.enter_context(Child(WORKLOADS / "pace", children, gap_ms))
        if backend:
            undo.enter_context(tracers.tool([child.pid], "--backend", backend))
        for number in range(count):
            if number and backend:
                time.sleep(_QUIET_S)
            found.append(_round(child))
    return found


def measure(times: int, bursts: int, back_ends: tuple[str, ...]) -> Section:
    """One child at a time, then a burst of them, untraced and by each back end."""
    single: dict[str, list[Round]] = {}
    burst: dict[str, list[Round]] = {}
    for backend in (None, *back_ends):
        name = backend or "untraced"
        narrate("overhead", f"forks, {name}")
        single[name] = _rounds(backend, times, 1, 0)
        burst[name] = _rounds(backend, bursts, _BURST, _BURST_GAP_MS)

    def alone(name: str) -> Spread | None:
        return Spread.of(one.worst_ms for one in single[name])

    rows = []
    for name, rounds in burst.items():
        each = Spread.of(ms for one in rounds for ms in one.children_ms)
        worst = max(one.worst_ms for one in rounds)
        before = Spread.of(one.parent_before_ns for one in rounds)
        during = Spread.of(one.parent_while_ns for one in rounds)
        row = (name, wide(alone(name)), cell(each), f"{worst:,.0f}", cell(before), cell(during))
        rows.append(row)
    head = (
        "An unfollowed child, ms from its fork to the end of its first window of 5 ms at most three "
        f"times its bare pace;\nburst: {_BURST} children in {_BURST * _BURST_GAP_MS / 1000:.0f} s; "
        "parent: its ns of CPU time per pair before and during the burst"
    )
    heads = ("back end", "one child", "burst: median", "worst", "parent before", "meanwhile")
    targets = [
        Target(
            f"ms until an unfollowed child is bare, by {name}",
            MOST_MS,
            median(alone(name)) if name in single else None,
        )
        for name in ("session", "multi", "perf")
    ]
    figures = {
        name: {
            "one_child_ms": as_figures(alone(name)),
            "single": [asdict(one) for one in single[name]],
            "burst": [asdict(one) for one in burst[name]],
        }
        for name in single
    }
    return Section("forks", f"{head}\n{table(heads, rows)}", figures, targets)
