"""What `export` takes for each of its formats, in turn, of a million blocks in 50,000 call sites.

The snapshot is of a real process (tests/workloads/many_sites), with single blocks; all its call sites
allocate alike, and an export makes once what they share. `--varied` is the other end: a made-up one in
which all differ. Times are of the whole command: the start, reading the snapshot, writing the file.
Writing as many bytes as each has to the same folder says how much of it the disk may be.
"""

import argparse
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from ebpftrace.export.formats.registry import FORMATS
from scripts.bench import varied_sites
from scripts.bench.command import run
from scripts.bench.figures import Target, narrate, save, table
from scripts.bench.many_sites import holding
from scripts.bench.whole_commands import Cost, Run, cost_of, run_once

_MB = 1e6
_MOST_S = 3.0


class Exported(NamedTuple):
    """A format, or none of them: what it costs, bytes of its file, and seconds for these alone."""

    name: str
    cost: Cost
    size: int
    disk_s: float


def _in_turn(kept: Path, folder: Path, rounds: int) -> list[Exported]:
    """The formats one after the other in each round, so that what else runs here disturbs all alike."""
    runs: dict[str, list[Run]] = {one.name: [] for one in FORMATS}
    starts: list[Run] = []
    for number in range(rounds):
        narrate("export-bench", f"round {number + 1} of {rounds}")
        starts.append(run_once(["--version"]))
        for name, found in runs.items():
            out = folder / name
            found.append(run_once(["export", kept, "-f", name, "-o", out, "--force"]))
    sizes = {name: (folder / name).stat().st_size for name in runs}
    return [
        Exported("--version, for the start alone", cost_of(starts), 0, 0.0),
        *(
            Exported(name, cost_of(found), sizes[name], _disk_s(folder, sizes[name]))
            for name, found in runs.items()
        ),
    ]


def _disk_s(folder: Path, size: int) -> float:
    piece, path = bytes(1 << 20), folder / "zeros"
    start = time.perf_counter()
    with path.open("wb", buffering=0) as out:
        for left in range(size, 0, -len(piece)):
            out.write(piece[:left])
    passed = time.perf_counter() - start
    path.unlink()
    return passed


def _told(given: argparse.Namespace, found: list[Exported]) -> int:
    heads = ("", "s", "s CPU", "MB of memory", "MB on disk", "s to write as many bytes")
    rows = [
        [
            one.name,
            one.cost.wall.text(2),
            one.cost.cpu.text(2),
            f"{one.cost.memory / _MB:,.0f}",
            f"{one.size / _MB:,.2f}",
            f"{one.disk_s:.2f}",
        ]
        for one in found
    ]
    print(f"\nexport of {given.blocks:,} blocks in {given.sites:,} call sites, whole command\n")
    print(table(heads, rows))
    targets = [Target(f"s for {one.name}", _MOST_S, one.cost.wall.median) for one in found[1:]]
    print("\nTargets\n" + "\n".join(target.text() for target in targets))
    if given.json:
        figures = {
            one.name: {
                "wall": asdict(one.cost.wall),
                "cpu": asdict(one.cost.cpu),
                "memory": one.cost.memory,
                "size": one.size,
                "disk_s": one.disk_s,
            }
            for one in found
        }
        save(given.json, "export-bench", {"exports": figures}, targets)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="export-bench", description=__doc__)
    parser.add_argument("--sites", type=int, default=50_000)
    parser.add_argument("--blocks", type=int, default=1_000_000, help="live ones (a million)")
    parser.add_argument("--rounds", type=int, default=5)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--file", type=Path, help="export this snapshot instead; needs no root")
    source.add_argument(
        "--varied", action="store_true", help="a made-up snapshot of sites that differ; no root"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.file is not None:
            return _told(given, _in_turn(given.file, Path(name), given.rounds))
        if given.varied:
            made = Path(name) / "varied.ebpftrace"
            narrate("export-bench", f"makes up {given.blocks:,} blocks in {given.sites:,} sites")
            varied_sites.write(made, given.sites, given.blocks)
            return _told(given, _in_turn(made, Path(name), given.rounds))
        with holding("export-bench", given.blocks, given.sites) as subject:
            kept = subject.write(blocks=True)
            return _told(given, _in_turn(kept, Path(name), given.rounds))


if __name__ == "__main__":
    run("export-bench", main)
