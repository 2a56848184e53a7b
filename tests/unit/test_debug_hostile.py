import contextlib
import os
import random
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.symbols.locations import MOST_NAME
from ebpftrace.symbols.resolver import child, client
from ebpftrace.symbols.resolver.client import ModuleFailed
from ebpftrace.target.elf import ElfImage
from tests.unit.debug_builders import (
    CHAIN,
    ODD,
    TAIL,
    Asking,
    asking,
    at,
    build,
    public_folder,
    run,
    stripped,
    written,
)

UNPACKED = 700 << 20
SECTIONS = [
    b".debug_info",
    b".debug_abbrev",
    b".debug_line",
    b".debug_str",
    b".debug_line_str",
    b".debug_rnglists",
    b".debug_aranges",
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("hostile") / "program", "-g")


@pytest.fixture(scope="module")
def address(program: Path) -> int:
    return at(program, *TAIL)


@pytest.fixture
def ask() -> Iterator[Asking]:
    """A process for each test: what one has taken shows in no other."""
    with asking() as one:
        yield one


@pytest.fixture
def good(ask: Asking, program: Path, address: int):
    """Says that the next module still gets its lines."""
    yield
    assert ask.chain(program, address) == CHAIN


class Variants:
    """Asks for one address of many versions of a file; what is told is within its limits."""

    def __init__(self, ask: Asking, path: Path, address: int) -> None:
        self._ask, self._path, self._address = ask, path, address
        self.asked = self.failed = self.told = 0

    def try_one(self, content: bytes) -> None:
        self._path.write_bytes(content)
        self.asked += 1
        try:
            places = self._ask.places(self._path, self._address)
        except ModuleFailed:
            self.failed += 1
            return
        self.told += bool(places)
        for place in places or ():
            assert all(text is None or len(text) <= MOST_NAME for text in place[:3])


def section(path: Path, name: bytes) -> tuple[int, int]:
    with path.open("rb") as file:
        found = ElfImage.open(file.fileno()).section(name)
    assert found is not None
    return found.offset, found.size


def test_files_cut_short_anywhere_fail_alone(ask, good, program, address, tmp_path):
    content = program.read_bytes()
    rng = random.Random(1)
    lengths = [0, 1, 4, 15, 16, 63, 64, 65, len(content) - 1]
    lengths += [rng.randrange(len(content)) for _ in range(60)]
    variants = Variants(ask, tmp_path / "cut", address)
    for length in lengths:
        variants.try_one(content[:length])
    assert variants.asked == len(lengths)
    assert len(ask.pids) <= 2, "a cut file has killed the process"


def test_random_bytes_in_debug_information_cost_one_file_each(
    ask, good, program, address, tmp_path
):
    content = program.read_bytes()
    variants = Variants(ask, tmp_path / "flipped", address)
    began = time.monotonic()
    for seed in range(280):
        rng = random.Random(seed)
        start, size = section(program, SECTIONS[seed % len(SECTIONS)])
        flipped = bytearray(content)
        for _ in range(rng.choice((1, 4, 32))):
            flipped[start + rng.randrange(size)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, seed & 255))
        variants.try_one(bytes(flipped))
    assert variants.told > 100, "else nothing was tried"
    assert len(ask.pids) <= 40
    assert time.monotonic() - began < 60


def test_headers_that_lie_fail_alone(ask, good, program, address, tmp_path):
    content = program.read_bytes()
    variants = Variants(ask, tmp_path / "lying", address)
    # e_shoff, e_phentsize to e_shstrndx (gABI figure 4-3), then every field of the section headers.
    for offset, width in [(0x28, 8), (0x20, 8), *((n, 2) for n in range(0x34, 0x40, 2))]:
        for value in (0, 1, (1 << 8 * width) - 1):
            field = value.to_bytes(width, "little")
            variants.try_one(content[:offset] + field + content[offset + width :])
    (headers,) = struct.unpack_from("<Q", content, 0x28)
    count, *_ = struct.unpack_from("<H", content, 0x3C)
    rng = random.Random(3)
    for _ in range(40):
        # sh_offset, sh_size, sh_link, sh_flags of a random one: 0x18, 0x20, 0x28, 8.
        where = headers + 64 * rng.randrange(count) + rng.choice((0x18, 0x20, 0x28, 8))
        field = rng.choice((0, 0x800, 1 << 40, (1 << 64) - 1)).to_bytes(8, "little")
        variants.try_one(content[:where] + field + content[where + 8 :])
    assert len(ask.pids) <= 10


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"no ELF file at all" * 100])
def test_what_is_no_elf_file_has_no_lines(ask, good, tmp_path, content, address):
    path = tmp_path / "file"
    path.write_bytes(content)
    with contextlib.suppress(ModuleFailed):
        assert ask.places(path, address) is None


def test_a_sparse_file_of_ten_gigabytes_takes_neither_time_nor_memory(
    ask, good, program, address, tmp_path
):
    path = tmp_path / "sparse"
    path.write_bytes(program.read_bytes())
    os.truncate(path, 10 << 30)
    began = time.monotonic()
    with contextlib.suppress(ModuleFailed):
        assert ask.chain(path, address) in (CHAIN, None)
    assert time.monotonic() - began < 5
    assert peak(ask) < 150 << 20


