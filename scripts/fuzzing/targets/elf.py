"""ELF files: of what is mapped, of their debug files, of what is given to --symbols-from."""

import lzma
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath

from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.probes.go import is_go
from ebpftrace.symbols.debug_search import identified
from ebpftrace.symbols.demangling import demangled
from ebpftrace.symbols.locations import MOST_NAME
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.code_names import looked_for
from ebpftrace.target.debug_files import debug_files, linked_checksum, supplementary_link
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.minidebug import mini_debug_image
from ebpftrace.target.plt import plt_entries
from scripts.fuzzing import elves
from scripts.fuzzing.elves import BASE, DYNAMIC, DYNSYM, NOTE, RELA, STRTAB, SYMTAB, Form, Section
from scripts.fuzzing.files import memory_file
from scripts.fuzzing.shown import all_printable, printable
from scripts.fuzzing.target import Finding, Limits, Part, Target

_MOST_ASKED = 64
_ADDRESSES = (0, 1, BASE, BASE + 0x100, BASE + 0x1000, (1 << 47) - 1, (1 << 64) - 1)
_NAMES = [(b"malloc", 0x40, 16), (b"free@@GLIBC_2.2.5", 0x50, 0), (b"_ZN3Foo3barEv", 0x60, 8)]


def _attempt(data: bytes) -> None:
    fd = memory_file().fill(data)
    image = ElfImage.open(fd)
    printable(image.build_id, "a build id", 128)
    _ask_about_places(image)
    _ask_about_names(image)
    _look_for_debug_files(image)
    identified(fd, "name")
    table = SymbolTable(image)
    for address in (*_ADDRESSES, *islice(table._values, _MOST_ASKED)):
        named = table.called_from(ImageAddress(address))
        if named is not None:
            printable(demangled(named.name), "a name", MOST_NAME)
    for entry in islice(plt_entries(image), 1 << 10):
        image.file_offset(entry.value)


def _ask_about_places(image: ElfImage) -> None:
    for at in (*_ADDRESSES, image.entry, *(one.vaddr for one in image.segments[:_MOST_ASKED])):
        offset = image.file_offset(ImageAddress(at))
        if offset is not None:
            image.image_address(offset)
            image.read(offset, 64)
        if image.room(ImageAddress(at)) > 0 and offset is None:
            raise Finding(f"there is room at {at:#x}, which is nowhere in the file")
    for part in image.sections[:_MOST_ASKED]:
        if len(image.read(FileOffset(part.offset), part.size)) > part.size:
            raise Finding("more is read than a section has")


def _ask_about_names(image: ElfImage) -> None:
    for symbol in islice(image.symbols(), _MOST_ASKED):
        printable(symbol.name, "a symbol", 4 * MOST_NAME)
    image.symbols(("malloc", "free"))
    image.variable("_r_debug")
    image.starts_between(ImageAddress(0), ImageAddress((1 << 64) - 1))
    all_printable(image.names_with(b"a", 8), "a name")
    image.name_beginnings(b"oc", 8)
    image.needed()
    image.soname()
    is_go(image)


def _look_for_debug_files(image: ElfImage) -> None:
    """The names that a file gives choose files in its process's own tree, and no other path there."""
    asked: list[str] = []

    def opener(path: str) -> int:
        asked.append(path)
        raise FileNotFoundError(path)

    debug_files(image, "/opt/bin/one (deleted)", opener)
    for path in asked:
        place = PurePosixPath(path)
        if place.parent.name not in {"bin", ".debug"} and ".build-id" not in place.parts:
            raise Finding(f"{path!a} is looked for")
    printable(looked_for(image), "where debug files are looked for")
    linked_checksum(image)
    supplementary_link(image)


