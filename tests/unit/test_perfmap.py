import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.symbols import perfmap
from ebpftrace.symbols.jitcode import MOST_LINE
from ebpftrace.symbols.locations import MOST_NAME
from ebpftrace.symbols.perfmap import PerfMap
from ebpftrace.target.process import Process
from ebpftrace.target.root import TargetRoot
from tests.unit.children import talking
from tests.unit.space_builders import Clock

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")

OTHER = 54321


class Written:
    """A perf map in a folder that stands for the root directory of process 7."""

    def __init__(self, folder: Path) -> None:
        (folder / "tmp").mkdir()
        self.file = folder / "tmp/perf-7.map"
        self.clock = Clock()
        self.owners = {os.geteuid()}
        self.root = TargetRoot(os.open(folder, os.O_PATH | os.O_DIRECTORY))
        self.since = 0.0
        self.map = self.open()

    def open(self) -> PerfMap:
        return PerfMap(self.root, 7, lambda: self.owners, self.clock, since=self.since)

    def write(self, text: str | bytes, mode: str = "wb") -> None:
        with self.file.open(mode) as file:
            file.write(text.encode() if isinstance(text, str) else text)
        self.file.chmod(0o644)

    def append(self, text: str | bytes) -> None:
        self.write(text, "ab")

    def refresh(self) -> bool:
        """A second later."""
        self.clock.now += 1
        return self.map.refresh()


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    written = Written(tmp_path)
    yield written
    written.map.close()
    written.root.close()


def test_names_are_those_of_the_file_as_last_read(written):
    assert not written.refresh()
    assert written.map.find(0x1000) is None
    written.write("1000 10 LazyCompile:~f /a.js:1\n")
    assert written.refresh()
    assert written.map.find(0x1008) == "LazyCompile:~f /a.js:1"
    assert written.map.generation == 1
    assert not written.refresh()
    assert written.map.generation == 1


def test_names_are_clean_demangled_and_clipped(written):
    long = "x" * (MOST_LINE - 20)
    written.write(b"10 10 _ZN3Foo3barEv\n20 10 a\x1b[31m\xff\n30 10 " + long.encode() + b"\n")
    written.refresh()
    assert [written.map.find(at) for at in (0x10, 0x20)] == ["Foo::bar()", "a·[31m·"]
    name = written.map.find(0x30)
    assert name
    assert len(name) <= MOST_NAME


def test_the_file_is_looked_at_once_a_second(written):
    assert not written.refresh()
    written.write("1000 10 f\n")
    written.clock.now += 0.9
    assert not written.map.refresh()
    written.clock.now += 0.1
    assert written.map.refresh()


