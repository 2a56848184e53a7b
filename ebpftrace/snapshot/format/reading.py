"""A snapshot file, or the records of a stream, back to snapshots: docs/snapshot-format.md.

A file may come from anywhere: what is not as it was written is a UsageError that says where.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from ebpftrace.collector import collector_paused
from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import BlockColumns, Snapshot
from ebpftrace.snapshot.files import File
from ebpftrace.snapshot.format.assembly import Assembly
from ebpftrace.snapshot.format.framing import Cut
from ebpftrace.snapshot.format.heads import STREAM, Head, head_of, migrated
from ebpftrace.snapshot.format.limits import Room
from ebpftrace.snapshot.format.sections import Contents, Section, content_of, section_at
from ebpftrace.snapshot.format.sites_reading import blocks_of
from ebpftrace.snapshot.format.stream_reading import StreamReader
from ebpftrace.snapshot.values import Unfit, UnfitSection
from ebpftrace.text import clean

__all__ = ["StreamReader", "read_snapshot"]

_MOST_SECTIONS = 1 << 16  # a thousand million single blocks


def read_snapshot(path: str) -> Snapshot:
    """UsageError. The file is held open where single blocks may be asked for."""
    file = File(path)
    snapshot = None
    try:
        head = head_of(file)
        if head.kind == STREAM:
            raise UsageError(
                f"{path} is a stream of snapshots, not a single one: it is read as a stream."
            )
        with collector_paused():
            snapshot = _snapshot(file, head)
    finally:
        if snapshot is None or snapshot.blocks is None:
            file.close()
    return snapshot


def _snapshot(file: File, head: Head) -> Snapshot:
    found = _sections(file, head)
    contents = Contents(file.read, Room())
    for part in found:
        if part.name != "blocks":
            with _told(file, part):
                contents.take(part)
    _check_end(file, head, contents, found)
    return _assembled(file, head, contents, [part for part in found if part.name == "blocks"])


def _sections(file: File, head: Head) -> list[Section]:
    """All of them, the one named `end` last; nothing is decompressed of a file that was cut."""
    size, offset = file.size, head.size
    found: list[Section] = []
    while len(found) < _MOST_SECTIONS:
        found.append(_section_at(file, offset, size))
        offset = found[-1].end
        if found[-1].name == "end":
            return found
    raise file.damaged("sections", offset, f"there are more than {_MOST_SECTIONS}")


def _section_at(file: File, offset: int, size: int) -> Section:
    if offset >= size:
        raise file.cut(size)
    try:
        part = section_at(file.read, offset)
    except Cut:
        raise file.cut(size) from None
    except Unfit as error:
        raise file.damaged("sections", offset, str(error)) from None
    if part.end > size:
        raise file.cut(size)
    return part


def _check_end(file: File, head: Head, contents: Contents, found: list[Section]) -> None:
    end, number = contents.found["end"], len(found) - 1
    if end.get("head") != zlib.crc32(file.read(0, head.size)):
        raise file.damaged("head", 0, "its checksum does not fit")
    if end.get("sections") != number:
        raise file.damaged("sections", head.size, f"there are {number}, and others were written")
    if found[-1].end != file.size:
        raise file.damaged("end", found[-1].end, "something stands behind it")


def _assembled(file: File, head: Head, contents: Contents, chunks: list[Section]) -> Snapshot:
    def blocks(sites: int) -> Iterator[BlockColumns]:
        for part in chunks:
            with _told(file, part):
                content = content_of(part, file.read(part.start, part.end - part.start))
                Room().take("blocks", content)
                found = blocks_of(migrated({"blocks": content}, head.version)["blocks"], sites)
            yield found

    try:
        return Assembly().first(migrated(contents.found, head.version), blocks)
    except UnfitSection as error:
        offset = contents.offsets.get(error.section, head.size)
        raise file.damaged(f"section {error.section}", offset, str(error)) from None


@contextmanager
def _told(file: File, part: Section) -> Iterator[None]:
    try:
        yield
    except Unfit as error:
        raise file.damaged(f"section {clean(part.name)}", part.offset, str(error)) from None
