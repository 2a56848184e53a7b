"""What the dashboard costs on a terminal, against what ebpftrace promises of it.

Each run is a dashboard of its own on made-up pictures, which are ready before: still, then with a
picture a second, then with keys at random moments as well. Then the first paint of a real `attach`, as
root, and whether a delay that is planted into the answers to keys is seen. A run that fails is left out.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.command import run
from scripts.bench.figures import narrate, save
from scripts.showing import first_paint
from scripts.showing.shown import Asked
from scripts.showing.synthetic import ALL, FEW, SCENARIOS
from scripts.showing.terminal import NotShown, Size
from scripts.showing.verdicts import PLANTED_MS, others_text, runs_text, targets
from scripts.showing.watching import Phases, Watched, planted, watch

_WIDE, _SMALL = Size(200, 52), Size(80, 24)
_SIZES = (100, 10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured; seconds."""

    runs: tuple[tuple[Size, Asked], ...]
    phases: Phases
    paints: int
    planted_s: float


def effort(given: argparse.Namespace) -> Effort:
    """What the command line asks for."""
    sizes = given.sites or ([_SIZES[-1]] if given.quick else _SIZES)
    scenarios = [SCENARIOS[name] for name in given.changed or SCENARIOS]
    if given.quick and not given.changed:
        scenarios = [ALL]
    runs = [(_WIDE, Asked(sites, one.name)) for sites in sizes for one in scenarios]
    if not given.quick:
        runs += [(_SMALL, Asked(sizes[-1], one.name)) for one in scenarios]
    phases = Phases(3, 8, 8, given.keys) if given.quick else Phases(10, 30, 20, given.keys)
    return Effort(tuple(runs), phases, 2 if given.quick else 15, 3 if given.quick else 10)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tui-bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 sites only, below a minute")
    parser.add_argument("--sites", type=int, action="append", metavar="N", help="may be repeated")
    parser.add_argument(
        "--changed",
        choices=sorted(SCENARIOS),
        action="append",
        help=f"share of the sites that each picture changes ({ALL.name} and {FEW.name})",
    )
    parser.add_argument(
        "--keys",
        default="",
        metavar="KEYS",
        help="press these first, one after the other, to measure another view",
    )
    parser.add_argument("--no-first-paint", action="store_true", help="for those who are not root")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser


def _watched(asked: Effort) -> list[Watched]:
    found = []
    for size, one in asked.runs:
        try:
            found.append(watch(one, size, asked.phases))
        except NotShown as error:
            narrate("tui-bench", f"Left out. {error}")
    return found


def main() -> int:
    given = arguments().parse_args()
    asked = effort(given)
    runs = _watched(asked)
    if runs:
        print(f"\n{runs_text(runs)}\n", flush=True)
    first = None if given.no_first_paint else first_paint.measure(asked.paints, _WIDE)
    planted_ms = planted(PLANTED_MS, asked.planted_s)
    print(f"\n{others_text(first, planted_ms)}")
    print(f"\nLoad: {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors in the last minute.")
    if given.json:
        figures = {
            "keys_before": given.keys,
            "runs": [one.as_object() for one in runs],
            "first_paint": None if first is None else first.as_object(),
            "planted_ms": {"delay": PLANTED_MS, "seen": planted_ms},
        }
        save(given.json, "tui-bench", figures, targets(runs, first))
    return 0


if __name__ == "__main__":
    run("tui-bench", main)
