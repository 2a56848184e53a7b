"""What was measured as one table, each figure with its goal and whether it is reached."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.bench.figures import Target, median, table
from scripts.showing.first_paint import FirstPaint
from scripts.showing.watching import Watched

PLANTED_MS = 30.0
_PLANTED_SLACK_MS = 4.0


@dataclass(frozen=True, slots=True)
class Measure:
    """A line of the table: what it is of one run, None where it could not be had; at most `goal`."""

    name: str
    of: Callable[[Watched], float | None]
    goal: float | None = None
    digits: int = 1

    def cell(self, value: float | None) -> str:
        if value is None:
            return "-  "
        mark = " " if self.goal is None else "✓" if value <= self.goal else "✗"
        return f"{value:,.{self.digits}f} {mark}"


def _of_keys(name: str) -> Callable[[Watched], float | None]:
    return lambda run: None if run.key_ms is None else float(getattr(run.key_ms, name))


MEASURES = (
    Measure("CPU per refresh, ms", lambda run: run.cpu_ms, 20),
    Measure("  of it the main thread", lambda run: run.main_ms),
    Measure("key to screen, ms: p50", _of_keys("p50"), 15),
    Measure("  p90", _of_keys("p90")),
    Measure("  p99", _of_keys("p99"), 80),
    Measure("  max", _of_keys("most")),
    Measure("  moments for keys", lambda run: len(run.answers.waited), digits=0),
    Measure("  of them during another key", lambda run: run.answers.queued, digits=0),
    Measure("  keys without an answer", lambda run: run.answers.unanswered, digits=0),
    Measure("  moves without a key", lambda run: run.answers.unasked, digits=0),
    Measure("memory added, MB", lambda run: run.added_mb, 60),
    Measure("  of it the import of Textual", lambda run: run.textual_mb),
    Measure("bytes written per refresh", lambda run: run.refresh_bytes, digits=0),
    Measure("bytes per second, still", lambda run: run.still_bytes_per_s, digits=0),
    Measure("CPU while still, %", lambda run: run.still_cpu_percent, digits=2),
)


def runs_text(runs: Sequence[Watched]) -> str:
    """A line a measure, a column a run."""
    heads = ("terminal", *(run.size.name + "  " for run in runs), "goal")
    lines = [
        ("sites", *(f"{run.asked.sites:,}  " for run in runs), ""),
        ("changed in each picture", *(run.asked.scenario + "  " for run in runs), ""),
        ("refreshes", *(f"{run.refreshes}  " for run in runs), ""),
    ]
    for measure in MEASURES:
        goal = "" if measure.goal is None else f"{measure.goal:g}"
        lines.append((measure.name, *(measure.cell(measure.of(run)) for run in runs), goal))
    return table(heads, lines)


def others_text(first: FirstPaint | None, planted_ms: float | None) -> str:
    """Of what is no run: the first paint, and whether the method sees a delay."""
    lines = []
    if first is not None:
        for measure, spread in (
            (Measure("first paint, ms from exec", lambda _: None, 400, 0), first.painted),
            (Measure("  python -c 'import textual.app'", lambda _: None, None, 0), first.imported),
        ):
            extent = "" if spread is None else f"({spread.least:,.0f}-{spread.most:,.0f})"
            goal = "" if measure.goal is None else f"{measure.goal:g}"
            lines.append((measure.name, measure.cell(median(spread)), extent, goal))
    if planted_ms is not None:
        mark = "✓" if planted_is_seen(planted_ms) else "✗"
        name = f"a delay of {PLANTED_MS:g} ms, as seen by the keys"
        lines.append(
            (name, f"{planted_ms:.1f} {mark}", "", f"{PLANTED_MS:g}±{_PLANTED_SLACK_MS:g}")
        )
    return table(("", "measured  ", "", "goal"), lines)


def planted_is_seen(planted_ms: float) -> bool:
    """As far as the method may be off."""
    return abs(planted_ms - PLANTED_MS) <= _PLANTED_SLACK_MS


def targets(runs: Sequence[Watched], first: FirstPaint | None) -> list[Target]:
    """For JSON."""
    found = [
        Target(f"{measure.name.strip()} ({described(run)})", measure.goal, measure.of(run))
        for run in runs
        for measure in MEASURES
        if measure.goal is not None
    ]
    if first is not None:
        found.append(Target("first paint, ms from exec", 400, median(first.painted)))
    return found


def described(run: Watched) -> str:
    return f"{run.size.name}, {run.asked.sites:,} sites, changed: {run.asked.scenario}"
