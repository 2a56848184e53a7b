"""Debug information, which a confined process reads, and what that answers when a file has taken it over."""

import os
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import ImageAddress
from ebpftrace.symbols.code_file import Identity
from ebpftrace.symbols.file_lines import FileLines, expanded
from ebpftrace.symbols.locations import MOST_INLINED, MOST_NAME
from ebpftrace.symbols.resolver.child import Child, ModuleFailed
from ebpftrace.symbols.resolver.client import Place, Resolver, ResolverGone
from ebpftrace.symbols.source_text import SourceText
from ebpftrace.target.elf import BadElf, ElfImage
from scripts.fuzzing import elves
from scripts.fuzzing.files import memory_file
from scripts.fuzzing.shown import all_printable
from scripts.fuzzing.target import Finding, Limits, Part, Target

_ASKED = [ImageAddress(0x1000), ImageAddress(0x1008)]
_MOST_TEXT = 8 << 20


class _Ended:
    """In the place of a process that has ended."""

    pid = 1 << 22

    def kill(self) -> None:
        pass

    def wait(self, _limit_s: float | None = None) -> int:
        return 0


class _File:
    """A file whose code is asked about."""

    identity: Identity = (1, 1, 1, 1)
    name = path = "/opt/bin/one"
    build_id = None
    source = SourceText(lambda path: os.open("/dev/null", os.O_RDONLY), ())

    def files(self) -> list[int]:
        return []

    def may_be_described(self) -> bool:
        return True


class _Answered(Resolver):
    """A resolver whose process has answered all that it will be asked."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        with theirs:
            theirs.send(data)
            # It reads what it is asked, and goes.
            theirs.shutdown(socket.SHUT_WR)
            self._theirs = theirs.detach()
        child = Child.__new__(Child)
        child._channel, child._process = ours, cast("subprocess.Popen[bytes]", _Ended())
        self._only: Child = child

    def _running(self) -> Child:
        if self._only.stopped:
            raise ResolverGone("It answers no more.")
        return self._only

    def stop(self) -> None:
        super().stop()
        if not self._only.stopped:
            self._only.stop()

    def close(self) -> None:
        self.stop()
        os.close(self._theirs)


def _answers_attempt(data: bytes) -> None:
    notes: list[str] = []
    resolver = _Answered(data[: 64 << 10])
    try:
        lines = FileLines(resolver, notes.append)
        for _ in range(2):
            told = lines.locations(_File(), _ASKED)
            for locations in told.values():
                _check_lines(lines, locations)
    finally:
        resolver.close()
    all_printable(notes, "a note", 16 * MOST_NAME)


def _check_lines(lines: FileLines, locations: Any) -> None:
    if len(locations) > MOST_INLINED:
        raise Finding(f"{len(locations)} functions at one place")
    frame = Frame("f", None, None, None, False, "/a", None, 1, 1)
    for one in expanded(frame, lines.lines(_File(), locations)):
        all_printable((one.function, one.file, one.source), "a frame", 2 * MOST_NAME)


def _framed(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


def _answers_seeds() -> Iterator[bytes]:
    opened = b'{"has_debug_info": true, "mapped_bytes": 5, "refused": [], "unanswered": null}'
    places = (
        b'{"places": [[["_ZN1a1bEv", "b", "/a.c", 1, 2]], [[null, "f", null, null, null], '
        b'["g", null, "/\\u001b[31m", 7, 0]]]}'
    )
    yield _framed(opened) + _framed(places) + _framed(places)
    yield _framed(b'{"error": "ValueError: \\u0007 it is bad"}')
    yield _framed(opened.replace(b"[]", b'["/a\\nb", 7]').replace(b"null", b'"no network"'))


def _answers_parts(data: bytes) -> list[Part]:
    found: list[Part] = []
    at = 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        found.append(_message(data, at, end))
        at = end
    return found


def _message(data: bytes, at: int, end: int) -> Part:
    return Part(data[at + 4 : end], lambda new: data[:at] + _framed(new) + data[end:])


ANSWERS = Target(
    "answers",
    "what the confined process that reads debug information answers, once a file has taken it over",
    _answers_attempt,
    _answers_seeds,
    parts=_answers_parts,
    words=(b"null", b"NaN", b"1e999", b"[[[", b"[" * 64, b'"\\ud800"', b'"places"', b"-1", b"{}"),
    most_bytes=2048,
    limits=Limits(memory=32 << 20),
)

# --- the process itself ---------------------------------------------------------------------------------

_SOURCE = """
namespace app { static inline int twice(int n) { return n * 2 + n / 3; }
struct Pool { int take(int n) { return twice(n) + 1; } int room; };
int run(int n) { Pool pool; auto more = [&](int m) { return pool.take(m + n); }; return more(n); } }
extern "C" int leak(int n) { return app::run(n) + n; }
"""
_TEXT = 0x1000


@cache
def _resolver() -> Resolver:
    return Resolver()


def _dwarf_attempt(data: bytes) -> None:
    fd = memory_file().fill(data)
    build_id, first = None, _TEXT
    try:
        image = ElfImage.open(fd)
        code = image.section(b".text")
        build_id, first = image.build_id, _TEXT if code is None else code.address
    except BadElf:
        pass
    resolver = _resolver()
    try:
        if resolver.open(0, "/opt/bin/one", [fd], build_id).has_debug_info:
            for places in resolver.find(0, [first + 2 * n for n in range(32)]):
                _check_places(places)
    finally:
        # It holds what it was asked about until it is asked about 64 others.
        resolver._open.pop(0, None)


def _check_places(places: list[Place]) -> None:
    if len(places) > MOST_INLINED:
        raise Finding(f"{len(places)} functions at one place")
    for place in places:
        for text in place[:3]:
            if text is not None and len(text) > MOST_NAME:
                raise Finding(f"a name of {len(text)} characters")


def _dwarf_seeds() -> Iterator[bytes]:
    """Needs g++; what it made is kept in the corpus."""
    with tempfile.TemporaryDirectory() as name:
        source, made = Path(name) / "one.cpp", Path(name) / "one.so"
        source.write_text(_SOURCE)
        for flags in (["-gdwarf-5"], ["-gdwarf-4"], ["-gdwarf-5", "-gz"]):
            command = ["g++", "-O2", "-shared", "-nostdlib", "-fPIC", "-Wl,--build-id", *flags]
            command.append(f"-ffile-prefix-map={name}=/src")
            linked = ["-Wl,-z,max-page-size=4096", "-Wl,-z,noseparate-code", "-Wl,--hash-style=gnu"]
            try:
                subprocess.run([*command, *linked, "-o", made, source], check=True, cwd=name)
            except (OSError, subprocess.CalledProcessError):
                return
            yield made.read_bytes()


def _dwarf_parts(data: bytes) -> list[Part]:
    """Mostly the sections, which are the longer ones."""
    found = elves.parts(data)
    return [*found, *(one for one in found if len(one.content) > 64 for _ in range(3))]


DWARF = Target(
    "dwarf",
    "debug information of any file, by drgn in a confined process, which may fail at it",
    _dwarf_attempt,
    _dwarf_seeds,
    (ModuleFailed,),
    _dwarf_parts,
    most_bytes=16384,
    limits=Limits(seconds=5.0, memory=32 << 20),
    starts=True,
)

TARGETS = (ANSWERS, DWARF)
