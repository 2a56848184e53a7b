"""The file of a mapping, found in other ways where map_files is refused."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ebpftrace.model.ids import Pid
from ebpftrace.target import map_files
from ebpftrace.target.maps import Mapping
from ebpftrace.target.process import Process
from ebpftrace.target.regular import open_regular
from tests.unit.children import talking


@pytest.fixture(autouse=True)
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: str) -> int:
        if "/map_files/" in path:
            raise PermissionError(13, "Permission denied")
        return open_regular(path)

    monkeypatch.setattr(map_files, "open_regular", opened)


MAPS_IT = """
import mmap
with open({!r}, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
    print("ready", flush=True)
    input()
"""


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    path = tmp_path / "mapped"
    path.write_bytes(b"its own content")
    return path


@pytest.fixture
def process(mapped: Path) -> Iterator[Process]:
    """One that has `mapped` mapped."""
    with talking(MAPS_IT.format(str(mapped))) as child:
        assert child.line() == "ready\n"
        with Process.open(Pid(child.pid)) as opened:
            yield opened


def part_of(process: Process, path: Path | str) -> Mapping:
    return next(found for found in process.maps() if found.path == str(path))


def test_a_mapped_file_is_opened_by_its_path(process: Process, mapped: Path):
    with os.fdopen(map_files.open_mapped(process, part_of(process, mapped)), "rb") as file:
        assert file.read() == b"its own content"


def test_another_file_at_the_path_is_not_taken_for_it(process: Process, mapped: Path):
    part = part_of(process, mapped)
    before = os.listdir("/proc/self/fd")
    for other in (replace(part, inode=part.inode + 1), replace(part, device="ff:ff")):
        with pytest.raises(PermissionError):
            map_files.open_mapped(process, other)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_is_deleted_is_not_looked_for_by_its_name(process: Process, mapped: Path):
    mapped.unlink()
    deleted = Path(f"{mapped} (deleted)")
    deleted.write_bytes(b"not it")
    with pytest.raises(PermissionError):
        map_files.open_mapped(process, part_of(process, deleted))


def test_the_running_program_is_opened_without_its_path(process: Process):
    exe = os.readlink(f"/proc/{process.pid}/exe")
    part = replace(part_of(process, exe), path=exe)
    fd = map_files.open_mapped(process, part)
    assert os.path.samestat(os.fstat(fd), os.stat(f"/proc/{process.pid}/exe"))
    os.close(fd)
