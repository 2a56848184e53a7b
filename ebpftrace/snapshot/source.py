"""What every source of recorded pictures has in common, and the one that has a single picture."""

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

from ebpftrace.errors import UsageError
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Site, SiteBlocks, SourceLines
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.model.tally import of_site

_NEVER_BUSY_S = 0.02
# A view asks in turn of the newest picture and of the one that is shown, which may be an old one.
_KEPT = 2

Refined = Callable[[Picture], Picture]
"""Gives the frames of a picture better names; the sites stay what and where they are."""


class Tape(Protocol):
    """Where snapshots come from, one after the other; UsageError for what cannot be read."""

    def next(self) -> Snapshot | None:
        """None where there is no further one, as yet."""

    def notes(self) -> tuple[str, ...]:
        """Sentences on what it does not hold."""

    def close(self) -> None: ...


class _Given(NamedTuple):
    """A picture as a view has it, and the snapshot that it is of."""

    picture: Picture
    snapshot: Snapshot


def as_it_is(picture: Picture) -> Picture:
    return picture


class Source(ABC):
    """A PictureSource of snapshots. `stop` may be called from any thread, `close` in any case.

    `is_played`: it moves by itself, so that a picture is one of many. `over`: what is said of the
    final one.
    """

    is_played = False
    over = ""

    def __init__(self, refined: Refined = as_it_is) -> None:
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        """Held by the thread that makes the next picture the latest."""
        self._latest: Picture | None = None
        self._refined = refined
        self._order: list[str] = []
        self._given: deque[_Given] = deque(maxlen=_KEPT)
        self._asked: tuple[_Given, ...] = ()
        self._indexed: tuple[Snapshot, dict[str, int]] | None = None
        self._said: list[str] = []

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def latest(self) -> Picture:
        """The newest picture; of a source that waits for the first only after `after` gave it."""
        if self._latest is None:
            with self._turn:
                self._begin()
        assert self._latest is not None, "after() gives the first picture"
        return self._latest

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        """See PictureSource. A call that waits ends within 0.05 s after `stop`."""
        if self._stopping.is_set():
            time.sleep(max(0.0, min(timeout, _NEVER_BUSY_S)))
            return None
        timeout = max(0.0, timeout)
        ends = time.monotonic() + timeout
        if not self._turn.acquire(timeout=timeout):
            return None
        try:
            if self._latest is None:
                self._begin()
            if self._latest is seen:
                self._advance(ends)
        finally:
            self._turn.release()
        return None if self._latest is seen else self._latest

    def blocks(self, site: Site, last: int = 20) -> SiteBlocks | None:
        """Of the latest snapshot; None where it has none, or they cannot be read, which is noted."""
        snapshot = self.given
        if snapshot is None or snapshot.blocks is None:
            return None
        index = self._index(snapshot).get(site.at.id)
        if index is None:
            return None
        now_ns = int(snapshot.picture.since_attach_s * 1e9)
        try:
            return of_site(snapshot.blocks(), index, now_ns, last)
        except (UsageError, OSError) as error:
            if str(error) not in self._said:
                self._said.append(str(error))
            return None

    def source(self, _site: Site, frame: Frame, _around: int) -> SourceLines | None:
        """The one line that was recorded."""
        if frame.file is None or frame.line is None or frame.source is None:
            return None
        return SourceLines(frame.file, frame.line, (frame.source,))

    def snapshot(self, picture: Picture) -> Snapshot | None:
        """The one that a picture is of: of the latest pictures, and those that were asked for last."""
        for one in (*self._given, *self._asked):
            if one.picture is picture:
                others = [other for other in self._asked if other.picture is not picture]
                self._asked = (*others, one)[-_KEPT:]
                return one.snapshot
        return None

    @property
    def given(self) -> Snapshot | None:
        """That of the latest picture; None before the first."""
        return self._given[-1].snapshot if self._given else None

    @property
    def doing(self) -> str:
        """What is done until there is a first picture."""
        return "naming the code"

    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is not there."""

    def stop(self) -> None:
        """From any thread: nothing more comes."""
        self._stopping.set()

    @abstractmethod
    def close(self) -> None:
        """`stop`, and close what is read."""

    @abstractmethod
    def _begin(self) -> None:
        """Give the first one, where it is there already; may be called again."""

    @abstractmethod
    def _advance(self, ends: float) -> None:
        """Let the next picture be the latest, if it is due before `ends` (monotonic)."""

    def _give(self, snapshot: Snapshot, *, final: bool) -> None:
        """Let its picture be the latest, with sites in the order of those before, new ones last."""
        refined = self._refined(snapshot.picture)
        picture = self._in_order(refined)
        if picture.final != final:
            picture = replace(picture, final=final)
        self._given.append(_Given(picture, replace(snapshot, picture=refined)))
        self._latest = picture

    def _in_order(self, picture: Picture) -> Picture:
        before = self._order
        self._order = [site.at.id for site in picture.sites]
        if self._order[: len(before)] == before:
            return picture
        left = dict(zip(self._order, picture.sites, strict=True))
        kept = [left.pop(name) for name in before if name in left]
        sites = (*kept, *left.values())
        self._order = [site.at.id for site in sites]
        return replace(picture, sites=sites)

    def _index(self, snapshot: Snapshot) -> dict[str, int]:
        """Where its sites are, by id. Blocks name them by their place in the snapshot."""
        if self._indexed is None or self._indexed[0] is not snapshot:
            names = {site.at.id: at for at, site in enumerate(snapshot.picture.sites)}
            self._indexed = snapshot, names
        return self._indexed[1]


class Still(Source):
    """One snapshot, whose picture is all that comes."""

    def __init__(self, snapshot: Snapshot, refined: Refined = as_it_is) -> None:
        super().__init__(refined)
        self._only = snapshot

    def notes(self) -> tuple[str, ...]:
        return tuple(self._said)

    def close(self) -> None:
        self.stop()

    def _begin(self) -> None:
        if self._latest is None:
            self._give(self._only, final=True)

    def _advance(self, ends: float) -> None:
        self._stopping.wait(max(0.0, ends - time.monotonic()))
