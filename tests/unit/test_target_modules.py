import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.model.ids import Address, FileOffset
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module, open_modules
from ebpftrace.target.process import Process

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="map_files needs CAP_SYS_ADMIN")
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"

# Maps the file named on each line of its input, executable, and answers with the address.
MAPPER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
print(flush=True)
for line in sys.stdin:
    fd = os.open(line.strip(), os.O_RDWR if line.startswith("/dev") else os.O_RDONLY)
    print(libc.mmap(None, 8192, 1 | 4, 2, fd, 4096), flush=True)
"""


class Mapper:
    """A child that maps what it is told to."""

    def __init__(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", MAPPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()
        self.process = Process.open(self.child.pid)

    def map(self, path: Path) -> Address:
        assert self.child.stdin
        self.child.stdin.write(f"{path}\n")
        self.child.stdin.flush()
        return Address(int(self._line()))

    def close(self) -> None:
        self.process.close()
        self.child.kill()
        self.child.communicate()

    def _line(self) -> str:
        assert self.child.stdout
        return self.child.stdout.readline()


@pytest.fixture
def mapper() -> Iterator[Mapper]:
    mapper = Mapper()
    yield mapper
    mapper.close()


def module_at(modules: tuple[Module, ...], address: Address) -> Module:
    return next(module for module in modules if module.offset_of(address) is not None)


def close(modules: tuple[Module, ...]) -> None:
    for module in modules:
        module.close()


def mapping(start=0x10000, size=0x2000, perms="r-xp", offset=0x1000) -> Mapping:
    return Mapping(
        Address(start), Address(start + size), perms, FileOffset(offset), "00:01", 5, "/x"
    )


def test_an_address_and_its_file_offset_convert_in_every_mapping():
    module = Module(
        ("00:01", 5, "/x"), (mapping(), mapping(0x90000), mapping(0x50000, perms="r--p")), -1, ""
    )
    assert module.address_of(FileOffset(0x1010)) == (0x10010, 0x90010)
    assert module.address_of(FileOffset(0x3000)) == ()
    assert module.offset_of(Address(0x90010)) == 0x1010
    assert module.offset_of(Address(0x12000)) is None


@needs_root
def test_the_executable_and_its_libraries_are_modules_in_address_order(mapper):
    modules = open_modules(mapper.process)
    try:
        paths = [module.path for module in modules]
        assert mapper.process.exe in paths
        libc = next(m for m in modules if "libc.so" in m.path)
        assert libc.image
        assert libc.build_id
        (malloc,) = libc.image.symbols({"malloc"})
        offset = libc.image.file_offset(malloc.value)
        assert offset is not None
        (address,) = libc.address_of(offset)
        assert libc.image_address_of(address) == malloc.value
        starts = [module.mappings[0].start for module in modules]
        assert starts == sorted(starts)
        assert not any(os.get_inheritable(module.fd) for module in modules)
    finally:
        close(modules)


@needs_root
def test_a_deleted_and_replaced_file_is_the_one_that_was_mapped(mapper, tmp_path):
    path = tmp_path / "lib\x1b[31m.so"
    shutil.copy(LIBC, path)
    inode = path.stat().st_ino
    address = mapper.map(path)
    path.rename(tmp_path / "gone")
    (tmp_path / "gone").unlink()
    path.write_bytes(b"another file by now")
    modules = open_modules(mapper.process)
    try:
        module = module_at(modules, address)
        assert module.path.endswith(" (deleted)")
        assert "\x1b" not in module.name
        assert Path(module.attach_path).stat().st_ino == inode
        assert module.image
    finally:
        close(modules)


@needs_root
def test_a_module_that_is_still_mapped_is_used_again_when_its_file_goes(mapper, tmp_path):
    path = tmp_path / "lib.so"
    shutil.copy(LIBC, path)
    address = mapper.map(path)
    before = open_modules(mapper.process)
    try:
        path.unlink()
        second = mapper.map(Path(LIBC))
        after = open_modules(mapper.process, before)
        assert module_at(after, address) is module_at(before, address)
        assert set(before) <= set(after)
        assert module_at(after, second).address_of(FileOffset(4096))[-1:]
    finally:
        close(before)


@needs_root
def test_a_mapped_device_is_kept_with_its_reason_and_never_opened(mapper):
    address = mapper.map(Path("/dev/zero"))
    modules = open_modules(mapper.process)
    try:
        # A private mapping of /dev/zero is anonymous memory on some kernels.
        found = [module for module in modules if module.offset_of(address) is not None]
        assert all(module.fd == -1 and "device" in module.why for module in found)
    finally:
        close(modules)


@needs_root
def test_a_mapped_file_that_is_not_elf_is_a_module_without_an_image(mapper, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(16384))
    address = mapper.map(path)
    modules = open_modules(mapper.process)
    try:
        module = module_at(modules, address)
        assert module.image is None
        assert "not an ELF file" in module.why
    finally:
        close(modules)


@needs_root
def test_open_files_outlive_the_process(mapper):
    modules = open_modules(mapper.process)
    try:
        mapper.child.kill()
        mapper.child.wait()
        libc = next(module for module in modules if "libc.so" in module.path)
        assert libc.image
        assert libc.image.symbols({"malloc"})
    finally:
        close(modules)


@needs_root
def test_a_closed_module_answers_and_reads_nothing(mapper):
    modules = open_modules(mapper.process)
    close(modules)
    close(modules)
    assert all(m.image is None and m.identity is None for m in modules)


# Maps a file readable right behind executable memory without a file, as a JIT compiler may have it.
BESIDE_CODE = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
code = libc.mmap(None, 8192, 1 | 4, 2 | 0x20, -1, 0)
libc.mmap(code + 4096, 4096, 1, 2 | 0x10, os.open(sys.argv[1], os.O_RDONLY), 0)
print(flush=True)
time.sleep(600)
"""


@needs_root
@pytest.mark.parametrize("content", [b"data" * 1024, b"", None], ids=["data", "zeros", "ELF"])
def test_a_file_beside_code_without_a_file_is_no_module_unless_its_own_code_would_be_there(
    tmp_path, content
):
    file = tmp_path / "file"
    if content is None:
        shutil.copy(LIBC, file)
    else:
        file.write_bytes(content.ljust(4096, b"\0"))
    command = [sys.executable, "-c", BESIDE_CODE, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout
            child.stdout.readline()
            before = len(os.listdir("/proc/self/fd"))
            with Process.open(child.pid) as process:
                modules = open_modules(process)
            assert str(file) not in {module.name for module in modules}
            for module in modules:
                module.close()
            assert len(os.listdir("/proc/self/fd")) == before
        finally:
            child.kill()
