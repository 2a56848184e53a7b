"""Readings in processes of their own, and how several of one kind are told."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ebpftrace.errors import EbpftraceError
from scripts.bench.figures import Spread, as_figures
from scripts.bench.loops import REPOSITORY
from scripts.naming.fresh import Reading


class NothingMeasured(EbpftraceError):
    """A reading failed, or is of something else than what was to be measured."""


def read(pid: int, pcs: Sequence[int], cache: Path | None, limit_s: float = 120.0) -> Reading:
    """One of process `pid`; `cache`: the directory of the lines that are kept."""
    asked = {
        "pid": pid,
        "pcs": list(pcs),
        "cache": None if cache is None else str(cache),
        "limit_s": limit_s,
    }
    done = subprocess.run(
        [sys.executable, "-m", "scripts.naming.fresh"],
        input=json.dumps(asked),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NothingMeasured(f"A reading failed: {done.stderr.strip()[-500:]}")
    return Reading(**json.loads(done.stdout))


def spreads(readings: Sequence[Reading]) -> dict[str, Spread | None]:
    """Each field of all of them; readings where it is None are left out."""
    return {
        field.name: Spread.of(
            value for one in readings if (value := getattr(one, field.name)) is not None
        )
        for field in fields(Reading)
    }


def figures(found: dict[str, Spread | None]) -> dict[str, Any]:
    """For JSON."""
    return {name: as_figures(spread) for name, spread in found.items()}


def least_median_most(spread: Spread | None, digits: int = 0) -> tuple[str, str, str]:
    """As cells."""
    if spread is None:
        return "-", "-", "-"
    return (
        f"{spread.least:,.{digits}f}",
        f"{spread.median:,.{digits}f}",
        f"{spread.most:,.{digits}f}",
    )


def goal(limit: float | None, spread: Spread | None, digits: int = 0) -> tuple[str, str]:
    """The cells `at most` and whether the median is."""
    if limit is None:
        return "", ""
    verdict = "-" if spread is None else "reached" if spread.median <= limit else "MISSED"
    return f"{limit:,.{digits}f}", verdict


HEADS = ("least", "median", "most", "goal", "")


def row(name: str, spread: Spread | None, limit: float | None = None, digits: int = 0) -> list[str]:
    """A line of a table with HEADS."""
    return [name, *least_median_most(spread, digits), *goal(limit, spread, digits)]
