"""What a snapshot costs with a million live blocks in 50,000 call sites, and what reading it does.

A real process (tests/workloads/many_sites) fills the real kernel maps; the session runs in this
process. `report` and `diff` are measured as whole commands.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from ebpftrace.errors import EbpftraceError
from scripts.bench.command import run
from scripts.bench.figures import Spread, Target, save, table
from scripts.bench.many_sites import A_PHASE, Subject, holding
from scripts.bench.whole_commands import Cost, cost_of, run_once

_MB = 1e6
_QUIET_S = 11.0  # growth is over five to ten seconds: until then every site is drawn anew


class Taken(NamedTuple):
    """One kind of snapshot. Times in seconds, memory that was added at most and size in bytes."""

    name: str
    wall: Spread
    cpu: Spread
    memory: int
    size: int


def _peak() -> int:
    """The most that was resident since `_begin_peak`."""
    return _status("VmHWM")


def _begin_peak() -> int:
    """Begin anew; what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")  # fs/proc/task_mmu.c: CLEAR_REFS_MM_HIWATER_RSS
    return _status("VmRSS")


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) << 10
    raise EbpftraceError(f"/proc/self/status has no {field}.")


def _timed(
    name: str, rounds: int, take: Callable[[], Path], before_each: Callable[[], object] = gc.collect
) -> Taken:
    walls, cpus, memory, size = [], [], 0, 0
    for _ in range(rounds):
        before_each()
        before = _begin_peak()
        cpu, wall = time.process_time(), time.perf_counter()
        path = take()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        memory, size = max(memory, _peak() - before), path.stat().st_size
    return Taken(name, _spread(walls), _spread(cpus), memory, size)


def _spread(readings: list[float]) -> Spread:
    found = Spread.of(readings)
    assert found is not None, "there are rounds"
    return found


def _slowed(subject: Subject, rounds: int) -> tuple[float, float]:
    """Seconds that the process needs for a phase alone, and while snapshots are written."""
    alone, beside = [], []
    for _ in range(rounds):
        alone.append(subject.phase_s())
        writer = _Writer(subject)
        beside.append(subject.phase_s())
        writer.end()
    return statistics.median(alone), statistics.median(beside)


class _Writer:
    """Snapshots one after the other on a thread, from the start of a phase to its end."""

    def __init__(self, subject: Subject) -> None:
        import threading

        self._stop = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(subject,))
        self._thread.start()
        self._begun.wait()

    def _run(self, subject: Subject) -> None:
        while not self._stop.is_set():
            self._begun.set()
            subject.write(blocks=True)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def _read(first: Path, last: Path, rounds: int) -> list[tuple[str, Cost]]:
    commands: list[tuple[str, list[str | Path]]] = [
        ("--version, for the start alone", ["--version"]),
        ("report", ["report", last]),
        ("report --json", ["report", "--json", last]),
        ("diff of two", ["diff", first, last]),
    ]
    return [
        (name, cost_of([run_once(arguments) for _ in range(rounds)]))
        for name, arguments in commands
    ]


def measure(given: argparse.Namespace) -> int:
    with holding("snapshot-bench", given.blocks, given.sites) as subject:
        first = subject.write(blocks=False)
        rounds = given.rounds
        time.sleep(_QUIET_S)

        def sites_only() -> Path:
            return subject.write(blocks=False)

        kinds = [
            _timed("sites only", rounds, sites_only),
            _timed("and single blocks", rounds, lambda: subject.write(blocks=True)),
            _timed("--json --top 0", rounds, subject.as_json),
            _timed("sites only, all changed", rounds, sites_only, subject.phase_s),
        ]
        alone, beside = _slowed(subject, rounds)
        last = subject.write(blocks=True)
        read = _read(first, last, rounds)
        faults = subject.session.stop().losses.faults()
    return _told(given, kinds, (alone, beside), read, [str(loss.name) for loss, _ in faults])


def _told(
    given: argparse.Namespace,
    kinds: Sequence[Taken],
    phases: tuple[float, float],
    read: Sequence[tuple[str, Cost]],
    faults: Sequence[str],
) -> int:
    print("\nFrom the trigger to the file: a picture is drawn, encoded, written and synced")
    heads = ("", "s", "s CPU", "MB of memory on top", "MB on disk")
    rows = [
        [one.name, one.wall.text(2), one.cpu.text(2), *(f"{n / _MB:,.2f}" for n in one[3:])]
        for one in kinds
    ]
    print(table(heads, rows))
    alone, beside = phases
    print(
        f"\nThe process: {A_PHASE * given.sites:,} allocations take it {alone:.2f} s, and {beside:.2f} s while "
        f"snapshots with single blocks are written one after the other: {beside / alone:.2f} times."
    )
    print("\nReading it, as a whole command\n")
    print(
        table(("", "s", "s CPU"), [[name, one.wall.text(2), one.cpu.text(2)] for name, one in read])
    )
    print(f"\nlosses: {' '.join(faults) or 'none'}")
    sites, with_blocks, *_ = kinds
    targets = [
        Target("s a snapshot, sites only", 1.0, sites.wall.median),
        Target("s a snapshot with single blocks", 1.0, with_blocks.wall.median),
        Target("MB on disk, sites only", 20.0, sites.size / _MB),
        Target("s to read and report it", 1.0, read[1][1].wall.median),
    ]
    print("\nTargets\n" + "\n".join(target.text() for target in targets))
    if given.json:
        figures = {
            "snapshots": [
                {**kind._asdict(), "wall": asdict(kind.wall), "cpu": asdict(kind.cpu)}
                for kind in kinds
            ],
            "phase_s": {"alone": alone, "beside": beside},
            "reading": {name: [asdict(one.wall), asdict(one.cpu)] for name, one in read},
        }
        save(given.json, "snapshot-bench", figures, targets)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="snapshot-bench", description=__doc__)
    parser.add_argument("--sites", type=int, default=50_000)
    parser.add_argument("--blocks", type=int, default=1_000_000, help="live ones (a million)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return measure(parser.parse_args())


if __name__ == "__main__":
    run("snapshot-bench", main)
