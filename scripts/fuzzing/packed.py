"""Snapshots and streams taken apart: into what their sections hold, and single values of that.

What is changed is packed again with a checksum that fits, so that it is read. By the format's own
description (docs/snapshot-format.md), not by the reader that is tried.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgpack
import zstandard

from scripts.fuzzing.target import Part

MARKER = b"ebpf\xff\xc1record\xfe\xc1\x00\n"
_MOST = 1 << 20
_MOST_PARTS = 512


class _Section(NamedTuple):
    """One of [name, size, checksum, frame], or of a stream's records [marker, number, rests, checksum,
    payload], at `start` up to `end`.
    """

    said: list[Any]
    start: int
    end: int


def snapshot_parts(data: bytes) -> list[Part]:
    """The head and the sections; `end`, which has a checksum of the head, is mostly made to fit."""
    head, sections = _taken_apart(data)
    if not sections:
        return []
    found = [_span(data, 0, head)]
    for one in sections:
        found += _of_section(data, one)
    fitting = [Part(one.content, _with_end(one), one.inner) for one in found]
    return [*fitting, *fitting, *found]


def stream_parts(data: bytes) -> list[Part]:
    """The head and the records."""
    head, records = _taken_apart(data)
    return [_span(data, 0, head)] * bool(records) + [
        Part(one.said[4], _record_with(data, one), _payload_parts)
        for one in records
        if len(one.said) == 5 and isinstance(one.said[4], bytes)
    ]


def _payload_parts(payload: bytes) -> list[Part]:
    _, sections = _taken_apart(payload, has_head=False)
    return [part for one in sections for part in _of_section(payload, one)]


def _span(data: bytes, start: int, end: int) -> Part:
    return Part(data[start:end], lambda new: _joined(data, start, end, new))


def _taken_apart(data: bytes, *, has_head: bool = True) -> tuple[int, list[_Section]]:
    """Where the head ends, and what follows, as far as it is whole."""
    unpacker = msgpack.Unpacker(max_buffer_size=_MOST, strict_map_key=False)
    unpacker.feed(data[:_MOST])
    head = 0
    found: list[_Section] = []
    try:
        if has_head:
            unpacker.unpack()
            head = unpacker.tell()
        while True:
            start = unpacker.tell()
            said = unpacker.unpack()
            if not isinstance(said, list) or len(said) < 4:
                break
            found.append(_Section(said, start, unpacker.tell()))
    except (msgpack.UnpackException, ValueError):
        pass
    return head, found


def _of_section(data: bytes, one: _Section) -> Iterator[Part]:
    name, size, _, frame = one.said[:4]
    if not isinstance(frame, bytes) or not isinstance(name, str) or not isinstance(size, int):
        return
    try:
        raw = zstandard.ZstdDecompressor().decompress(frame, max_output_size=_MOST)
    except zstandard.ZstdError:
        return

    def put(changed: bytes) -> bytes:
        return _joined(data, one.start, one.end, section(name, changed))

    def put_frame(changed: bytes) -> bytes:
        made = [name, size, _checksum(name, size, changed), changed]
        return _joined(data, one.start, one.end, _packed(made))

    def put_name(changed: bytes) -> bytes:
        other = changed.decode("utf-8", "replace")
        return _joined(data, one.start, one.end, section(other, raw))

    yield from [Part(raw, put, values)] * 6
    yield Part(frame, put_frame)
    yield Part(name.encode(), put_name)


def section(name: str, raw: bytes) -> bytes:
    """As it is written."""
    frame = zstandard.ZstdCompressor(level=1).compress(raw)
    return _packed([name, len(raw), _checksum(name, len(raw), frame), frame])


def _record_with(data: bytes, one: _Section) -> Callable[[bytes], bytes]:
    def put(payload: bytes) -> bytes:
        marker, number, rests, _, _ = one.said
        sum_ = _crc(
            int(number).to_bytes(8, "little"), int(bool(rests)).to_bytes(8, "little"), payload
        )
        made = _packed([marker, number, rests, sum_, payload])
        return _joined(data, one.start, one.end, made)

    return put


def _with_end(part: Part) -> Callable[[bytes], bytes]:
    def put(changed: bytes) -> bytes:
        data = part.put(changed)
        head, sections = _taken_apart(data)
        if not sections or sections[-1].said[0] != "end":
            return data
        said = {"head": zlib.crc32(data[:head]), "sections": len(sections) - 1}
        return data[: sections[-1].start] + section("end", _packed(said))

    return put


# --- values of msgpack ----------------------------------------------------------------------------------


def values(raw: bytes) -> list[Part]:
    """Each value that is in it: what is put there is msgpack, or a text or bytes of the same kind."""
    try:
        tree = msgpack.unpackb(raw, strict_map_key=False)
    except (msgpack.UnpackException, ValueError):
        return []
    found: list[Part] = []
    for path, value in walk(tree, ()):
        found.append(Part(_packed(value), _setter(raw, path, _unpacked)))
        if isinstance(value, msgpack.ExtType):
            found.append(Part(value.data, _setter(raw, path, _column(value.code))))
        elif isinstance(value, str):
            found.append(Part(value.encode("utf-8", "replace"), _setter(raw, path, _text)))
        elif isinstance(value, bytes):
            found.append(Part(value, _setter(raw, path, bytes)))
        if len(found) > _MOST_PARTS:
            break
    return found


def walk(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from walk(value, (*path, key))
    elif isinstance(tree, list):
        for at, value in enumerate(tree):
            yield from walk(value, (*path, at))
    if path:
        yield path, tree


def _setter(
    raw: bytes, path: tuple[Any, ...], made: Callable[[bytes], Any]
) -> Callable[[bytes], bytes]:
    def put(changed: bytes) -> bytes:
        tree = inner = msgpack.unpackb(raw, strict_map_key=False)
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = made(changed)
        return _packed(tree)

    return put


def _unpacked(packed: bytes) -> Any:
    """The first value that is in there; text where there is none."""
    unpacker = msgpack.Unpacker(max_buffer_size=_MOST, strict_map_key=False)
    unpacker.feed(packed)
    try:
        value = unpacker.unpack()
        _packed(value)
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError, OverflowError):
        return _text(packed)
    return value


def _column(code: int) -> Callable[[bytes], Any]:
    return lambda changed: msgpack.ExtType(code, changed)


def _text(changed: bytes) -> str:
    return changed.decode("utf-8", "replace")


def _packed(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, unicode_errors="replace")
    return packed


def _joined(data: bytes, start: int, end: int, new: bytes) -> bytes:
    return data[:start] + new + data[end:]


def _checksum(name: str, size: int, frame: bytes) -> int:
    return _crc(name.encode("utf-8", "replace"), size.to_bytes(8, "little"), frame)


def _crc(*parts: bytes) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc
