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
from ebpftrace.snapshot import columns, facts_writing, sites_writing
from ebpftrace.snapshot.framing import MARKER, checksum
from ebpftrace.snapshot.heads import head_of_snapshot, head_of_stream
from ebpftrace.snapshot.sections import section
from ebpftrace.snapshot.tables_writing import Section, Tables

RECORDS = 64
"""So many records of a stream rest on one another at most."""


def pieces(snapshot: Snapshot) -> Iterator[bytes]:
    """Those of a file in their order. Single blocks are read as they are written."""
    head = head_of_snapshot(snapshot)
    yield head
    number = 0
    for number, packed in enumerate(_sections(snapshot), 1):  # noqa: B007 - their count
        yield packed
    yield section("end", {"head": zlib.crc32(head), "sections": number})


def _sections(snapshot: Snapshot) -> Iterator[bytes]:
    yield section("facts", facts_writing.facts(snapshot))
    with collector_paused():
        packed = [section(*part) for part in _whole(snapshot, Tables())]
    yield from packed
    for chunk in () if snapshot.blocks is None else snapshot.blocks():
        for part in sites_writing.blocks(chunk):
            yield section(*part)


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
        sites = snapshot.picture.sites
        ids = [site.at.id for site in sites]
        left, self._left = self._left, 0  # until this one is whole
        places = self._places(ids) if left else None
        payload = section("facts", facts_writing.facts(snapshot))
        if places is None:
            left, self._tables = RECORDS, Tables()
            changed = _whole(snapshot, self._tables)
        else:
            changed = self._changed(snapshot, places)
        with collector_paused():
            payload += b"".join([section(*part) for part in changed])
        self._left = left - 1
        self._sites, self._ids = sites, ids
        self._points, self._processes = snapshot.history, snapshot.processes
        number, self._number = self._number, self._number + 1
        rests = places is not None
        crc = checksum(number, int(rests), payload)
        record: bytes = msgpack.packb([MARKER, number, rests, crc, payload])
        return record

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


def _grown(before: Sequence[Point], now: Sequence[Point]) -> tuple[Sequence[Point], int]:
    """The points behind those that both begin with, and how many those are."""
    same = next(compress(count(), map(ne, before, now)), min(len(before), len(now)))
    return now[same:], same


def _filled(sections: Iterable[Section]) -> Iterator[Section]:
    """Those that have rows."""
    for name, content in sections:
        if any(one.data if isinstance(one, ExtType) else one for one in content.values()):
            yield name, content
