"""What a snapshot costs with a million live blocks in 50,000 call sites, and what reading it does.

A real process (tests/workloads/many_sites) fills the real kernel maps; the session runs in this
process. `report` and `diff` are measured as whole commands.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from ebpftrace.analysis.history import History
from ebpftrace.analysis.selection import Selection
from ebpftrace.errors import EbpftraceError
from ebpftrace.export import jsonl
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Snapshot, Trigger
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import prepare
from ebpftrace.session.session import Session
from ebpftrace.session.taking import taken
from ebpftrace.snapshot.format.writing import pieces
from ebpftrace.snapshot.storage.folder import Folder, Keep
from ebpftrace.target.process import Process
from scripts.bench.command import run
from scripts.bench.figures import Spread, Target, narrate, save, table
from scripts.bench.loops import WORKLOADS, Child

_PHASE_S = 120.0
_TRIGGER = Trigger("asked", "a benchmark asked for it")
_MB = 1e6
_A_PHASE = 5  # blocks of each site
_EPOCH_S = 1.0
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


class Subject:
    """A session on a process that holds `blocks` in `sites`, and where its snapshots go."""

    def __init__(self, session: Session, child: Child, folder: Path) -> None:
        self.session = session
        self.child = child
        self.path = folder
        self._folder = Folder.open(str(folder), Keep(None, None, None))
        self._history = History()

    def snapshot(self, picture: Picture, *, blocks: bool) -> Snapshot:
        self._history.add(picture)
        points = self._history.points
        return taken(self.session, picture, _TRIGGER, points, blocks=blocks)

    def write(self, *, blocks: bool) -> Path:
        """As the recorder does: a picture drawn now, put into a file of the folder."""
        picture = self._drawn()
        snapshot = self.snapshot(picture, blocks=blocks)
        return Path(self._folder.write(picture.time, _TRIGGER.kind, pieces(snapshot)))

    def _drawn(self) -> Picture:
        picture = self.session.refresh(_PHASE_S)
        assert picture is not None, f"one takes less than {_PHASE_S:.0f} s"
        return picture

    def as_json(self) -> Path:
        """What the same picture takes as a line of `--json --top 0`."""
        picture = self._drawn()
        path = self.path / "picture.jsonl"
        with path.open("w", encoding="utf-8") as out:
            jsonl.write(picture, Selection(top=0), out)
            os.fsync(out.fileno())
        return path

    def close(self) -> None:
        self._folder.close()


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


def _phase_s(child: Child) -> float:
    """Time for `_A_PHASE` more blocks in every site."""
    start = time.perf_counter()
    child.go()
    child.expect("done", _PHASE_S)
    return time.perf_counter() - start


def _slowed(subject: Subject, rounds: int) -> tuple[float, float]:
    """Seconds that the process needs for a phase alone, and while snapshots are written."""
    alone, beside = [], []
    for _ in range(rounds):
        alone.append(_phase_s(subject.child))
        writer = _Writer(subject)
        beside.append(_phase_s(subject.child))
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


def _command(arguments: Sequence[str | Path], rounds: int) -> tuple[Spread, Spread]:
    """Wall and CPU time of a whole command, its output thrown away."""
    walls, cpus = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "ebpftrace", *map(str, arguments)], stdout=subprocess.DEVNULL
        ) as child:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise EbpftraceError(f"{arguments[0]} ended with status {child.returncode}.")
        walls.append(time.perf_counter() - start)
        cpus.append(usage.ru_utime + usage.ru_stime)
    return _spread(walls), _spread(cpus)


def _fill(child: Child, blocks_per_site: int) -> None:
    """So many blocks a site and phase, in as many epochs."""
    for _ in range(blocks_per_site // _A_PHASE):
        _phase_s(child)
        time.sleep(_EPOCH_S)


def _read(first: Path, last: Path, rounds: int) -> list[tuple[str, Spread, Spread]]:
    commands: list[tuple[str, list[str | Path]]] = [
        ("--version, for the start alone", ["--version"]),
        ("report", ["report", last]),
        ("report --json", ["report", "--json", last]),
        ("diff of two", ["diff", first, last]),
    ]
    return [(name, *_command(arguments, rounds)) for name, arguments in commands]


def measure(given: argparse.Namespace) -> int:
    interval = 1.5
    options = CaptureOptions(
        interval=interval,
        max_stacks=2 * given.sites,
        max_blocks=5 * given.blocks,
        facts=True,
    )
    program = WORKLOADS / "many_sites"
    with tempfile.TemporaryDirectory() as name, Child(program, given.sites, _A_PHASE) as child:
        session = Session.open([Process.open(child.pid)], prepare(options), print)
        subject = Subject(session, child, Path(name))
        try:
            narrate("snapshot-bench", f"{given.blocks:,} blocks in {given.sites:,} sites")
            _fill(child, given.blocks // given.sites)
            first = subject.write(blocks=False)
            rounds = given.rounds
            time.sleep(_QUIET_S)

            def sites_only() -> Path:
                return subject.write(blocks=False)

            kinds = [
                _timed("sites only", rounds, sites_only),
                _timed("and single blocks", rounds, lambda: subject.write(blocks=True)),
                _timed("--json --top 0", rounds, subject.as_json),
                _timed("sites only, all changed", rounds, sites_only, lambda: _phase_s(child)),
            ]
            alone, beside = _slowed(subject, rounds)
            last = subject.write(blocks=True)
            read = _read(first, last, rounds)
            faults = session.stop().losses.faults()
        finally:
            subject.close()
            session.close()
    return _told(given, kinds, (alone, beside), read, [str(loss.name) for loss, _ in faults])


def _told(
    given: argparse.Namespace,
    kinds: Sequence[Taken],
    phases: tuple[float, float],
    read: Sequence[tuple[str, Spread, Spread]],
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
        f"\nThe process: {_A_PHASE * given.sites:,} allocations take it {alone:.2f} s, and {beside:.2f} s while "
        f"snapshots with single blocks are written one after the other: {beside / alone:.2f} times."
    )
    print("\nReading it, as a whole command\n")
    print(table(("", "s", "s CPU"), [[name, w.text(2), c.text(2)] for name, w, c in read]))
    print(f"\nlosses: {' '.join(faults) or 'none'}")
    sites, with_blocks, *_ = kinds
    targets = [
        Target("s a snapshot, sites only", 1.0, sites.wall.median),
        Target("s a snapshot with single blocks", 1.0, with_blocks.wall.median),
        Target("MB on disk, sites only", 20.0, sites.size / _MB),
        Target("s to read and report it", 1.0, read[1][1].median),
    ]
    print("\nTargets\n" + "\n".join(target.text() for target in targets))
    if given.json:
        figures = {
            "snapshots": [
                {**kind._asdict(), "wall": asdict(kind.wall), "cpu": asdict(kind.cpu)}
                for kind in kinds
            ],
            "phase_s": {"alone": alone, "beside": beside},
            "reading": {name: [asdict(wall), asdict(cpu)] for name, wall, cpu in read},
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
