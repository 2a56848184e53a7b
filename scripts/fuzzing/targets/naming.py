"""Names of code: mangled ones, those that a JIT writes down, lines of source files."""

import os
from collections.abc import Iterator

from ebpftrace.symbols.demangling import MOST_MANGLED, demangled
from ebpftrace.symbols.locations import MOST_NAME
from ebpftrace.symbols.perfmap import PerfMap
from ebpftrace.symbols.source_lines import source_lines
from ebpftrace.symbols.source_text import SourceText
from ebpftrace.target.root import TargetRoot
from scripts.fuzzing.files import Folder, memory_file
from scripts.fuzzing.shown import all_printable, printable
from scripts.fuzzing.target import Finding, Limits, Target

_ADDRESSES = (0, 0x1000, 0x1008, 0x2000, 0x7F0000001000, (1 << 64) - 1)
_MOST_SHOWN = 480

_folder = Folder("tmp/perf-7.map", "tmp/perf-8.map")
_root = TargetRoot(os.open(_folder.path, os.O_PATH | os.O_DIRECTORY))


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def _perf_map_attempt(data: bytes) -> None:
    """What stands before and behind the first empty line, as a file that grows, then that is written anew."""
    first, _, second = data.partition(b"\n\n")
    for number, others in ((7, (first, first + second)), (8, (first, second))):
        found = PerfMap(_root, number, lambda: {os.geteuid()}, _Clock())
        try:
            for text in others:
                _folder.fill(f"tmp/perf-{number}.map", text)
                found.refresh()
                all_printable(map(found.find, _ADDRESSES), "a name", MOST_NAME)
        finally:
            found.close()


def _perf_map_seeds() -> Iterator[bytes]:
    yield b"1000 10 LazyCompile:~f /a.js:1\n2000 20 _ZN3Foo3barEv\n"
    yield b"0x1000 0x10 py::f:/a b.py\n1008 2 inner\n\n1000 10 again\n7f0000001000 ff g\n"
    yield b"1000 10 \x1b]0;title\x07\xff\nnonsense\n\nffffffffffffffff 1 top\n0 ffffffffffffffff all\n"


PERF_MAP = Target(
    "perf-map",
    "/tmp/perf-PID.map: names of JIT code",
    _perf_map_attempt,
    _perf_map_seeds,
    words=(b"0x", b"1000 ", b"\n\n", b"ffffffffffffffff", b"_ZN"),
)


def _demangle_attempt(data: bytes) -> None:
    for line in data.split(b"\n")[:8]:
        printable(demangled(line.decode("utf-8", "surrogateescape")), "a name", MOST_NAME)


def _demangle_seeds() -> Iterator[bytes]:
    names = (
        b"_ZNSt6vectorIiSaIiEE9push_backERKi",
        b"_ZZ4mainENKUlvE_clEv",
        b"_ZN12_GLOBAL__N_14makeEv.isra.0.cold",
        b"_ZN4core3fmt9Formatter3pad17h9b2b3a0e5b4d1b31E",
        b"_RINvNtC3std3mem8align_ofdE",
        b"_RNvNtCs1234_7mycrate3foo3bar",
        b"_D3foo3barFiZv",
        b"$s10Foundation4DataV5countSivg",
        b"_T0s3fooyyF",
        b"_ZNK3AppIJidEE1fIJcEEEvDpT_@plt",
    )
    yield from names
    yield b"\n".join(names[:5])


DEMANGLE = Target(
    "demangle",
    "mangled names of symbol tables and debug information",
    _demangle_attempt,
    _demangle_seeds,
    words=(
        b"_Z",
        b"_R",
        b"_D",
        b"$s",
        b"St",
        b"S0_",
        b"T_",
        b"E",
        b"I",
        b"Dp",
        b"L_Z",
        b"u1",
        b"B_",
    ),
    most_bytes=MOST_MANGLED,
)


def _source_attempt(data: bytes) -> None:
    """A file of the target's, as its debug information names it: by a path that is in it, too."""
    memory_file().fill(data)
    users = frozenset({0, os.geteuid()})

    def opener(path: str) -> int:
        if "\0" in path:
            raise ValueError("embedded null byte")
        return os.open(memory_file().path, os.O_RDONLY | os.O_CLOEXEC)

    path = f"/{data[:40].decode('utf-8', 'surrogateescape')}"
    text = SourceText(opener, users)
    for number in (-1, 0, 1, 2, 7, 1 << 40):
        printable(text.line(path, number), "a line", _MOST_SHOWN)
        shown = source_lines(opener, users, path, number, 3)
        if shown is not None:
            all_printable(shown.lines, "a line", _MOST_SHOWN)
            if len(shown.lines) > 7 or shown.here is not None:
                raise Finding(f"{len(shown.lines)} lines of {shown.here!a}")


def _source_seeds() -> Iterator[bytes]:
    yield b"int main(void)\n{\n\treturn malloc(8) == 0; /* \x1b[31m */\r\n}\n"
    yield "\ufeff\u202e x\n\n\u2028\x85 y".encode()
    yield b"\xff\xfe\0a\n" * 9


SOURCE = Target(
    "source",
    "source files that a target's debug information names",
    _source_attempt,
    _source_seeds,
    words=(b"\t", b"\n\n", b"\x1b[", b"\r\n", b"\xe2\x80\xae"),
    limits=Limits(memory=32 << 20),
)

TARGETS = (PERF_MAP, DEMANGLE, SOURCE)
