"""The first map of a file, which says what it is, and the versions of the format."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgpack

from ebpftrace import __version__
from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.files import GIVE, File
from ebpftrace.snapshot.format.facts_reading import name
from ebpftrace.snapshot.format.facts_writing import moment as written
from ebpftrace.snapshot.parts import moment
from ebpftrace.snapshot.values import Object, Unfit, needed, object_of, text, whole

VERSION = 1
SNAPSHOT = "snapshot"
STREAM = "stream"
TOOL = f"ebpftrace {__version__}"

Sections = dict[str, Object]

MIGRATIONS: dict[int, Callable[[Sections], Sections]] = {}
"""By version: what makes of its sections those of the next one. Sections of single blocks are given
alone."""

_WINDOW = 64 << 10
_KEY = b"\xa9ebpftrace"  # msgpack's string of 9 bytes; a map of up to 15 stands before it
_MAPS = frozenset(range(0x80, 0x90))


class Head(NamedTuple):
    """`kind` is snapshot or stream; the others are None where a file of its kind has none.

    `size`: its bytes.
    """

    kind: str
    version: int
    tool: str
    taken: datetime | None
    watch: str | None
    trigger: str | None
    size: int


def head_of_snapshot(snapshot: Snapshot) -> bytes:
    return _packed(
        {
            "ebpftrace": SNAPSHOT,
            "version": VERSION,
            "tool": snapshot.tool,
            "taken": written(snapshot.picture.time),
            "watch": snapshot.watch,
            "trigger": snapshot.trigger.kind,
        }
    )


def head_of_stream() -> bytes:
    return _packed({"ebpftrace": STREAM, "version": VERSION, "tool": TOOL})


def head_of(file: File) -> Head:
    """What a file says that it is. A UsageError for one that is none of ours, or newer."""
    window = file.read(0, _WINDOW)
    if not window:
        raise UsageError(f"{file.path} is empty: whoever wrote it was kept from it. {GIVE}")
    if window[0] not in _MAPS or not _KEY.startswith(window[1 : 1 + len(_KEY)]):
        raise UsageError(
            f"{file.path} was not written by ebpftrace: its first bytes are another's. {GIVE}"
        )
    unpacker = msgpack.Unpacker(max_buffer_size=_WINDOW, max_array_len=0, max_map_len=64)
    unpacker.feed(window)
    try:
        said = object_of(unpacker.unpack(), "it")
        return _checked(said, unpacker.tell(), file.path)
    except msgpack.OutOfData:
        if len(window) < _WINDOW:
            raise file.cut(len(window)) from None
        raise file.damaged("head", 0, "it has no end") from None
    except (ValueError, msgpack.UnpackException):
        raise file.damaged("head", 0, "it is not msgpack as it should be") from None
    except Unfit as error:
        raise file.damaged("head", 0, str(error)) from None


def migrated(sections: Sections, version: int) -> Sections:
    """The sections of a file of `version` as this version has them."""
    for older in range(version, VERSION):
        sections = MIGRATIONS[older](sections)
    return sections


def _packed(said: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(said, unicode_errors="replace")
    return packed


def _checked(said: Object, size: int, path: str) -> Head:
    kind = text(needed(said, "ebpftrace"), "ebpftrace")
    version = whole(needed(said, "version"), "version", least=1)
    tool = name(needed(said, "tool"), "tool")
    if version > VERSION:
        raise UsageError(
            f"{path} was written by {tool} in version {version} of the format, and {TOOL} reads "
            f"version {VERSION} and older. Take a newer ebpftrace."
        )
    if kind == STREAM:
        return Head(kind, version, tool, None, None, None, size)
    if kind != SNAPSHOT:
        raise Unfit("it is of no kind that is known")
    return Head(
        kind,
        version,
        tool,
        moment(needed(said, "taken"), "taken"),
        name(needed(said, "watch"), "watch"),
        name(needed(said, "trigger"), "trigger"),
        size,
    )
