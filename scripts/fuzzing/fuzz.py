"""Coverage-guided fuzzing of everything that reads what a target, or the sender of a file, has chosen.

Each TARGET (all of them, one after the other) is tried with changed inputs for some time. A finding is what is
raised and not declared, what takes too much time or memory, writes, starts something, leaves a descriptor
open, or shows what a terminal would obey. Its input goes to the folder of --findings: mend the tool,
and --keep the input, so that every run of the unit tests tries it again. The exit status is 1 if
there was one.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.bench.command import run
from scripts.bench.figures import narrate, table
from scripts.fuzzing import corpus
from scripts.fuzzing.reach import telling
from scripts.fuzzing.registry import TARGETS
from scripts.fuzzing.target import Target

_REPOSITORY = Path(__file__).parents[2]
_MISSING = (
    "fuzz: .venv has no atheris; run scripts/setup --fuzz, or install it: .venv/bin/pip install atheris. "
    "It is built for Linux on x86-64."
)
_PROGRESS = re.compile(r"^#(\d+)\t\S+ +cov: (\d+) ft: (\d+)", re.MULTILINE)
_OF_NO_USE = re.compile(r"INFO:|WARNING:|#\d")
_MOST_WORDS = 40
_LEAST_S = 5.0
_MOST_FINDINGS = 5
_IN_MEMORY = "/dev/shm"
_LATE_S = 60  # of one input, when what is native does not end
_MEMORY_MB = 3000
_MARGIN_S = 120.0
_KEPT_BYTES = 48 << 10  # of one target's inputs
_MINIMIZING_S = 30.0  # of processor time, to find which of them reach more


class Ran(NamedTuple):
    """Of one process of libFuzzer. `words`: the last lines of what it said."""

    tried: int
    edges: int
    features: int
    findings: list[Path]
    words: str


class Row(NamedTuple):
    """Of one target, all its processes together."""

    target: Target
    seconds: float
    tried: int
    edges: int
    features: int
    findings: list[Path]


def fuzzed(target: Target, seconds: float, found: Path, kept_bytes: int) -> Row:
    """`found` takes inputs that are findings; `kept_bytes`: how much may be kept of those that reach more."""
    ends = time.monotonic() + seconds
    began = time.monotonic()
    findings: list[Path] = []
    tried = edges = features = 0
    memory = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ebpftrace-fuzz-", dir=memory) as name:
        folder = Path(name) / "corpus"
        folder.mkdir()
        corpus.fill(folder, target)
        while (left := ends - time.monotonic()) > _LEAST_S and len(findings) < _MOST_FINDINGS:
            ran = _libfuzzer(target, found, int(left), folder)
            tried += ran.tried
            edges, features = max(edges, ran.edges), max(features, ran.features)
            findings += ran.findings
            if ran.findings:
                narrate("fuzz", f"{target.name}: {ran.findings[-1]}\n{ran.words}")
            elif not ran.tried:
                raise SystemExit(f"fuzz: {target.name} is not tried at all:\n{ran.words}")
        if kept_bytes:
            _keep(target, folder, kept_bytes)
    return Row(target, time.monotonic() - began, tried, edges, features, findings)


def _libfuzzer(target: Target, found: Path, seconds: int, folder: Path) -> Ran:
    before = set(found.iterdir())
    command = [
        *(sys.executable, "-m", "scripts.fuzzing.engine", target.name),
        *(f"-artifact_prefix={found}/{target.name}-", f"-max_len={target.most_bytes}"),
        *(f"-timeout={_LATE_S}", f"-rss_limit_mb={_MEMORY_MB}"),
        *(f"-max_total_time={seconds}", str(folder)),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=_REPOSITORY,
            env={**os.environ, "TMPDIR": str(folder.parent)},  # it ends without clearing up
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=seconds + _MARGIN_S,
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(
            f"fuzz: {target.name} has not ended {_MARGIN_S:.0f} s after its time."
        ) from None
    said = done.stdout.decode(errors="replace")
    counts = [tuple(map(int, one)) for one in _PROGRESS.findall(said)] or [(0, 0, 0)]
    new = sorted(set(found.iterdir()) - before)
    tried, edges, features = (max(column) for column in zip(*counts, strict=True))
    words = [line for line in said.splitlines() if line and not _OF_NO_USE.match(line)]
    return Ran(tried, edges, features, new, "\n".join(words[-_MOST_WORDS:]))


def _keep(target: Target, folder: Path, most_bytes: int) -> None:
    """The seeds, and of what is in `folder`, and reaches what the kept inputs do not reach, the smallest."""
    corpus.keep(target, target.seeds(), most_bytes)
    known = [data for _, data in corpus.inputs(target)]
    inputs = [path.read_bytes() for path in folder.iterdir()]
    ends = time.process_time() + _MINIMIZING_S
    found = telling(inputs, known, target.attempt, lambda: time.process_time() < ends)
    count, size = corpus.keep(target, found, most_bytes)
    narrate("fuzz", f"{target.name}: {count} inputs of {len(inputs)} are kept, {size} bytes")


def _cells(row: Row) -> list[str]:
    rate = row.tried / max(row.seconds, 1e-9)
    figures = (row.seconds, row.tried, rate, row.edges, row.features, len(row.findings))
    return [row.target.name, *(f"{figure:,.0f}" for figure in figures)]


def _kept_findings(targets: list[Target], found: Path) -> Iterator[str]:
    """The names of those that are put beside the kept inputs."""
    for target in targets:
        for path in sorted(found.glob(f"{target.name}-*")):
            folder = corpus.FOLDER / target.name
            folder.mkdir(parents=True, exist_ok=True)
            name = corpus.name_of(path.read_bytes())
            (folder / name).write_bytes(path.read_bytes())
            yield f"{target.name}/{name}"


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all of them, unless named")
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--seconds", type=float, default=60.0, help="for each target (60)")
    how_long.add_argument("--hours", type=float, help="for all of them together")
    parser.add_argument("--list", action="store_true", help="list the targets and what they read")
    parser.add_argument(
        "--findings", metavar="DIR", help="where inputs go that are findings (build/findings)"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep in tests/corpus findings, and inputs that reach what no kept one reaches",
    )
    return parser.parse_args()


def _main() -> int:
    given = _parsed()
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        raise SystemExit(f"fuzz: there is no target {unknown[0]}; --list says which there are.")
    targets = [TARGETS[name] for name in given.targets] or list(TARGETS.values())
    if given.list:
        width = max(len(one.name) for one in targets)
        print("\n".join(f"{one.name:{width}}  {one.reads}" for one in targets))
        return 0
    try:
        import atheris  # noqa: F401 - whether it is there
    except ImportError:
        raise SystemExit(_MISSING) from None
    found = Path(given.findings or _REPOSITORY / "build/findings").absolute()
    found.mkdir(parents=True, exist_ok=True)
    seconds = given.seconds if given.hours is None else 3600 * given.hours / len(targets)
    rows = []
    for target in targets:
        rows.append(fuzzed(target, seconds, found, _KEPT_BYTES if given.keep else 0))
        narrate("fuzz", ", ".join(_cells(rows[-1])))
    if given.keep:
        for name in _kept_findings(targets, found):
            narrate("fuzz", f"tests/corpus/{name} is kept")
    heads = ["target", "seconds", "inputs", "a second", "edges", "features", "findings"]
    print(table(heads, map(_cells, rows)))
    return int(any(row.findings for row in rows))


if __name__ == "__main__":
    run("fuzz", _main)
