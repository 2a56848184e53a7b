"""Code of a target: where its allocator's functions are, and where in them a probe may go."""

from collections.abc import Iterator
from itertools import islice

from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import Address, FileOffset, ImageAddress, Pid
from ebpftrace.probes import plan as planning
from ebpftrace.probes.decode import choose
from ebpftrace.probes.exits import MOST_EXITS, exits
from ebpftrace.probes.families import FAMILIES
from ebpftrace.probes.flow import Untraceable, follow
from ebpftrace.probes.functions import STANDARD
from ebpftrace.probes.plan import Plan, plan
from ebpftrace.probes.table import describe
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module
from ebpftrace.target.process import Process
from ebpftrace.target.text import LiveText
from scripts.fuzzing import elves
from scripts.fuzzing.elves import BASE, DYNAMIC, DYNSYM, RELA, STRTAB, Form, Section
from scripts.fuzzing.files import memory_file
from scripts.fuzzing.shown import all_printable
from scripts.fuzzing.target import Finding, Limits, Target

_AT = ImageAddress(0x1000)
_MAPPED = Address(0x7F0000000000)
_IFUNC = 10


class _Code:
    """All that there is, from _AT on."""

    def __init__(self, code: bytes) -> None:
        self._code = code

    def read(self, address: ImageAddress) -> bytes:
        return self._code[address - _AT :] if address >= _AT else b""

    def destination(self, address: ImageAddress) -> ImageAddress | None:
        return address if address % 16 else None

    def comes_back(self, address: ImageAddress) -> bool:
        return bool(address % 5)


def _code_attempt(data: bytes) -> None:
    for function in STANDARD[:4]:
        choice = choose(data, _AT, "x86_64", function.arguments, (ImageAddress(_AT + 4),))
        if not 0 <= choice.offset <= max(0, len(data) - 1) or choice.offset not in choice.starts:
            raise Finding(f"a probe {choice.offset} bytes into {len(data)}")
        all_printable((choice.instruction, choice.reason), "a choice")
    ways = exits(follow(_Code(data), _AT), {}, ())
    for way in ways or ():
        if not _AT <= way.address < _AT + len(data):
            raise Finding(f"an exit at {way.address:#x} of {len(data)} bytes")
    if ways is not None and len(ways) > MOST_EXITS:
        raise Finding(f"{len(ways)} exits")


def _code_seeds() -> Iterator[bytes]:
    for text in (
        "55 48 89 e5 5d c3",
        "48 85 ff 74 02 eb fa c3",
        "f3 0f 1e fa 48 83 ec 08 e8 00 00 00 00 48 83 c4 08 c3",
        "48 89 f3 49 89 fc 31 c0 0f 84 04 00 00 00 5b 41 5c c3 48 8d 65 f8 5b 5d c3",
        "ff 25 00 00 00 00 0f 0b cc f4 c8 10 00 00 e2 fe c7 f8 00 00 00 00",
        "66 90 f2 ff 25 01 02 03 04 62 f1 7c 48 58 c0 c5 f8 77",
    ):
        yield bytes.fromhex(text)


CODE = Target(
    "code",
    "the machine code of allocator functions, x86-64",
    _code_attempt,
    _code_seeds,
    (Untraceable,),
    most_bytes=512,
)


class _AsTheFile(LiveText):
    """The memory of a process that runs what its file says, mapped at _MAPPED."""

    def __init__(self, content: bytes) -> None:
        self.why = ""
        self._content = content

    def close(self) -> None:
        """Nothing is open."""

    def read(self, address: Address, length: int) -> bytes:
        at = address - _MAPPED
        return self._content[at : at + length] if at >= 0 else b""


def _plan_attempt(data: bytes) -> None:
    planning._known_choices.clear()  # the file changes more often than its time of change
    fd = memory_file().fill(data)
    end = Address(_MAPPED + (len(data) + 4095 & -4096))
    parts = (
        Mapping(_MAPPED, end, "r-xp", FileOffset(0), "00:01", 1, "/usr/lib/liballoc.so"),
        Mapping(
            end, Address(end + 4096), "rw-p", FileOffset(0), "00:01", 1, "/usr/lib/liballoc.so"
        ),
    )
    module = Module(("00:01", 1, "/usr/lib/liballoc.so"), parts, fd, "")
    process = Process(Pid(1 << 22), -1, 0, "prog", "/usr/bin/prog")
    with _AsTheFile(data) as live:
        _check(plan(process, [module], live), module)


def _check(made: Plan, module: Module) -> None:
    all_printable(describe(made), "a plan")
    all_printable(made.notes, "a note")
    for probe in made.probes:
        if not module.address_of(probe.offset):
            raise Finding(f"a probe at {probe.offset:#x}, which is not mapped to run")
    made.code_ranges()
    made.libraries()


def _plan_seeds() -> Iterator[bytes]:
    push = bytes.fromhex("55 5d c3").ljust(16, b"\x90")
    test = bytes.fromhex("4885ff 74 0b 55 5d c3").ljust(16, b"\x90")
    for form in (Form(), Form(183)):
        for family in islice(FAMILIES, 3):
            names = list(dict.fromkeys((*family.markers, "malloc", "free", "realloc", "_Znwm")))
            yield _library([name.encode() for name in names], push + test * 3, form)
    yield _library([b"malloc", b"free", b"mmap", b"munmap", b"__libc_start_main"], test * 8, Form())
    yield _library([b"je_malloc", b"je_mallocx", b"je_free", b"je_calloc"], push * 8, Form())
    yield _library([b"malloc", b"free"], push * 4, Form(), kind=_IFUNC)
    yield _library([b"malloc", b"__cxa_throw", b"free"], push * 4, Form())


def _library(names: list[bytes], code: bytes, form: Form, kind: int = 2) -> bytes:
    def sections(text: int) -> list[Section]:
        placed = [(name, text + 16 * n, 16) for n, name in enumerate(names)]
        entries, strings = elves.symbols(placed, form, kind=kind)
        slots = [BASE + 0x10 * n for n in range(2)]
        relocations = b"".join(
            at.to_bytes(8, "little") + info.to_bytes(8, "little") + bytes(8)
            for at, info in zip(slots, (1 << 32 | 6, 37), strict=True)
        )
        return [
            Section(b".text", code),
            Section(b".dynstr", strings, STRTAB),
            Section(b".dynsym", entries, DYNSYM, b".dynstr"),
            Section(b".rela.dyn", relocations, RELA, b".dynsym"),
            Section(b".dynamic", bytes(16), DYNAMIC),
            Section(b".interp", b"/ld.so\0"),
        ]

    first = elves.elf(sections(0), form)
    return elves.elf(sections(elves.address_of(first, b".text")), form)


PLAN = Target(
    "plan",
    "symbols, relocations and slots by which probes are planned, of any file that is mapped",
    _plan_attempt,
    _plan_seeds,
    (CannotAttach,),
    elves.parts,
    words=(b"malloc\0", b"free\0", b"_ZdlPv\0", b"__gxx_personality_v0\0", b"runtime.mallocgc\0"),
    limits=Limits(seconds=2.0),
)

TARGETS = (CODE, PLAN)
