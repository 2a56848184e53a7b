"""A real process (tests/workloads/many_sites) that holds many blocks in many call sites, traced by a
session in this one, and the snapshots that are made of it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ebpftrace.analysis.history import History
from ebpftrace.analysis.selection import Selection
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
from scripts.bench.figures import narrate
from scripts.bench.loops import WORKLOADS, Child

A_PHASE = 5
"""Blocks that each site allocates more in a phase."""

_PHASE_S = 120.0
_EPOCH_S = 1.0
_INTERVAL_S = 1.5
_TRIGGER = Trigger("asked", "a benchmark asked for it")


class Subject:
    """The session, the process, and the folder where its snapshots go."""

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

    def as_json(self) -> Path:
        """What the same picture takes as a line of `--json --top 0`."""
        picture = self._drawn()
        path = self.path / "picture.jsonl"
        with path.open("w", encoding="utf-8") as out:
            jsonl.write(picture, Selection(top=0), out)
            os.fsync(out.fileno())
        return path

    def phase_s(self) -> float:
        """Time that the process takes for `A_PHASE` more blocks in every site."""
        start = time.perf_counter()
        self.child.go()
        self.child.expect("done", _PHASE_S)
        return time.perf_counter() - start

    def close(self) -> None:
        self._folder.close()

    def _drawn(self) -> Picture:
        picture = self.session.refresh(_PHASE_S)
        assert picture is not None, f"one takes less than {_PHASE_S:.0f} s"
        return picture


@contextmanager
def holding(tool: str, blocks: int, sites: int) -> Iterator[Subject]:
    """Once it holds so many, in as many epochs as there were phases; `tool` is who tells that."""
    options = CaptureOptions(
        interval=_INTERVAL_S, max_stacks=2 * sites, max_blocks=5 * blocks, facts=True
    )
    program = WORKLOADS / "many_sites"
    with TemporaryDirectory() as name, Child(program, sites, A_PHASE) as child:
        session = Session.open([Process.open(child.pid)], prepare(options), print)
        subject = Subject(session, child, Path(name))
        try:
            narrate(tool, f"{blocks:,} blocks in {sites:,} sites")
            for _ in range(blocks // sites // A_PHASE):
                subject.phase_s()
                time.sleep(_EPOCH_S)
            yield subject
        finally:
            subject.close()
            session.close()
