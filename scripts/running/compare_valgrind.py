"""What programs of this distribution hold at their exit: by `ebpftrace run`, and by Valgrind.

Valgrind is memcheck with --leak-check=no. A program has the same environment, files and order of
addresses under both, and has run once before; what the C and C++ libraries keep to the end stays
counted. Where figures differ the program is run again until a run has shown the cause; ends with
status 1 where none has. Counted are the first process of each command and no children.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.command import run
from scripts.bench.figures import narrate, save, table
from scripts.running import subjects, surroundings
from scripts.running.both import Bench
from scripts.running.causes import REASONS, Verdict, compared
from scripts.running.heap_use import HeapUse, Unreadable
from scripts.running.subjects import Subject

_HEADS = ("", "by", "bytes at exit", "blocks at exit", "allocs", "frees", "bytes allocated", "")
_FEWEST = 10


def _say(sentence: str) -> None:
    narrate("compare-valgrind", sentence)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Of one subject."""

    bench: Bench
    subject: Subject

    def by_valgrind(self) -> HeapUse:
        return self.bench.by_valgrind(self.subject.command)

    def by_ebpftrace(self) -> HeapUse:
        return self.bench.by_ebpftrace(self.subject.command)

    def without_room(self) -> HeapUse:
        return self.bench.without_room(self.subject.command)


def _rows(subject: Subject, verdict: Verdict) -> list[tuple[str, ...]]:
    """Valgrind's figures and ours of the first runs, and the difference where there is one."""
    rows = [
        (subject.name, "Valgrind", *_cells(verdict.valgrind[0]), ""),
        ("", "ebpftrace", *_cells(verdict.ebpftrace[0]), verdict.text()),
    ]
    if any(verdict.difference):
        rows.append(("", "difference", *(f"{n:+,}" for n in verdict.difference), ""))
    return rows


def _cells(use: HeapUse) -> tuple[str, ...]:
    return tuple(f"{n:,}" for n in use)


def _compare(bench: Bench, chosen: list[Subject]) -> tuple[dict[str, Verdict], list[str]]:
    """By name of the subject; and those that one of the tools could say nothing of."""
    found: dict[str, Verdict] = {}
    failed = []
    for subject in chosen:
        _say(subject.name)
        try:
            bench.bare(subject.command)
            found[subject.name] = compared(_Runs(bench, subject))
        except Unreadable as error:
            _say(str(error))
            failed.append(subject.name)
    return found, failed


def _told(chosen: list[Subject], found: dict[str, Verdict], failed: list[str]) -> None:
    rows = [row for one in chosen if one.name in found for row in _rows(one, found[one.name])]
    print(table(_HEADS, rows))
    same = sum(not verdict.causes for verdict in found.values())
    print(f"\n{same} of {len(found)} programs are the same in all five figures.")
    causes = {cause for verdict in found.values() for cause in verdict.causes}
    for cause in sorted(causes):
        print(f"{cause}: {REASONS[cause]}.")
    if failed:
        print(f"no figures: {', '.join(failed)}.")
    print(f"\n{surroundings.MADE_THE_SAME}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare-valgrind", description=__doc__)
    parser.add_argument(
        "programs", nargs="*", metavar="NAME", help="only those whose names hold one of these"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    missing = surroundings.missing()
    if missing:
        _say(f"There is no {', no '.join(missing)} here.")
        return 2
    wanted = list(subjects.chosen(given.programs))
    chosen = [subject for subject in wanted if subject.here]
    for subject in wanted:
        if not subject.here:
            _say(f"{subject.command[0]} is not installed: left out.")
    if not chosen or (not given.programs and len(chosen) < _FEWEST):
        _say(f"That leaves {len(chosen)} programs, too few to compare.")
        return 2
    with tempfile.TemporaryDirectory(prefix="v") as root:
        bench = Bench.in_folder(Path(root))
        subjects.prepare(bench.folder)
        found, failed = _compare(bench, chosen)
    _told(chosen, found, failed)
    if given.json:
        figures = {
            name: {
                "valgrind": [one._asdict() for one in verdict.valgrind],
                "ebpftrace": [one._asdict() for one in verdict.ebpftrace],
                "causes": verdict.causes,
            }
            for name, verdict in found.items()
        }
        save(given.json, "compare-valgrind", {"programs": figures, "failed": failed}, [])
    return int(bool(failed) or not all(verdict.well for verdict in found.values()))


if __name__ == "__main__":
    run("compare-valgrind", main)
