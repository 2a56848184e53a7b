"""The bytes of a snapshot file and of a stream: docs/snapshot-format.md."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import compress, count
from operator import ne

import msgpack
from msgpack import ExtType

from ebpftrace.collector import collector_paused
from ebpftrace.model.picture import Point, Site
from ebpftrace.model.snapshot import ProcessFacts, Snapshot
from ebpftrace.snapshot.format import columns, facts_writing, sites_writing
from ebpftrace.snapshot.format.fitting import Fitting
from ebpftrace.snapshot.format.framing import MARKER, checksum
from ebpftrace.snapshot.format.heads import head_of_snapshot, head_of_stream
from ebpftrace.snapshot.format.limits import MOST_RECORD, MOST_ROWS_OF, Room, TooMuch
from ebpftrace.snapshot.format.sections import section
from ebpftrace.snapshot.format.tables_writing import Section, Tables

RECORDS = 64
"""So many records of a stream rest on one another at most."""


def pieces(snapshot: Snapshot) -> Iterator[bytes]:
    """Those of a file in their order. Single blocks are read as they are written.

    What is more than is read is left out, and noted; UsageError where that is of no help.
    """
    head = head_of_snapshot(snapshot)
    yield head
    number = 0
    for number, packed in enumerate(_sections(snapshot), 1):  # noqa: B007 - their count
        yield packed
    yield section("end", {"head": zlib.crc32(head), "sections": number})


def _sections(snapshot: Snapshot) -> Iterator[bytes]:
    fitting = Fitting(snapshot)
    yield from _fitted(fitting)
    for chunk in fitting.blocks():
        for part in sites_writing.blocks(chunk):
            yield section(*part)


def _fitted(fitting: Fitting) -> list[bytes]:
    while True:
        try:
            return _packed(fitting.snapshot, _whole(fitting.snapshot, Tables()), Room())
        except TooMuch as error:
            fitting.cut(error)


def _packed(snapshot: Snapshot, others: Iterable[Section], room: Room) -> list[bytes]:
    """The section of facts, then the others. TooMuch."""
    packed = [section("facts", facts_writing.facts(snapshot))]
    with collector_paused():
        for name, content in others:
            if name != "processes":
                room.take(name, content)
            packed.append(section(name, content))
    return packed


def _whole(snapshot: Snapshot, tables: Tables) -> Iterator[Section]:
    yield "processes", facts_writing.processes(snapshot.processes)
    yield sites_writing.history(snapshot.history)
    yield sites_writing.mappings(snapshot.processes, tables)
    yield from sites_writing.sites(snapshot.picture.sites, tables)
    yield from tables.sections()


class Counted:
    """The same pieces; `size`: the bytes of those that went by."""

    def __init__(self, made: Iterable[bytes]) -> None:
        self._made = made
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._made:
            self.size += len(piece)
            yield piece


class StreamWriter:
    """What changed since the record before, and everything in every 64th record."""

    def __init__(self) -> None:
        self._number = 0
        self._left = 0  # records before everything is written again
        self._tables = Tables()
        self._room = Room()
        self._sites: tuple[Site, ...] = ()
        self._ids: list[str] = []
        self._points: Sequence[Point] = ()
        self._processes: tuple[ProcessFacts, ...] = ()

    def start(self) -> bytes:
        """The head of a file; what follows rests on nothing that was written before."""
        self._number = 0
        self.anew()
        return head_of_stream()

    def anew(self) -> None:
        """The next record rests on none before it: call it when one was not written whole."""
        self._left = 0

    def record(self, snapshot: Snapshot) -> bytes:
        """The next one. Single blocks are left out."""
        snapshot = replace(snapshot, blocks=None)
        left, self._left = self._left, 0  # until this one is whole
        payload = self._resting(snapshot) if left else None
        rests = payload is not None
        if payload is None:
            snapshot, payload, left = self._anew(snapshot)
        self._left = left - 1
        self._sites = snapshot.picture.sites
        self._ids = [site.at.id for site in self._sites]
        self._points, self._processes = snapshot.history, snapshot.processes
        number, self._number = self._number, self._number + 1
        crc = checksum(number, int(rests), payload)
        record: bytes = msgpack.packb([MARKER, number, rests, crc, payload])
        return record

    def _resting(self, snapshot: Snapshot) -> bytes | None:
        """The sections of what changed. None where it must be written anew."""
        sites = snapshot.picture.sites
        places = self._places([site.at.id for site in sites])
        if places is None or len(sites) > MOST_ROWS_OF["sites"]:
            return None
        self._room.turn()
        try:
            return _payload(_packed(snapshot, self._changed(snapshot, places), self._room))
        except TooMuch:
            return None

    def _anew(self, snapshot: Snapshot) -> tuple[Snapshot, bytes, int]:
        """What of it is written, its sections, and how many records with it may rest on one another."""
        fitting = Fitting(snapshot)
        while True:
            self._tables, self._room = Tables(), Room()
            whole = _whole(fitting.snapshot, self._tables)
            try:
                payload = _payload(_packed(fitting.snapshot, whole, self._room))
            except TooMuch as error:
                fitting.cut(error)
            else:
                return fitting.snapshot, payload, RECORDS if fitting.is_whole else 1

    def _places(self, ids: list[str]) -> list[int] | None:
        """Of the sites that are left out now, in the picture before. None: the order is another."""
        before = self._ids
        if ids[: len(before)] == before:
            return []
        now = set(ids)
        gone = [place for place, name in enumerate(before) if name not in now]
        kept = [name for name in before if name in now]
        return gone if ids[: len(kept)] == kept else None

    def _changed(self, snapshot: Snapshot, gone: list[int]) -> Iterator[Section]:
        """Only what is not as in the record before."""
        sites, points = snapshot.picture.sites, snapshot.history
        left = frozenset(gone)
        before = [site for place, site in enumerate(self._sites) if place not in left]
        places = [
            *compress(count(), map(ne, before, sites)),
            *range(len(before), len(sites)),
        ]
        changes = {"left_out": columns.whole(gone), "place": columns.whole(places)}
        changed = sites_writing.sites([sites[place] for place in places], self._tables)
        yield from _filled([("changes", changes), *changed])
        if points != self._points:
            yield sites_writing.history(*_grown(self._points, points))
        yield from self._about_processes(snapshot)
        yield from _filled(self._tables.sections())

    def _about_processes(self, snapshot: Snapshot) -> Iterator[Section]:
        before = self._processes
        if snapshot.processes != before:
            yield "processes", facts_writing.processes(snapshot.processes)
        if [one.mappings for one in before] != [one.mappings for one in snapshot.processes]:
            yield sites_writing.mappings(snapshot.processes, self._tables)


def _payload(sections: Iterable[bytes]) -> bytes:
    payload = b"".join(sections)
    if len(payload) > MOST_RECORD:
        raise TooMuch("sites", f"a record of {len(payload)} bytes is not read")
    return payload


def _grown(before: Sequence[Point], now: Sequence[Point]) -> tuple[Sequence[Point], int]:
    """The points behind those that both begin with, and how many those are."""
    same = next(compress(count(), map(ne, before, now)), min(len(before), len(now)))
    return now[same:], same


def _filled(sections: Iterable[Section]) -> Iterator[Section]:
    """Those that have rows."""
    for name, content in sections:
        if any(one.data if isinstance(one, ExtType) else one for one in content.values()):
            yield name, content
