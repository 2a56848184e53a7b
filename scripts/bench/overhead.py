"""What tracing costs, by each way of the kernel to hold probes, against others and against nothing.

Sections: pairs (the tight malloc/free loop), families (each allocator beside glibc's), kernel-walk (our
walk against the kernel's), python, heaptrack, first-picture, warm-up (until stacks are whole), rules
(what one costs), depths (load time by frames), leaving, forks, price (of the tool itself), growth (page faults), and
only when asked for savings (variants of the kernel side) and budget (what --mode auto takes, and what the
target feels of it). What this host does not have is left out with a sentence.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from ebpftrace.errors import CannotAttach
from scripts.bench import (
    budget,
    depths,
    families,
    forking,
    growth,
    heaptrack,
    kernel_walk,
    leaving,
    pairs,
    rule_price,
    savings,
    starts,
    tracers,
    warm_up,
)
from scripts.bench.command import run
from scripts.bench.figures import Section, narrate, save
from scripts.bench.loops import WORKLOADS, Child

_USUAL = (
    *("pairs", "families", "kernel-walk", "python", "heaptrack"),
    *("first-picture", "warm-up", "rules", "depths"),
    *("leaving", "forks", "price", "growth"),
)
_SAVINGS, _BUDGET = "savings", "budget"
_ALL = (*_USUAL, _SAVINGS, _BUDGET)


def _say(sentence: str) -> None:
    narrate("overhead", sentence)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, help="of each comparison (7; with --quick 3)")
    parser.add_argument("--quick", action="store_true", help="shorter, for a first impression")
    parser.add_argument("--no-memleak", action="store_true", help="leave out bcc's memleak")
    parser.add_argument("--no-python", action="store_true", help="leave out the python3 loops")
    parser.add_argument("--no-heaptrack", action="store_true", help="leave out heaptrack")
    parser.add_argument(
        "--savings",
        action="store_true",
        help="what each saving of the kernel side is worth alone, too (some minutes more)",
    )
    parser.add_argument(
        "--budget",
        action="store_true",
        help="how --mode auto keeps its budget, too (a quarter of an hour more)",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="SECTION",
        choices=_ALL,
        help=f"only this one; more than once for several: {', '.join(_ALL)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


def _wanted(given: argparse.Namespace) -> list[str]:
    asked = {_SAVINGS: given.savings, _BUDGET: given.budget}
    chosen = given.only or [*_USUAL, *(name for name, wanted in asked.items() if wanted)]
    left_out = {"python": given.no_python, "heaptrack": given.no_heaptrack}
    return [name for name in chosen if not left_out.get(name)]


def _back_ends() -> tuple[str, ...]:
    """CannotAttach where the tool does not work at all."""
    with Child(WORKLOADS / pairs.BUILDS[0]) as child:
        found = tuple(tracers.back_ends(child.pid, _say))
    if not found:
        raise CannotAttach("The tool cannot attach here by any back end.")
    return found


def _effort(given: argparse.Namespace, back_ends: tuple[str, ...]) -> pairs.Effort:
    rounds = max(1, given.rounds or (3 if given.quick else 7))
    has_memleak = not given.no_memleak
    if has_memleak and not tracers.MEMLEAK.exists():
        has_memleak = False
        _say(f"{tracers.MEMLEAK} is not installed (package bpfcc-tools): left out.")
    return pairs.Effort(
        rounds=rounds,
        memleak_rounds=(1 if given.quick else rounds) if has_memleak else 0,
        seconds=0.8 if given.quick else 1.5,
        back_ends=back_ends,
    )


def main() -> int:
    given = _arguments()
    effort = _effort(given, _back_ends())
    times, back_ends = effort.rounds, effort.back_ends
    sections: dict[str, Callable[[], Section | None]] = {
        "pairs": lambda: pairs.tight(effort),
        "families": lambda: families.measure(effort),
        "kernel-walk": lambda: kernel_walk.measure(effort),
        "python": lambda: pairs.python(effort),
        "heaptrack": lambda: heaptrack.measure(effort),
        "first-picture": lambda: starts.first_picture(times, back_ends),
        "warm-up": lambda: warm_up.measure(times),
        "rules": lambda: rule_price.measure(times),
        "depths": lambda: depths.measure(times, back_ends),
        "leaving": lambda: leaving.measure(times, back_ends),
        "forks": lambda: forking.measure(times, 1 if given.quick else 3, back_ends),
        "growth": lambda: growth.measure(times),
        "price": lambda: starts.price(1 if given.quick else 3, back_ends),
        _SAVINGS: lambda: savings.measure(effort),
        _BUDGET: lambda: budget.measure(given.rounds or (2 if given.quick else 5), 10.0),
    }
    measured = []
    for name in _wanted(given):
        section = sections[name]()
        if section is not None:
            print(f"\n{section.text}", flush=True)
            measured.append(section)
    targets = [target for section in measured for target in section.targets]
    if targets:
        print("\nTargets\n" + "\n".join(target.text() for target in targets))
    if given.json:
        figures = {section.name: section.figures for section in measured}
        save(given.json, "overhead", {"back_ends": back_ends, **figures}, targets)
    return 0


if __name__ == "__main__":
    run("overhead", main)
