"""One section: a map of msgpack in a zstd frame, named and checksummed.

`[name, size of the map, checksum of name, size and frame, frame]`. Reading is bounded: by sizes
before anything is decompressed, by counts while it is decoded.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgpack
import zstandard

from ebpftrace.snapshot.format.columns import column
from ebpftrace.snapshot.format.framing import checksum, framed_at
from ebpftrace.snapshot.format.limits import Room, TooMuch
from ebpftrace.snapshot.values import Object, Unfit, object_of, text, whole

MOST_ITEMS = 1 << 18
"""Items of one array or map, of which memory is taken before they are read."""

MOST_RAW = 128 << 20
_MOST_PLAIN = 16 << 20
_MOST_PARTS = 1_000_000  # an empty array takes 1 byte of a file and 64 of memory
_TABLES = frozenset({"strings", "modules", "frames", "stacks", "callsites", "sites", "cohorts"})
_COLUMNS = _TABLES | {"changes", "history", "mappings", "blocks"}
_KNOWN = _COLUMNS | {"facts", "processes", "end"}
_MOST_CONTENT = 384 << 20
_MOST_STORED = 384 << 20


class Section(NamedTuple):
    """Where one is: from `offset` to `end`, its frame from `start` on; `size` when decompressed."""

    name: str
    size: int
    checksum: int
    offset: int
    start: int
    end: int


def section(name: str, content: Mapping[str, Any]) -> bytes:
    """The bytes of one. TooMuch where it would not be read."""
    raw = msgpack.packb(content, unicode_errors="replace")
    if len(raw) > _most(name):
        raise TooMuch(name, f"it takes {len(raw)} bytes, and no more than {_most(name)} are read")
    frame = zstandard.ZstdCompressor(level=1).compress(raw)
    packed: bytes = msgpack.packb([name, len(raw), checksum(name, len(raw), frame), frame])
    return packed


def section_at(read: Callable[[int, int], bytes], offset: int) -> Section:
    """The one at `offset`: see `framed_at`."""
    (name, size, crc), start, end = framed_at(read, offset, 3)
    text(name, "its name")
    whole(size, "its size")
    whole(crc, "its checksum")
    return Section(name, size, crc, offset, start, end)


class Contents:
    """Those of the sections of one file or record by name, as far as memory for them is granted."""

    def __init__(self, read: Callable[[int, int], bytes], room: Room) -> None:
        self._room = room
        self.found: dict[str, Object] = {}
        self.offsets: dict[str, int] = {}
        self._read = read
        self._sizes = self._stored = 0

    def take(self, given: Section) -> None:
        """One that is not known is looked at and passed over: a later version wrote it. Unfit."""
        if given.name in self.found:
            raise Unfit("it is there twice")
        self._stored += given.end - given.start
        if self._stored > _MOST_STORED:
            raise Unfit(f"more than {_MOST_STORED} bytes stand up to its end")
        frame = self._read(given.start, given.end - given.start)
        if given.name not in _KNOWN:
            _check(given, frame)
            return
        self._sizes += given.size
        if self._sizes > _MOST_CONTENT:
            raise Unfit(f"what is up to its end takes more than {_MOST_CONTENT} bytes")
        content = content_of(given, frame)
        if given.name in _COLUMNS:
            self._room.take(given.name, content)
        self.found[given.name] = content
        self.offsets[given.name] = given.offset


def content_of(given: Section, frame: bytes) -> Object:
    """What the section holds. Unfit where it is not what was written."""
    _check(given, frame)
    most = _most(given.name)
    if given.size > most:
        raise Unfit(f"it says that it takes {given.size} bytes, and no more than {most} are read")
    return _decoded(_decompressed(frame, given.size), given.name in _COLUMNS)


def _most(name: str) -> int:
    return MOST_RAW if name in _COLUMNS else _MOST_PLAIN


def _check(given: Section, frame: bytes) -> None:
    if checksum(given.name, given.size, frame) != given.checksum:
        raise Unfit("its checksum does not fit")


def _decompressed(frame: bytes, size: int) -> bytes:
    try:
        if zstandard.frame_content_size(frame) != size:
            raise Unfit("its sizes differ")
        # Takes as much memory as the frame says that it holds.
        raw: bytes = zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError:
        raise Unfit("it cannot be decompressed") from None
    if len(raw) != size:
        raise Unfit("its sizes differ")
    return raw


def _decoded(raw: bytes, columns: bool) -> Object:
    parts = _Parts()
    try:
        content = msgpack.unpackb(
            raw,
            ext_hook=column if columns else _refuse,
            list_hook=parts.count,
            object_hook=parts.count,
            max_array_len=0 if columns else MOST_ITEMS,
            max_map_len=64 if columns else MOST_ITEMS,
        )
    except (ValueError, msgpack.UnpackException):
        raise Unfit("it is not msgpack as it should be") from None
    return object_of(content, "it")


class _Parts:
    def __init__(self) -> None:
        self._left = _MOST_PARTS

    def count(self, part: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Unfit(f"it has more than {_MOST_PARTS} arrays and maps")
        return part


def _refuse(_code: int, _data: bytes) -> Any:
    raise Unfit("it holds an extension type")
