"""What `ebpftrace run` costs beside nothing, Valgrind and heaptrack, in turn in every round.

Valgrind is memcheck with --leak-check=no. All three watch the first process alone: make, and none of
the compilers that it starts. `start-up` is the same tool on /bin/true; `slower` is what is left of a
command's time without it, against the bare one: what the program itself feels. CPU is the tool's
and the program's. Then where the time of `ebpftrace run -- /bin/true` goes. Quiet hosts only: where
others want the CPUs, CPU/bare is the column that still holds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ebpftrace.errors import EbpftraceError
from scripts.bench.command import run
from scripts.bench.figures import Spread, as_figures, cell, narrate, ratios, save, table, wide
from scripts.running import jobs, timed_run
from scripts.running.heap_use import of_ebpftrace
from scripts.running.jobs import JOBS, START, Job
from scripts.running.surroundings import VALGRIND
from scripts.running.surroundings import given as environment

_BARE, _OURS = "bare", "ebpftrace run"
_TOOL = ("-m", "ebpftrace")
_LIMIT_S = 600.0


def _say(sentence: str) -> None:
    narrate("run-bench", sentence)


@dataclass(frozen=True, slots=True)
class Bench:
    """`folder` is where the jobs run. Seconds by job and tool, one of each round."""

    folder: Path
    logs: Path
    tools: Mapping[str, tuple[str, ...]]
    wall: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cpu: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    phases: list[dict[str, float]] = field(default_factory=list)

    def round(self, chosen: Sequence[Job]) -> None:
        for job in chosen:
            for tool, before in self.tools.items():
                wall, cpu = self.timed([*before, *job.command])
                self.wall.setdefault((job.name, tool), []).append(wall)
                self.cpu.setdefault((job.name, tool), []).append(cpu)
        self.phases.append(self._phases())

    def timed(self, command: Sequence[str]) -> tuple[float, float]:
        """Seconds of it, and of the CPU for it and all that it has started and waited for."""
        with (self.logs / "said").open("wb") as out:
            start = time.monotonic()
            child = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said = (self.logs / "said").read_text(errors="replace").strip()[-300:]
            raise EbpftraceError(f"{command[0]} ended with status {child.returncode}: {said}")
        return wall, usage.ru_utime + usage.ru_stime

    def allocated(self, job: Job) -> int:
        """Blocks that it allocates, as ebpftrace counts them."""
        out = self.logs / "counts"
        options = ("run", "--json", "--no-dwarf", "--top", "1", "--force", "-o", str(out), "--")
        self.timed([sys.executable, *_TOOL, *options, *job.command])
        return of_ebpftrace(out.read_text()).allocations

    def _phases(self) -> dict[str, float]:
        """Seconds of each, of one run of START."""
        times = self.logs / "times"
        out = str(self.logs / "report")
        tool = [sys.executable, timed_run.__file__, str(times), "run", "-o", out]
        start = time.monotonic()
        self.timed([*tool, "--force", "--", *START.command])
        whole = time.monotonic() - start
        reached = json.loads(times.read_text())
        found = {}
        before = start
        for phase in timed_run.PHASES:
            found[phase] = reached[phase] - before
            before = reached[phase]
        found["Python's end"] = start + whole - before
        return found


def _tools(logs: Path) -> dict[str, tuple[str, ...]]:
    """What is put before the command, by name."""
    report = str(logs / "report")
    found = {
        _BARE: (),
        _OURS: (sys.executable, *_TOOL, "run", "--force", "-o", report, "--"),
    }
    if shutil.which("valgrind") is None:
        _say("valgrind is not installed: left out.")
    else:
        found["valgrind"] = (*VALGRIND, f"--log-file={logs / 'valgrind'}")
    if shutil.which("heaptrack") is None:
        _say("heaptrack is not installed: left out.")
    else:
        # Raw: without, it opens its window at the end where it has one. It takes LD_PRELOAD out of the environment again, so what a program starts is bare.
        found["heaptrack"] = ("heaptrack", "--raw", "-o", str(logs / "heaptrack"))
    return found


def rows(bench: Bench, job: Job) -> list[tuple[str, ...]]:
    """Of each tool: seconds, of the CPU, of its start-up; both against bare; seconds without start-up."""
    found: list[tuple[str, ...]] = []
    bare = bench.wall[job.name, _BARE]
    for tool in bench.tools:
        wall, start = bench.wall[job.name, tool], bench.wall[START.name, tool]
        cpu = bench.cpu[job.name, tool]
        found.append(
            (
                f"{job.name}: {tool}",
                wide(Spread.of(wall), 2),
                wide(Spread.of(cpu), 2),
                cell(Spread.of(start), 2),
                wide(Spread.of(ratios(wall, bare)), 2),
                wide(Spread.of(ratios(cpu, bench.cpu[job.name, _BARE])), 2),
                wide(Spread.of(ratios(_without(wall, start), bare)), 2),
            )
        )
    return found


def _without(wall: Sequence[float], start: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(wall, start, strict=True)]


def _told(bench: Bench, chosen: Sequence[Job], pairs: Mapping[str, int]) -> None:
    heads = ("", "s", "s CPU", "s start-up", "s/bare", "CPU/bare", "slower")
    print(table(heads, [row for job in chosen for row in rows(bench, job)]))
    print()
    for job in chosen:
        bare = Spread.of(bench.wall[job.name, _BARE])
        assert bare is not None, "there are rounds"
        rate = pairs[job.name] / bare.median
        print(f"{job.name}: {pairs[job.name]:,} allocations, {rate:,.0f} a second when bare")
    phases = [
        (phase, wide(Spread.of(one[phase] for one in bench.phases), 2)) for phase in bench.phases[0]
    ]
    print(f"\n{table((f'ebpftrace run -- {START.command[0]}', 's'), phases)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run-bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of everything (5)")
    parser.add_argument(
        "--job", action="append", metavar="WORD", help="only those with it in their name"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    chosen = [job for job in JOBS if not given.job or any(word in job.name for word in given.job)]
    with tempfile.TemporaryDirectory(prefix="run-bench-") as root:
        folder, logs = Path(root, "work"), Path(root, "logs")
        folder.mkdir()
        logs.mkdir()
        jobs.prepare(folder)
        bench = Bench(folder, logs, _tools(logs))
        pairs = {job.name: bench.allocated(job) for job in chosen}  # the first runs, too
        for number in range(max(1, given.rounds)):
            _say(f"round {number + 1} of {given.rounds}")
            bench.round([START, *chosen])
    _told(bench, chosen, pairs)
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    if load > cpus:
        print(f"\nLoad {load:.1f} on {cpus} CPUs: seconds hold the work of others, too.")
    if given.json:
        _save(given.json, bench, pairs)
    return 0


def _save(path: Path, bench: Bench, pairs: Mapping[str, int]) -> None:
    times = [
        {
            "job": job,
            "tool": tool,
            "wall": as_figures(Spread.of(wall)),
            "cpu": as_figures(Spread.of(bench.cpu[job, tool])),
            "rounds": wall,
        }
        for (job, tool), wall in bench.wall.items()
    ]
    save(path, "run-bench", {"times": times, "phases": bench.phases, "allocations": pairs}, [])


if __name__ == "__main__":
    run("run-bench", main)