def peak(ask: Asking) -> int:
    """The most resident memory so far of the process that runs now; 0 where none does."""
    pid = ask.resolver.pid
    if pid is None:
        return 0
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def bomb(program: Path, path: Path, claimed: int, content: bytes) -> Path:
    """`program` with a .debug_info that claims to unpack to `claimed` bytes."""
    # Elf64_Chdr: ch_type ELFCOMPRESS_ZLIB, ch_reserved, ch_size, ch_addralign.
    packed = path.with_suffix(".section")
    packed.write_bytes(struct.pack("<IIQQ", 1, 0, claimed, 1) + content)
    run("objcopy", "--update-section", f".debug_info={packed}", program, path)
    made = bytearray(path.read_bytes())
    (headers,) = struct.unpack_from("<Q", made, 0x28)
    start, _ = section(path, b".debug_info")
    (count,) = struct.unpack_from("<H", made, 0x3C)
    for header in range(headers, headers + 64 * count, 64):
        if struct.unpack_from("<Q", made, header + 0x18)[0] == start and made[header + 4] == 1:
            struct.pack_into("<Q", made, header + 8, 0x800)  # SHF_COMPRESSED
    path.write_bytes(made)
    return path


@pytest.fixture(scope="module")
def zeros() -> bytes:
    """`UNPACKED` zeros, as zlib packs them."""
    packer = zlib.compressobj(1)
    piece = bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(UNPACKED >> 20)) + packer.flush()


@pytest.mark.parametrize("claimed", [UNPACKED, 1 << 32, 1 << 62, 1 << 16])
def test_a_section_that_unpacks_to_gigabytes_meets_the_limit(
    ask, good, program, address, tmp_path, claimed, zeros
):
    path = bomb(program, tmp_path / "bomb", claimed, zeros)
    most = watched(ask, path, address)
    assert most < 330 << 20


def watched(ask: Asking, path: Path, address: int) -> int:
    """Ask, whatever comes of it: the most memory that was seen meanwhile."""
    seen = [0]
    memory = child.Child.memory_bytes

    def noted(self, field="VmRSS"):
        seen.append(memory(self, "VmHWM"))
        return memory(self, field)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child.Child, "memory_bytes", noted)
        patch.setattr(child, "_WATCH_MS", 5)
        with contextlib.suppress(ModuleFailed):
            assert not ask.chain(path, address)
    return max(*seen, peak(ask))


def test_a_sparse_bomb_may_not_hold_as_much_as_its_file_is_large(
    ask, good, program, address, tmp_path, monkeypatch, zeros
):
    monkeypatch.setattr(child, "_MOST_HELD", 150 << 20)
    path = bomb(program, tmp_path / "bomb", UNPACKED, zeros)
    os.truncate(path, 60 << 30)  # too large to be mapped, so that no mapping uses its limit up
    with pytest.raises(ModuleFailed, match=r"more than 150 MiB"):
        ask.places(path, address)


def test_a_name_of_100_kilobytes_is_cut(ask, good, tmp_path):
    name = "f" * 100_000
    source = written(
        tmp_path / "long.c",
        "#include <stdlib.h>\n"
        f"void *{name}(int n) {{ return malloc(n); }}\n"
        f"int main(int n, char **v) {{ return {name}(n) == 0; }}\n",
    )
    path = build(tmp_path / "long", "-g", source=source)
    ((linkage, plain, _, line, _),) = ask.places(path, at(path, "<fff", "jmp"))
    assert line == 2
    assert linkage == plain == name[:MOST_NAME]


def test_the_path_of_a_source_file_may_hold_anything(ask, good, tmp_path):
    source = written(tmp_path / "odd.c", ODD)
    path = build(tmp_path / "odd", "-g", source=source)
    ((_, _, file, line, _),) = ask.places(path, at(path, "<odd>", "jmp"))
    assert line == 7
    assert file is not None
    assert file.startswith("/tmp/a\x1b[31mb\nc")


def test_a_library_called_like_one_of_the_tool_s_own_is_read_and_never_run(ask, good):
    # libdw is looked for among what is mapped: of a target's files, too, that are being read.
    with public_folder() as folder:
        source = written(
            folder / "library.cpp",
            "#include <unistd.h>\n"
            "__attribute__((constructor)) static void taken() { _exit(7); }\n"
            "int answer(int n) { return n * getpid(); }\n",
        )
        path = build(folder / "libdw-1.so", "-g", "-shared", "-fPIC", source=source)
        ((linkage, _, _, line, _),) = ask.places(path, at(path, "answer", "ret"))
    assert (linkage, line) == ("_Z6answeri", 3)


def test_a_path_may_be_any_bytes(ask, good, program, address):
    with public_folder() as folder:
        odd = Path(os.fsdecode(os.fsencode(folder) + b"/a\xff\x85libdw\xc2\x85b"))
        odd.mkdir(0o755)
        path = odd / "program"
        path.write_bytes(program.read_bytes())
        assert ask.chain(path, address) == CHAIN


def test_a_fifo_in_the_place_of_the_debug_file_costs_the_time_limit(
    ask, good, address, monkeypatch
):
    monkeypatch.setattr(client, "_OPEN_S", 0.5)
    with public_folder() as folder:
        path = build(folder / "program", "-g")
        stripped(path, folder / "program.debug")
        (folder / "program.debug").unlink()
        os.mkfifo(folder / "program.debug", 0o644)
        began = time.monotonic()
        with contextlib.suppress(ModuleFailed):
            assert ask.places(path, address) is None
        assert time.monotonic() - began < 2


def test_debug_information_that_takes_long_is_given_up(ask, program, address, monkeypatch):
    assert ask.chain(program, address) == CHAIN
    (pid,) = ask.pids
    monkeypatch.setattr(client, "_FIND_S", 0.001)
    with pytest.raises(ModuleFailed, match="longer than 0 s"):
        ask.find([address] * 50_000)
    assert ask.resolver.pid is None
    assert not Path(f"/proc/{pid}").exists()
    monkeypatch.undo()
    assert ask.chain(program, address) == CHAIN
