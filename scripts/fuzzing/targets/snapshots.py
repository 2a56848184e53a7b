"""Files that somebody has sent: snapshots, streams, lines of --json, suppressions; and what is shown of them."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Any
from zlib import crc32

from ebpftrace.analysis.diff import Shown, beyond, diff
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import Selection
from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.errors import UsageError
from ebpftrace.export import diff_json, diff_text, jsonl, snapshot_json, snapshot_text
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.format.reading import StreamReader, read_snapshot
from ebpftrace.snapshot.format.writing import StreamWriter, pieces
from ebpftrace.snapshot.jsonl.recording import Recording
from ebpftrace.snapshot.loading import kind_of
from ebpftrace.symbols.demangling import demangled
from scripts.fuzzing import packed
from scripts.fuzzing.files import memory_file
from scripts.fuzzing.shown import all_printable, json_text, report
from scripts.fuzzing.target import Finding, Limits, Part, Target
from tests.unit.builders import frame, picture, site
from tests.unit.hostile import HOSTILE
from tests.unit.written_builders import full, snapshot

_NOW = datetime(2026, 11, 20, 13, tzinfo=timezone.utc)
_ALL = Selection(top=0)
_MOST_READ = 16
_SHOWN = 4
_LIMITS = Limits(seconds=3.0, memory=128 << 20)


def show(read: Snapshot) -> None:
    """Report it, and compare it, as text and as JSON."""
    report("\n".join(snapshot_text.lines(read, "file", _ALL, _NOW)), "a report")
    out = io.StringIO()
    snapshot_json.write(read, "file", _ALL, out)
    json_text(out.getvalue(), "a report in JSON")
    all_printable(read.notes, "a note")
    _compare(read)


def _show_some(data: bytes, read: Snapshot) -> None:
    """To show it takes ten times as long as to read it: what was read of one input in so many is shown."""
    if crc32(data) % _SHOWN == 0:
        show(read)


def _compare(read: Snapshot) -> None:
    before = full()
    found = diff([before.picture, read.picture])
    shown = Shown("growth", 0, Rules.standard())
    texts = io.StringIO(), io.StringIO()
    diff_text.write([before, read], ["a", "b"], found, shown, texts[0])
    diff_json.write([before, read], ["a", "b"], found, shown, (0, beyond(found, 0)), texts[1])
    report(texts[0].getvalue(), "a comparison")
    json_text(texts[1].getvalue(), "a comparison in JSON")


def _snapshot_attempt(data: bytes) -> None:
    memory_file().fill(data)
    kind_of(memory_file().path)
    read = read_snapshot(memory_file().path)
    _show_some(data, read)
    if read.blocks is not None:
        for chunk in read.blocks():
            if max(chunk.site, default=-1) >= len(read.picture.sites):
                raise Finding("a block is of no site")


def _snapshot_seeds() -> Iterator[bytes]:
    yield b"".join(pieces(full()))
    yield b"".join(pieces(snapshot()))
    hostile = [site(name, frames=(frame(name, file=name), frame("main"))) for name in HOSTILE[:6]]
    yield b"".join(pieces(snapshot(picture=picture(*hostile))))


_WORDS = (
    *(b"\xc0", b"\xc3", b"\xcf" + b"\xff" * 8, b"\xcb\x7f\xf8" + bytes(6), b"\x80", b"\x90"),
    *(b"\xd9\x04\x1b[2J", b"\xc7\x00Q", b"\xd8B", b"\xc4\x00", b"2026-11-20T12:00:00+00:00"),
)

SNAPSHOT = Target(
    "snapshot",
    "a snapshot that is given to report, diff, open, export",
    _snapshot_attempt,
    _snapshot_seeds,
    (UsageError,),
    packed.snapshot_parts,
    _WORDS,
    most_bytes=8192,
    limits=_LIMITS,
)


def _stream_attempt(data: bytes) -> None:
    memory_file().fill(data)
    for ask in (StreamReader.next, StreamReader.last):
        reader = StreamReader(memory_file().path)
        try:
            for _ in range(_MOST_READ):
                read = ask(reader)
                if read is None:
                    break
                _show_some(data, read)
            all_printable(reader.notes(), "a note")
        finally:
            reader.close()


def _stream_seeds() -> Iterator[bytes]:
    first, second, third = full(), snapshot(site("f"), site("g"), site("h")), snapshot(site("k"))
    writer = StreamWriter()
    records = [writer.start(), *(writer.record(one) for one in (first, second, third, first))]
    yield b"".join(records)
    yield b"".join(records[:3])
    yield b"".join([records[0], records[1], b"?" * 20, *records[2:]])


STREAM = Target(
    "stream",
    "a stream of snapshots",
    _stream_attempt,
    _stream_seeds,
    (UsageError,),
    packed.stream_parts,
    (*_WORDS, packed.MARKER),
    most_bytes=16384,
    limits=_LIMITS,
)


def _lines_attempt(data: bytes) -> None:
    memory_file().fill(data)
    recording = Recording(memory_file().path)
    try:
        while (read := recording.next()) is not None:
            _show_some(data, read)
        all_printable(recording.notes(), "a note")
    finally:
        recording.close()
    last = Recording(memory_file().path)
    try:
        last.last()
    finally:
        last.close()


def _lines_seeds() -> Iterator[bytes]:
    out = io.StringIO()
    for one in (full(), snapshot()):
        jsonl.write(one.picture, _ALL, out)
    yield out.getvalue().encode()
    hostile = [site(name) for name in HOSTILE[:5]]
    jsonl.write(picture(*hostile, final=True), _ALL, out)
    yield gzip.compress(out.getvalue().encode(), mtime=0)


def _lines_parts(data: bytes) -> list[Part]:
    """The lines, of what gzip has packed, too."""
    if data.startswith(b"\x1f\x8b"):
        text = gzip.decompress(data)
        return [Part(text, lambda new: gzip.compress(new, mtime=0), _lines_parts)]
    lines = data.split(b"\n")
    return [Part(line, _with_line(lines, at), _line_parts) for at, line in enumerate(lines) if line]


def _with_line(lines: list[bytes], at: int) -> Callable[[bytes], bytes]:
    return lambda new: b"\n".join([*lines[:at], new, *lines[at + 1 :]])


def _line_parts(line: bytes) -> list[Part]:
    """Each value in it."""

    def put(path: tuple[Any, ...]) -> Callable[[bytes], bytes]:
        def with_changed(changed: bytes) -> bytes:
            tree = inner = json.loads(line)
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = "\x00here\x00"
            return json.dumps(tree).encode().replace(b'"\\u0000here\\u0000"', changed)

        return with_changed

    walked = packed.walk(json.loads(line), ())
    return [Part(json.dumps(value).encode(), put(path)) for path, value in islice(walked, 512)]


LINES = Target(
    "lines",
    "what attach --json wrote, also packed by gzip",
    _lines_attempt,
    _lines_seeds,
    (UsageError,),
    _lines_parts,
    words=(b"null", b"true", b"1e999", b"NaN", b"-1", b"18446744073709551616", b"[", b"{", b'""'),
    most_bytes=16384,
    limits=_LIMITS,
)


def _suppressions_attempt(data: bytes) -> None:
    memory_file().fill(data)
    found = Suppressions.read(memory_file().path, demangled)
    all_printable(found.notes, "a note")
    all_printable(found.unused(), "the name of a suppression", 400)
    all_printable((found.by(one.at) for one in _STACKS), "the name of a suppression", 400)


_STACKS = tuple(
    site(name, frames=tuple(frame(one, file=f"/src/{one}.c", line=7, inlined=at == 1) for at, one in
         enumerate((name, "std::vector<int>::push_back(int const&)", "xmalloc", "f" * 400, "main"))))
    for name in ("leak_here", "operator new(unsigned long)", "a" * 3000, *HOSTILE[:3])
)  # fmt: skip


def _suppressions_seeds() -> Iterator[bytes]:
    yield (
        b"# known\n{\n   tables\n   Memcheck:Leak\n   match-leak-kinds: reachable\n   fun:malloc\n"
        b"   fun:CRYPTO_*\n   ...\n   obj:*/libcrypto.so.?\n   src:main.c:12\n   fun:_ZN3app*\n}\n"
    )
    yield b"leak:^app::registry\nleak:libfoo.so$\nleak:*a*b*c*\nrace:x\nleak:a?b??c\n"
    yield b"{\n n\n Memcheck,Addrcheck:Leak\n fun:_Znwm\n ...\n ...\n fun:*a*a*a*\n}\n{\n m\n Helgrind:Race\n}\n"


SUPPRESSIONS = Target(
    "suppressions",
    "a file of suppressions",
    _suppressions_attempt,
    _suppressions_seeds,
    (UsageError,),
    words=(
        b"fun:",
        b"obj:",
        b"src:",
        b"...\n",
        b"leak:",
        b"*",
        b"?",
        b"{\n",
        b"}\n",
        b"Memcheck:Leak\n",
    ),
)

TARGETS = (SNAPSHOT, STREAM, LINES, SUPPRESSIONS)
