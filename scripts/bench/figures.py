"""Medians with their spread, targets, and how both are printed."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of several readings."""

    median: float
    least: float
    most: float
    readings: int

    @classmethod
    def of(cls, readings: Iterable[float]) -> "Spread | None":
        """None of no readings."""
        found = sorted(readings)
        if not found:
            return None
        return cls(statistics.median(found), found[0], found[-1], len(found))

    def text(self, digits: int = 0) -> str:
        """`2.10 (2.05-2.31)`."""
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f}-{self.most:,.{digits}f})"


@dataclass(frozen=True, slots=True)
class Target:
    """Something to reach: `measured` at most `limit`. None: not measured."""

    name: str
    limit: float
    measured: float | None

    @property
    def reached(self) -> bool | None:
        return None if self.measured is None else self.measured <= self.limit

    def text(self) -> str:
        verdict = {None: "not measured", True: "reached", False: "MISSED"}[self.reached]
        measured = "-" if self.measured is None else f"{self.measured:,.2f}"
        return f"{verdict:12s}  {self.name}: {measured}, at most {self.limit:,.2f}"


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a benchmark: its `text` for people, its `figures` for JSON, its targets."""

    name: str
    text: str
    figures: Any
    targets: Sequence[Target] = field(default=())


def narrate(program: str, sentence: str) -> None:
    """Tell on stderr what is going on, or what is left out and why."""
    sys.stderr.write(f"{program}: {sentence}\n")
    sys.stderr.flush()


def as_figures(spread: Spread | None) -> dict[str, Any] | None:
    """For JSON; None stays None."""
    return None if spread is None else asdict(spread)


def cell(spread: Spread | None, digits: int = 0) -> str:
    """The median alone, or `-`."""
    return "-" if spread is None else f"{spread.median:,.{digits}f}"


def wide(spread: Spread | None, digits: int = 0) -> str:
    """The median with its spread, or `-`."""
    return "-" if spread is None else spread.text(digits)


def median(spread: Spread | None) -> float | None:
    """What a target is compared with."""
    return None if spread is None else spread.median


def ratios(numerators: Sequence[float | None], denominators: Sequence[float | None]) -> list[float]:
    """Round by round, where both were measured."""
    return [a / b for a, b in zip(numerators, denominators, strict=True) if a is not None and b]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need to be, the first to the left and all others to the right."""
    lines = [list(heads), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def host() -> dict[str, Any]:
    """What a figure has to be read with."""
    return {"kernel": platform.release(), "machine": platform.machine(), "cpus": os.cpu_count()}


def save(path: Path, kind: str, figures: dict[str, Any], targets: Sequence[Target]) -> None:
    """Write everything measured as JSON."""
    verdicts = [{**asdict(target), "reached": target.reached} for target in targets]
    whole = {"schema": f"ebpftrace.{kind}/1", "host": host(), **figures, "targets": verdicts}
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
