"""Unwind tables of a mapped file, and stacks that are walked by them: a target has written both."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice

from ebpftrace.drain.stacks import Stack
from ebpftrace.kernel import layout
from ebpftrace.model.ids import Address, ImageAddress
from ebpftrace.session.unwinder import Miss
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.unwind.finish import Registers, finish
from ebpftrace.unwind.rules import End, Found, Rule
from ebpftrace.unwind.table import UnwindTable
from scripts.fuzzing import elves
from scripts.fuzzing.elves import Form, Section
from scripts.fuzzing.files import memory_file
from scripts.fuzzing.shown import printable
from scripts.fuzzing.target import Finding, Part, Target
from tests.unit import cfi_builder as cfi
from tests.unit.elf_builder import TEXT_ADDRESS

_MOST_ROWS = 512
_MOST_ASKED = 32
_ADDRESSES = (0, 1, TEXT_ADDRESS, TEXT_ADDRESS + 8, TEXT_ADDRESS + 64, (1 << 64) - 2)
_WHY = 200
_MACHINES = ("x86_64", "aarch64")


def _frames_attempt(data: bytes) -> None:
    image = ElfImage.open(memory_file().fill(data))
    table = UnwindTable(image)
    starts = []
    for stretch in islice(table.every_row(), _MOST_ROWS):
        starts.append(stretch.start)
        _check(stretch.found)
    for address in (*_ADDRESSES, *starts[:_MOST_ASKED], image.entry):
        _check(table.rule_at(ImageAddress(address & (1 << 64) - 1)))


def _check(found: Found) -> None:
    printable(found.why, "why there is no rule", _WHY)
    if Rule.unpack(found.rule.pack()) != found.rule:
        raise Finding(f"{found.rule} does not fit into the kernel's")


def _file(frames: cfi.Frames, *, header: bool = False, packed: bool = False) -> bytes:
    """Of the entries of `frames`, in the only section, or behind a header with a table."""
    entries, form = frames.entries(), Form(frames.machine)
    if frames.debug:
        flags = 0
        if packed:
            entries = struct.pack("<IIQQ", 1, 0, len(entries), 1) + zlib.compress(entries)
            flags = cfi.COMPRESSED
        return elves.elf([Section(b".debug_frame", entries, flags=flags)], form)
    # Entries count from where they are: the section has to be at TEXT_ADDRESS.
    size = 12 + 8 * len(frames.fdes)
    sections = [Section(b".eh_frame", entries)]
    if header:
        sections.append(Section(b".eh_frame_hdr", bytes(size)))
    probe = elves.elf(sections, form)
    at = elves.address_of(probe, b".eh_frame") - form.base
    form = Form(frames.machine, base=TEXT_ADDRESS - at)
    if header:
        header_at = TEXT_ADDRESS + len(entries) + -len(entries) % 8
        sections[1] = Section(b".eh_frame_hdr", _header(frames, header_at))
    return elves.elf(sections, form)


def _header(frames: cfi.Frames, address: int) -> bytes:
    places = frames._entries(0)[1]
    rows = sorted(
        (TEXT_ADDRESS + fde.start - address, TEXT_ADDRESS + place - address)
        for fde, place in zip(frames.fdes, places, strict=True)
    )
    head = bytes([1, cfi.PC_REL_SDATA4, 0x03, 0x3B])
    head += struct.pack("<iI", TEXT_ADDRESS - address - 4, len(rows))
    return head + b"".join(struct.pack("<ii", *row) for row in rows)


def _frames_seeds() -> Iterator[bytes]:
    usual = cfi.Fde(
        cfi.advance(1) + cfi.cfa_offset(16) + cfi.saved(cfi.RBP, 2) + cfi.advance(3)
        + cfi.cfa(cfi.RBP, 16) + cfi.REMEMBER + b"\xc6" + cfi.RESTORE_ROW,
    )  # fmt: skip
    plt = cfi.Fde(
        cfi.cfa_expression(
            cfi.breg(cfi.RSP, 8), cfi.breg(cfi.RIP, 0), b"\x3f\x1a\x3b\x2a\x33\x24\x22"
        ),
        start=64,
    )
    drap = cfi.Fde(
        cfi.cfa_expression(cfi.breg(cfi.RBP, -8), b"\x06")
        + cfi.at_expression(cfi.RBP, cfi.breg(cfi.RBP, 0))
        + b"\x02\x04\x03\x08\x00\x04\x08\x00\x00\x00\x13\x7f\x05\x06\x02\x2e\x10",
        start=128,
    )
    three = (usual, plt, drap)
    yield _file(cfi.Frames(three), header=True)
    yield _file(cfi.Frames(three))
    yield _file(
        cfi.Frames(three, cfi.Cie(augmentation=b"zPLRS", augmentation_data=bytes(7) + b"\x1b"))
    )
    yield _file(cfi.aarch64(cfi.Fde(b"\x2d" + cfi.cfa_offset(32) + cfi.saved(29, 4))), header=True)
    yield _file(cfi.Frames(three, debug=True))
    yield _file(cfi.Frames(three, debug=True, wide=True), packed=True)
    yield _file(cfi.Frames(three, cfi.Cie(version=4), debug=True), packed=True)


def _frames_parts(data: bytes) -> list[Part]:
    """Mostly the tables, of a packed one what is in it."""
    tables: list[Part] = []
    for one in elves.parts(data):
        packed = one.content[24:26] == b"\x78\x9c"
        tables += [Part(*one[:2], _inflated if packed else None)] * (
            4 if len(one.content) > 20 else 1
        )
    return tables


def _inflated(section: bytes) -> list[Part]:
    """Behind the header of a compressed section."""
    inner = zlib.decompressobj().decompress(section[24:], 1 << 16)

    def put(changed: bytes) -> bytes:
        return struct.pack("<IIQQ", 1, 0, len(changed), 1) + zlib.compress(changed)

    return [Part(inner, put)]


FRAMES = Target(
    "frames",
    ".eh_frame, .eh_frame_hdr and .debug_frame of any file that is mapped",
    _frames_attempt,
    _frames_seeds,
    (BadElf,),
    _frames_parts,
    words=(b"\xff\xff\xff\xff", b"zPLRS\0", b"\x0b\x0a", b"\x80" * 9),
)


def _walk_attempt(data: bytes) -> None:
    """Some rules, then the bytes of a stack: an address leads to one of the rules by chance."""
    if len(data) < 16:
        return
    count = data[0] % 32 + 1
    rules = [
        Rule.unpack(int.from_bytes(data[at : at + 8], "little")) for at in range(16, 16 + 8 * count, 8)
        if at + 8 <= len(data)
    ]  # fmt: skip
    slice_ = data[16 + 8 * len(rules) :][: layout.SLICE_BYTES]
    pending = struct.unpack_from("<2Q", data.ljust(16, b"\0"))
    miss = Miss.of(_miss(slice_, data[1], pending))
    most = data[2] % 128
    for machine in _MACHINES:
        ended = finish(
            Registers(miss.pc, miss.sp, miss.fp),
            miss.word,
            lambda pc: _rule_of(rules, pc),
            most,
            machine,
        )
        if len(ended.pcs) > most:
            raise Finding(f"{len(ended.pcs)} frames, and there is room for {most}")
        Stack(0, b"", End.NO_RULE, guessed=False).continued(
            ended.pcs, End(ended.end), guessed=False
        )


def _rule_of(rules: Sequence[Rule], pc: Address) -> Rule | None:
    return rules[pc % len(rules)] if rules and pc % 7 else None


def _miss(slice_: bytes, marks: int, pending: tuple[int, ...]) -> bytes:
    sp = 0x7FFC00000000
    head = (layout.EVENT_MISS, marks, 0, 1, len(slice_), 0, 5)
    replaced = [sp + 8 * (pending[0] % 64), pending[1], *[0] * 6]
    return layout.MISS.pack(*head, 6, 0x401000, sp, sp + 64, *replaced) + slice_


def _walk_seeds() -> Iterator[bytes]:
    words = b"".join(struct.pack("<Q", 0x7FFC00000000 + 8 * n) for n in range(32))
    code = b"".join(struct.pack("<Q", 0x401000 + 16 * n) for n in range(32))
    for rule in (
        Rule(0x80, 16),
        Rule(0x81, 16, -16),
        Rule(0x20),
        Rule(0x82, 8, 0, 1),
        Rule(0x8C, 8, 8),
    ):
        packed = struct.pack("<Q", rule.pack())
        yield bytes([0, 3, 127]) + bytes(13) + packed + code
        yield bytes([1, 1, 127]) + bytes(13) + packed * 2 + words + code


WALK = Target(
    "walk",
    "the words of a stack, walked by the rules of a file",
    _walk_attempt,
    _walk_seeds,
    most_bytes=2048,
)

TARGETS = (FRAMES, WALK)
