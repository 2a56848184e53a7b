"""What names and lines cost, against what ebpftrace promises of them.

Sections: python3 (the top 50 call sites of a real one), memory (of the tool meanwhile, the target
having libLLVM loaded), rates (single look-ups), huge (a gigabyte of DWARF; only when asked for). Files
are in the kernel's cache: what a disk takes is not measured.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from scripts.bench.command import run
from scripts.bench.figures import Section, save
from scripts.naming import huge, python_sites, rates
from scripts.naming.measured import NothingMeasured
from scripts.naming.python_sites import say


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="symbol-bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of each measurement (7)")
    parser.add_argument(
        "--huge",
        action="store_true",
        help="make a module with 1 GB of DWARF, too: some minutes, 3 GB of disk",
    )
    parser.add_argument("--huge-module", type=Path, metavar="FILE", help="one made before")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


def _huge(given: argparse.Namespace, rounds: int) -> Section:
    if given.huge_module is not None:
        return huge.measure(rounds, given.huge_module)
    with huge.module() as path:
        return huge.measure(rounds, path)


def main() -> int:
    given = _arguments()
    rounds = max(1, given.rounds)
    sections: list[Callable[[], Section | None]] = [
        lambda: python_sites.times(rounds),
        lambda: python_sites.memory(min(rounds, 3)),
        lambda: rates.measure(rounds),
    ]
    if given.huge or given.huge_module:
        sections.append(lambda: _huge(given, min(rounds, 3)))
    measured = []
    for make in sections:
        try:
            section = make()
        except NothingMeasured as error:
            say(f"Left out. {error}")
            continue
        if section is not None:
            print(f"\n{section.text}", flush=True)
            measured.append(section)
    targets = [target for section in measured for target in section.targets]
    if targets:
        print("\nTargets\n" + "\n".join(target.text() for target in targets))
    print(f"\nLoad: {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors in the last minute.")
    if given.json:
        figures = {section.name: section.figures for section in measured}
        save(given.json, "symbol-bench", figures, targets)
    return 0


if __name__ == "__main__":
    run("symbol-bench", main)
