"""Kills the recorder at random moments, again and again, and looks at what it left.

Nothing that it had written may be lost: every file of its folder can be read, with totals that hang
together; no file of an earlier round changes or goes; the next start clears away what was half
written. Every second round writes a stream. In the end the process that was recorded still runs, and
no probe of ours is left on it.
"""

import argparse
import contextlib
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from ebpftrace.errors import EbpftraceError
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.format.reading import StreamReader, read_snapshot
from ebpftrace.snapshot.storage.folder import listed
from scripts.bench.command import run
from scripts.bench.figures import narrate
from scripts.bench.loops import WORKLOADS, Child

_STARTING_S = 3.0  # the first snapshot is there after 1.5 to 2
_FIRST_S = 30.0
_WRITING_S = 1.0
_ANY_MOMENT = 5  # so many rounds are one that may end before anything is written
_LEAVE_S = 20.0


@dataclass
class Tally:
    """What was seen so far."""

    kills: int = 0
    before_anything: int = 0
    snapshots: int = 0
    records: int = 0
    cut_streams: int = 0
    half_written: int = 0
    sums: dict[str, bytes] = field(default_factory=dict)
    """Of the files of earlier rounds."""


def _start(pid: int, folder: Path, *, stream: bool) -> subprocess.Popen[bytes]:
    often = ["--interval", "50ms", "--every", "50ms", "--keep", "1000000"]
    command = [sys.executable, "-m", "ebpftrace", "record", "-p", str(pid), "-o", str(folder)]
    more = ["--stream"] if stream else []
    return subprocess.Popen([*command, *often, *more], stderr=subprocess.DEVNULL)


def _check(snapshot: Snapshot, name: str) -> None:
    picture = snapshot.picture
    held = sum(site.counts.bytes for site in picture.sites)
    if held != picture.totals.bytes:
        raise EbpftraceError(f"{name}: its sites hold {held} bytes, its totals say otherwise.")


def _look(folder: Path, tally: Tally) -> None:
    """Read what is new; compare what is not. Raises EbpftraceError at the first thing that is wrong."""
    found = set(listed(str(folder)))
    gone = set(tally.sums) - found
    if gone:
        raise EbpftraceError(f"{min(gone)} of an earlier round has gone.")
    for name in sorted(found):
        digest = hashlib.blake2b(Path(name).read_bytes()).digest()
        if name in tally.sums:
            if tally.sums[name] != digest:
                raise EbpftraceError(f"{name} of an earlier round has changed.")
            continue
        tally.sums[name] = digest
        if name.endswith(".ebpfstream"):
            _read_stream(name, tally)
        else:
            _check(read_snapshot(name), name)
            tally.snapshots += 1
    tally.half_written += sum(path.name.startswith(".tmp") for path in folder.iterdir())


def _read_stream(name: str, tally: Tally) -> None:
    with contextlib.closing(StreamReader(name)) as reader:
        while (snapshot := reader.next()) is not None:
            _check(snapshot, name)
            tally.records += 1
        tally.cut_streams += bool(reader.notes())


def _wait_for_more(folder: Path, than: int) -> None:
    end = time.monotonic() + _FIRST_S
    while not folder.is_dir() or len(listed(str(folder))) <= than:
        if time.monotonic() > end:
            raise EbpftraceError(f"Nothing was written in {_FIRST_S:.0f} s.")
        time.sleep(0.01)


def _round(pid: int, folder: Path, tally: Tally, number: int) -> None:
    before = len(tally.sums)
    child = _start(pid, folder, stream=bool(number % 2))
    try:
        if number % _ANY_MOMENT:
            _wait_for_more(folder, before)
            time.sleep(random.uniform(0.0, _WRITING_S))
        else:
            time.sleep(random.uniform(0.0, _STARTING_S))
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    _look(folder, tally)
    tally.kills += 1
    tally.before_anything += len(tally.sums) == before


def _left(folder: Path) -> list[str]:
    """Processes that still run for this folder."""
    said = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in said.stdout.splitlines() if str(folder) in line]


def _last_round(pid: int, folder: Path, tally: Tally) -> None:
    """One that ends as asked: it clears away what was half written, and writes a final snapshot."""
    child = _start(pid, folder, stream=False)
    _wait_for_more(folder, len(tally.sums))
    child.send_signal(signal.SIGTERM)
    status = child.wait(_LEAVE_S)
    _look(folder, tally)
    left = [path.name for path in folder.iterdir() if path.name.startswith(".tmp")]
    if status or left or not any("-final" in name for name in tally.sums):
        raise EbpftraceError(f"The last round ended with {status}, and left {left or 'nothing'}.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="black-box", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() & 0xFFFF)
    given = parser.parse_args()
    random.seed(given.seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as name, Child(WORKLOADS / "many_sites", 2_000, 1) as child:
        folder = Path(name) / "snapshots"
        for number in range(given.kills):
            with contextlib.suppress(BrokenPipeError):
                child.go()
            _round(child.pid, folder, tally, number)
            if number % 20 == 19:
                narrate("black-box", f"{number + 1} of {given.kills} kills")
        _last_round(child.pid, folder, tally)
        child.forget()
        child.go()
        child.expect("done", _LEAVE_S)
        if left := _left(folder):
            raise EbpftraceError(f"Still there: {left}")
    print(
        f"{tally.kills} kills (seed {given.seed}), {tally.before_anything} of them before anything "
        f"was written: {tally.snapshots} snapshots and {tally.records} records of streams, every one "
        f"whole; {tally.cut_streams} streams ended within a record, {tally.half_written} files were "
        "left half written and cleared away."
    )
    return 0


if __name__ == "__main__":
    run("black-box", main)
