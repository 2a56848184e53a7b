"""The records of a stream, also while it grows; what is damaged is passed over and told."""

from typing import NamedTuple

from ebpftrace.collector import collector_paused
from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.files import File
from ebpftrace.snapshot.format.assembly import Assembly
from ebpftrace.snapshot.format.framing import MARKER, Cut, checksum, framed_at
from ebpftrace.snapshot.format.heads import SNAPSHOT, head_of, migrated
from ebpftrace.snapshot.format.limits import MOST_RECORD, Room
from ebpftrace.snapshot.format.sections import Contents, section_at
from ebpftrace.snapshot.values import Unfit, truth, whole

_SLICE = 1 << 20
_BEGIN = b"\x95\xc4" + bytes([len(MARKER)]) + MARKER  # of a record, as msgpack has it
_MOST_GUESSES = 64  # places that look like the beginning of a record, and are none
_MOST_GUESSED = 256 << 20  # bytes of what begins at them
_MOST_SEARCHED = 384 << 20  # bytes in which no record begins


class _Record(NamedTuple):
    number: int
    rests: bool
    payload: bytes
    start: int
    end: int


class _Gap(NamedTuple):
    """`records` that could not be read; `size` bytes of them are damaged."""

    offset: int
    size: int
    records: int


class StreamReader:
    """UsageError where `path` is no stream."""

    def __init__(self, path: str) -> None:
        self._file = File(path)
        try:
            head = head_of(self._file)
            if head.kind == SNAPSHOT:
                raise UsageError(f"{path} is a single snapshot, not a stream of them.")
        except BaseException:
            self._file.close()
            raise
        self._version = head.version
        self._offset = self._searched = head.size
        self._number = -1  # of the record before
        self._assembly: Assembly | None = None
        self._gaps: list[_Gap] = []
        self._in_gap = False
        self._read_last = -1
        self._guesses = self._guessed = 0
        self._left = 0  # bytes behind the last whole record, when it was the last one
        self._room = Room()
        self._sought = False

    def last(self) -> Snapshot | None:
        """That of the last whole record by now; None where there is none.

        Call it before `next`. What stands before those that it rests on is not read.
        """
        if self._sought:
            return self._last_from_here()
        self._sought, first = True, self._offset
        self._turn_to(self._last_begun(first))
        found = self._last_from_here()
        if found is None:
            self._turn_to((first, 0))
            found = self._last_from_here()
        return found

    def next(self) -> Snapshot | None:
        """That of the next whole record; None where there is none as yet."""
        with collector_paused():
            while (record := self._next_record()) is not None:
                snapshot = self._taken(record)
                if snapshot is not None:
                    return snapshot
        return None

    def notes(self) -> tuple[str, ...]:
        """Sentences on what could not be read so far."""
        notes = [_told(self._file.path, gap) for gap in self._gaps]
        if self._left:
            notes.append(
                f"The last {self._left} bytes of {self._file.path}, from byte {self._offset} on, are no "
                "whole record: the writer was cut off there, or is writing it."
            )
        return tuple(notes)

    def close(self) -> None:
        self._file.close()

    def _last_from_here(self) -> Snapshot | None:
        found = None
        while (later := self.next()) is not None:
            found = later
        return found

    def _turn_to(self, begun: tuple[int, int]) -> None:
        """Read on at the record of this offset and number, which rests on none."""
        self._offset, number = begun
        self._searched = self._offset
        self._number = self._read_last = number - 1
        self._assembly = None
        self._gaps.clear()
        self._in_gap = False

    def _last_begun(self, first: int) -> tuple[int, int]:
        """The last whole record that rests on none; where there is none `first`, and 0."""
        end = self._file.size
        least = max(first, end - _MOST_SEARCHED)
        while end > least:
            start = max(least, end - _SLICE)
            part = self._file.read(start, end - start + len(_BEGIN) - 1)
            at = part.rfind(_BEGIN)
            while at >= 0:
                number = self._begun_at(start + at)
                if number is not None:
                    return start + at, number
                at = part.rfind(_BEGIN, 0, at + len(_BEGIN) - 1)
            end = start
        return first, 0

    def _begun_at(self, offset: int) -> int | None:
        """The number of the record there; None where it rests on another, or is none."""
        try:
            (_, _, rests, _), _, _ = framed_at(self._file.read, offset, 4)
            if rests is True:
                return None
            return self._record_at(offset).number
        except Cut:
            return None
        except Unfit:
            self._guess(offset)
            return None

    def _guess(self, offset: int) -> None:
        """What is there looks like a record, and is none. UsageError after many."""
        self._guesses += 1
        if self._guesses > _MOST_GUESSES or self._guessed > _MOST_GUESSED:
            raise self._file.damaged("records", offset, "too many are")

    def _next_record(self) -> _Record | None:
        record = self._record()
        self._left = 0 if record else max(0, self._file.size - self._offset)
        return record

    def _record(self) -> _Record | None:
        offset = self._offset
        if offset >= self._file.size:
            return None
        try:
            record = self._record_at(offset)
        except (Cut, Unfit):
            found = self._search()
            if found is None:
                return None
            self._gap(offset, found - offset)
            self._offset, offset = found, found
            record = self._record_at(offset)
        self._offset = self._searched = record.end
        return record

    def _record_at(self, offset: int) -> _Record:
        """Cut, or Unfit where there is none."""
        read, size = self._file.read, self._file.size
        (marker, number, rests, crc), start, end = framed_at(read, offset, 4)
        if marker != MARKER:
            raise Unfit("it has no marker")
        whole(number, "its number")
        truth(rests, "what it rests on")
        if end - start > MOST_RECORD:
            raise Unfit("it is too long")
        if end > size:
            raise Cut
        payload = read(start, end - start)
        if checksum(number, int(rests), payload) != crc:
            self._guessed += len(payload)
            raise Unfit("its checksum does not fit")
        return _Record(number, rests, payload, offset, end)

    def _search(self) -> int | None:
        """Where the next whole record begins. Goes on where the last search found none."""
        while (at := self._begin()) is not None:
            try:
                self._record_at(at)
            except Cut:
                return None  # perhaps it is being written
            except Unfit:
                self._guess(at)
                self._searched = at + 1
            else:
                return at
        return None

    def _begin(self) -> int | None:
        """Where what looks like a record begins, behind the one that is damaged."""
        at = max(self._searched, self._offset + 1)
        while len(part := self._file.read(at, _SLICE)) >= len(_BEGIN):
            if at - self._offset > _MOST_SEARCHED:
                return None
            found = part.find(_BEGIN)
            self._searched = at = at + (found if found >= 0 else len(part) - len(_BEGIN) + 1)
            if found >= 0:
                return at
        return None

    def _taken(self, record: _Record) -> Snapshot | None:
        """None where it rests on one that was not read, or holds no snapshot."""
        follows, self._number = record.number == self._number + 1, record.number
        snapshot = None
        if not record.rests or (follows and self._assembly is not None):
            try:
                snapshot = self._assembled(record)
            except (Cut, Unfit):
                snapshot = None
        if snapshot is None:
            self._assembly = None
            self._gap(record.start, 0)
        self._count(record.number, snapshot is not None)
        return snapshot

    def _gap(self, offset: int, size: int) -> None:
        """So many bytes more are damaged."""
        if self._in_gap:
            gap = self._gaps[-1]
            self._gaps[-1] = gap._replace(size=gap.size + size)
        else:
            self._gaps.append(_Gap(offset, size, 0))
        self._in_gap = True

    def _count(self, number: int, read: bool) -> None:
        """The records that are missing, now that this one has come."""
        if self._in_gap:
            missing = number - self._read_last - read
            self._gaps[-1] = self._gaps[-1]._replace(records=max(0, missing))
        if read:
            self._in_gap = False
            self._read_last = number

    def _assembled(self, record: _Record) -> Snapshot:
        def read(offset: int, length: int) -> bytes:
            return record.payload[offset : offset + length]

        if record.rests:
            self._room.turn()
        else:
            self._room = Room()
        contents = Contents(read, self._room)
        offset = 0
        while offset < len(record.payload):
            part = section_at(read, offset)
            contents.take(part)
            offset = part.end
        sections = migrated(contents.found, self._version)
        if record.rests and self._assembly is not None:
            return self._assembly.next(sections)
        self._assembly = Assembly()
        return self._assembly.first(sections)


def _told(path: str, gap: _Gap) -> str:
    records = "1 record" if gap.records == 1 else f"{gap.records} records"
    why = f"{gap.size} bytes are damaged" if gap.size else "one is not as it is written"
    return (
        f"{records} of {path}, from byte {gap.offset} on, could not be read: {why}, and those behind "
        "rest on what came before."
    )