def test_of_a_file_that_grew_only_the_rest_is_read(written, monkeypatch):
    written.write("1000 10 first\n")
    assert written.refresh()
    reads = []
    read = os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        reads.append((offset, size))
        return read(fd, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    written.append("2000 10 second\n")
    assert written.refresh()
    assert reads == [(0, 14), (14, 15)]  # what stood before, and what is new
    assert (written.map.find(0x1000), written.map.find(0x2000)) == ("first", "second")


def test_a_line_that_is_being_written_is_read_when_it_is_whole(written):
    written.write("1000 10 first\n2000 10 sec")
    assert written.refresh()
    assert written.map.find(0x2000) is None
    written.append("ond\n")
    assert written.refresh()
    assert written.map.find(0x2000) == "second"


def test_a_line_without_an_end_is_passed_over_and_not_read_again(written):
    written.write(b"1000 10 first\n" + b"2000 10 " + b"x" * 10_000)
    assert written.refresh()
    written.append(b"x" * 10_000)
    assert not written.refresh()
    written.append("2000 10 amid\n3000 10 third\n")
    assert written.refresh()
    assert [written.map.find(at) for at in (0x1000, 0x2000, 0x3000)] == ["first", None, "third"]


@pytest.mark.parametrize("text", ["2000 10 other\n", "2000 10 b\n", "2000 10 longer than before\n"])
def test_a_file_written_anew_loses_its_old_names(written, text):
    written.write("1000 10 f\n")
    written.refresh()
    written.write(text)
    os.utime(written.file, ns=(1, time.time_ns() + 10**9))
    assert written.refresh()
    assert written.map.find(0x1000) is None
    assert written.map.find(0x2000)


def test_a_file_put_in_the_place_of_another_is_read(written):
    written.write("1000 10 f\n")
    written.refresh()
    other = written.file.with_suffix(".new")
    other.write_text("2000 10 g\n")
    other.rename(written.file)
    assert written.refresh()
    assert (written.map.find(0x1000), written.map.find(0x2000)) == (None, "g")


def test_a_deleted_file_is_read_on_through_its_descriptor(written):
    written.write("1000 10 f\n")
    written.refresh()
    with written.file.open("a") as file:
        written.file.unlink()
        file.write("2000 10 g\n")
    assert written.refresh()
    assert (written.map.find(0x1000), written.map.find(0x2000)) == ("f", "g")


@pytest.mark.parametrize("how", ["writable", "linked", "hard link", "fifo", "folder", "old"])
def test_a_file_that_cannot_be_believed_is_not_read(written, how):
    written.write("1000 10 f\n")
    aside = written.file.with_suffix(".aside")
    if how == "writable":
        written.file.chmod(0o646)
    elif how == "hard link":
        aside.hardlink_to(written.file)
    elif how == "old":
        os.utime(written.file, (1000, 1000))
        written.since = 1001
        written.map = written.open()
    else:
        written.file.rename(aside)
        make = {
            "linked": lambda path: path.symlink_to(aside),
            "fifo": os.mkfifo,
            "folder": os.mkdir,
        }
        make[how](written.file)
    before = len(os.listdir("/proc/self/fd"))
    assert not written.refresh()
    assert written.map.find(0x1000) is None
    assert len(os.listdir("/proc/self/fd")) == before


@as_root
@pytest.mark.parametrize("owner, believed", [(OTHER, True), (0, True), (OTHER + 1, False)])
def test_the_file_must_belong_to_root_or_to_the_target(written, owner, believed):
    written.owners = {OTHER}
    written.write("1000 10 f\n")
    os.chown(written.file, owner, owner)
    assert written.refresh() is believed


@as_root
def test_an_owner_that_the_target_had_is_known_after_its_end(written):
    written.owners = {OTHER}
    written.refresh()
    written.owners = set()
    written.write("1000 10 f\n")
    os.chown(written.file, OTHER, OTHER)
    assert written.refresh()


def test_no_more_than_the_most_bytes_are_read(written, monkeypatch):
    monkeypatch.setattr(perfmap, "MOST_BYTES", 30)
    written.write("1000 10 first\n2000 10 second\n3000 10 third\n")
    assert written.refresh()
    assert (written.map.find(0x2000), written.map.find(0x3000)) == ("second", None)
    written.append("4000 10 fourth\n")
    assert not written.refresh()


def test_a_file_system_that_hangs_is_left_alone(written, monkeypatch):
    monkeypatch.setattr(perfmap, "_HANGS_SECONDS", 0.05)
    let_go = threading.Event()
    asked = []

    def hangs(*_: object, **__: object) -> int:
        asked.append(1)
        let_go.wait(10)
        raise OSError

    monkeypatch.setattr(TargetRoot, "open_file", hangs)
    assert not written.refresh()
    assert not written.refresh()
    assert len(asked) == 1
    let_go.set()


def test_closing_lets_the_file_go_and_keeps_the_names(written):
    written.write("1000 10 f\n")
    written.refresh()
    before = len(os.listdir("/proc/self/fd"))
    written.map.close()
    written.map.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    written.append("2000 10 g\n")
    assert not written.refresh()
    assert written.map.find(0x1000) == "f"


def test_a_program_that_was_replaced_keeps_its_names(written):
    written.write("1000 10 f\n")
    written.refresh()
    written.map.freeze()
    written.write("1000 10 another program's\n")
    assert not written.refresh()
    assert written.map.find(0x1000) == "f"


CHILD = """
import os, sys
path = f"/tmp/perf-{os.getpid()}.map"
file = open(path, "w")
try:
    print("7f0000001000 10 py::first", file=file, flush=True)
    print(flush=True)
    sys.stdin.readline()
    print("7f0000002000 10 py::second", file=file, flush=True)
    print(flush=True)
    sys.stdin.readline()
finally:
    os.unlink(path)
"""


def test_the_map_of_a_real_process_is_found_and_outlives_it():
    with talking(CHILD) as child:
        child.line()
        with Process.open(child.pid) as process:
            root = TargetRoot.open(process)
            assert root
            found = PerfMap.of(process, root)
            assert found.refresh()
            assert found.find(0x7F0000001004) == "py::first"
            child.go_on()
            child.line()
            child.go_on()
            child.wait()
            found._next = 0.0
            assert found.refresh()
            assert found.find(0x7F0000002004) == "py::second"
            found.close()
            root.close()