def _sections(form: Form) -> list[Section]:
    entries, strings = elves.symbols([(n, BASE + at, size) for n, at, size in _NAMES], form)
    number = struct.Struct(form.order + ("qQ" if form.bits == 64 else "iI"))
    dynamic = b"".join(number.pack(*row) for row in ((1, 1), (14, 1), (5, BASE), (10, 64), (0, 0)))
    jump = bytes.fromhex("ff25 10000000 6690".replace(" ", ""))
    relocation = struct.pack(form.order + "QQq", BASE + 0x200, 1 << 32 | 7, 0)
    return [
        Section(b".text", bytes.fromhex("554889e5c3") * 8),
        Section(b".note.gnu.build-id", elves.note(b"\xab\xcd\xef\x01", form.order), NOTE),
        Section(b".dynstr", strings, STRTAB),
        Section(b".dynsym", entries, DYNSYM, b".dynstr"),
        Section(b".symtab", entries, SYMTAB, b".dynstr", 0),
        Section(b".dynamic", dynamic, DYNAMIC),
        Section(b".interp", b"/lib/ld.so\0"),
        Section(b".plt", jump * 4),
        Section(b".rela.plt", relocation, RELA, b".dynsym"),
        Section(b".gnu_debuglink", b"one.debug\0\0\0\1\2\3\4", flags=0),
        Section(b".gnu_debugaltlink", b"../common.dwz\0" + bytes(range(20)), flags=0),
    ]


def _seeds() -> Iterator[bytes]:
    for form in (Form(), Form(183), Form(bits=32, machine=3), Form(order=">"), Form(kind=2)):
        yield elves.elf(_sections(form), form)
    yield elves.elf([])


ELF = Target(
    "elf",
    "ELF headers, sections, symbols, notes, PLT and links to debug files, of any file that is mapped",
    _attempt,
    _seeds,
    (BadElf,),
    elves.parts,
    words=(b"\x7fELF", b"GNU\0", b"malloc\0", b"../", b".debug", b"\x1b[31m", b"\xff" * 8),
    most_bytes=8192,
)


def _packed_attempt(data: bytes) -> None:
    image = ElfImage.open(memory_file().fill(data))
    with mini_debug_image(image) as inner:
        if inner is not None:
            all_printable((one.name for one in islice(inner.symbols(), _MOST_ASKED)), "a symbol")
    SymbolTable(image)


def _with_packed(packed: bytes) -> bytes:
    return elves.elf([Section(b".text", b"\xc3"), Section(b".gnu_debugdata", packed, flags=0)])


def _packed_parts(content: bytes) -> list[Part]:
    """The file inside, which is packed again, the packed one, and those of the outer file."""
    found = elves.parts(content)
    packed = next((one for one in found if one.content.startswith(b"\xfd7zXZ")), None)
    if packed is None:
        return found
    inner = lzma.LZMADecompressor().decompress(packed.content, 1 << 16)
    within = Part(inner, lambda changed: _with_packed(_xz(changed)), elves.parts)
    return [*found, *[within] * len(found)]


def _xz(content: bytes) -> bytes:
    return lzma.compress(content, lzma.FORMAT_XZ, preset=0)


def _packed_seeds() -> Iterator[bytes]:
    entries, strings = elves.symbols([(b"hidden", BASE + 0x40, 8)])
    inner = elves.elf(
        [Section(b".strtab", strings, STRTAB), Section(b".symtab", entries, SYMTAB, b".strtab", 0)]
    )
    yield _with_packed(_xz(inner))
    yield _with_packed(_xz(bytes(1 << 20)))
    yield _with_packed(lzma.compress(inner, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=9))


MINIDEBUG = Target(
    "minidebug",
    "symbols packed with xz in a stripped file (.gnu_debugdata)",
    _packed_attempt,
    _packed_seeds,
    (BadElf,),
    _packed_parts,
    words=(b"\xfd7zXZ\0", b"YZ"),
    most_bytes=4096,
    limits=Limits(seconds=2.0, memory=256 << 20),
)

TARGETS = (ELF, MINIDEBUG)
