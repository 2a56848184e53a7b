"""Injects every fault of the catalogue again and again, and prints a table of what came of it."""

import argparse
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.command import run
from scripts.bench.figures import narrate
from tests.kernel.faults.bench import Bench
from tests.kernel.faults.catalogue import faults
from tests.kernel.faults.fault import Fault, Result
from tests.kernel.harness import REPOSITORY

_OWN = ("/tmp", "/var/tmp", "/dev/shm")
"""Mounted for this run alone by scripts/faults."""
_NUMBER = re.compile(r"\d+(\.\d+)?")
_OTHERS = "(stuck-process)"
"""Of this project's tests, which hold up the whole host: what met one is tried again."""
_MOST_SHOWN = 10
_OFTEN = 50
"""So many rounds are told of while they go on."""
_MOST_SENTENCE = 300


@dataclass
class Row:
    """What came of one fault."""

    fault: Fault
    results: list[Result] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Of the table."""
        statuses = Counter(status for result in self.results for status in result.statuses)
        told = " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))
        speeds = [result.speed for result in self.results if result.speed]
        slowest = f"{min(speeds):.2f}" if speeds else "-"
        clean = max((result.clean_s for result in self.results), default=0)
        wrong = sum(bool(result.findings) for result in self.results)
        injected = len(self.results)
        taken_out = sum(result.taken_out for result in self.results)
        told += f"; breakpoints left to the next run: {taken_out}" * bool(taken_out)
        return f"{self.fault.name:28} {injected:8} {injected - wrong:8} {clean:7.2f} {slowest:>7}  {told}"

    def findings(self) -> list[str]:
        """Each once, with what was met."""
        found = [
            f"{result.met}: {finding}" for result in self.results for finding in result.findings
        ]
        return [*self.leaked, *dict.fromkeys(found)]

    def sentences(self) -> Counter[str]:
        """What the tool said last, where it did not end by 0; numbers aside."""
        said = (said for result in self.results for said in result.sentences)
        return Counter(_NUMBER.sub("N", sentence) for sentence in said)


def _chosen(names: list[str]) -> list[Fault]:
    return [
        fault
        for name, fault in faults().items()
        if not names or any(name.startswith(begin) for begin in names)
    ]


def _inject(bench: Bench, fault: Fault, most: int | None) -> Row:
    row = Row(fault)
    there = bench.rounds(fault)
    for number in range(there if most is None else min(most, there)):
        result = _injected(bench, fault, number)
        if any(_OTHERS in finding for finding in result.findings):
            result = _injected(bench, fault, number)
        row.results.append(result)
        for finding in row.results[-1].findings:
            narrate("faults", f"{fault.name}, {row.results[-1].met}: {finding}")
        if number % _OFTEN == _OFTEN - 1:
            narrate("faults", f"{fault.name}: {number + 1} of {there}")
    row.leaked = bench.leaked()
    return row


def _injected(bench: Bench, fault: Fault, number: int) -> Result:
    """What cannot be judged is a finding."""
    try:
        return bench.inject(fault, number)
    except AssertionError as error:
        bench.renew_subject()
        return Result(f"round {number}", (), (f"not judged: {error}",), (), 0.0, 0.0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, metavar="N", help="of each fault at most")
    parser.add_argument("--seed", type=int, default=time.time_ns() & 0xFFFF)
    parser.add_argument("--list", action="store_true", help="only name them")
    given = parser.parse_args()
    chosen = _chosen(given.names)
    if given.list:
        for fault in chosen:
            print(f"{fault.name:28} {fault.what}")
        return 0
    own = [Path(place) for place in _OWN if Path(place) not in REPOSITORY.parents]
    rows = []
    print(f"{'fault':28} {'injected':>8} {'survived':>8} {'clean s':>7} {'speed':>7}  statuses")
    with tempfile.TemporaryDirectory() as name, Bench(Path(name), given.seed, own) as bench:
        for fault in chosen:
            rows.append(_inject(bench, fault, given.rounds))
            print(rows[-1].line(), flush=True)
            for sentence, count in rows[-1].sentences().most_common(_MOST_SHOWN):
                print(f"    {count:3} x {sentence[:_MOST_SENTENCE]}")
            for finding in rows[-1].findings()[:_MOST_SHOWN]:
                print(f"    FINDING {finding}", flush=True)
    wrong = sum(bool(result.findings) for row in rows for result in row.results)
    wrong += sum(bool(row.leaked) for row in rows)
    total = sum(len(row.results) for row in rows)
    print(f"{total} faults (seed {given.seed}), {wrong} with a finding")
    return 1 if wrong else 0


if __name__ == "__main__":
    run("faults", main)
