import contextlib
import errno
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="reads another user's process as root")

# The main thread ends by pthread_exit; the other one says its thread id and sleeps on.
DEAD_LEADER = """
import ctypes, threading, time
def live():
    time.sleep(0.1)
    print(threading.get_native_id(), flush=True)
    time.sleep(600)
threading.Thread(target=live).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def program_of_32_bits() -> bytes:
    """pause() for ever."""
    code = bytes.fromhex("b81d000000cd80ebf7")  # mov $29, %eax; int $0x80; jmp to the start
    # EI_CLASS 1: 32 bits, little endian; then ET_EXEC, EM_386, version, e_entry, e_phoff, e_shoff,
    # e_flags, e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    # Fields: PT_LOAD, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags (read, execute), p_align
    program = struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 93, 93, 5, 4096)
    return ident + header + program + code


@contextlib.contextmanager
def child(
    code: str = "print(flush=True); import time; time.sleep(600)",
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Python process that runs `code`, and the first line it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_process_is_known_by_name_start_and_executable():
    with child() as (target, _), Process.open(target.pid) as process:
        assert process.pid == target.pid
        assert process.comm.startswith("python")
        assert Path(process.exe).name.startswith("python")
        assert process.start_time > 0
        assert not process.ended()
        process.check()
        assert process.threads() == [target.pid]
        assert (process.rss_bytes() or 0) > 1 << 20
        assert process.namespaces()["pid"] == Path("/proc/self/ns/pid").stat().st_ino
        assert any(mapping.path == "[stack]" for mapping in process.maps())


def test_a_process_that_ended_says_so_everywhere():
    with child() as (target, _), Process.open(target.pid) as process:
        target.kill()
        target.wait()
        assert process.ended()
        assert process.threads() == []
        assert process.rss_bytes() is None
        for ask in (process.check, process.anchor, process.maps, process.namespaces):
            with pytest.raises(TargetGone, match="has ended"):
                ask()


def test_closing_twice_does_nothing():
    with child() as (target, _):
        process = Process.open(target.pid)
        process.close()
        process.close()
        assert process.ended()


@pytest.mark.parametrize("pid", [0, -5, 1 << 22, 1 << 40])
def test_a_number_that_is_no_process_is_gone(pid):
    with pytest.raises(TargetGone, match="There is no process"):
        Process.open(pid)


def test_a_zombie_is_gone():
    with child() as (target, _):
        os.kill(target.pid, 9)
        wait_until(lambda: b") Z " in Path(f"/proc/{target.pid}/stat").read_bytes())
        with pytest.raises(TargetGone, match="waits for its parent"):
            Process.open(target.pid)


def test_ourselves_are_refused():
    with pytest.raises(CannotAttach, match="trace itself"):
        Process.open(os.getpid())


def test_a_thread_is_refused_with_the_pid_to_use():
    stop, started, ids = threading.Event(), threading.Event(), []

    def live() -> None:
        ids.append(threading.get_native_id())
        started.set()
        stop.wait()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        started.wait()
        with pytest.raises(CannotAttach, match=f"use -p {os.getpid()}"):
            Process.open(ids[0])
    finally:
        stop.set()
        thread.join()


def test_a_kernel_thread_is_refused():
    with pytest.raises(CannotAttach, match="thread of the kernel"):
        Process.open(2)  # kthreadd


def test_a_process_whose_main_thread_ended_lives_in_its_other_threads():
    with child(DEAD_LEADER) as (target, line):
        survivor = int(line)
        with Process.open(target.pid) as process:
            assert process.threads() == [survivor]
            assert process.anchor() == survivor
            assert not process.ended()
            process.check()
            assert Path(process.exe).name.startswith("python")
            assert len(process.maps()) > 10
            if os.geteuid() == 0:
                modules = open_modules(process)
                assert all(module.image for module in modules)
                for module in modules:
                    module.close()
            assert (process.rss_bytes() or 0) > 1 << 20
            target.kill()
            wait_until(process.ended)


def test_a_32_bit_program_is_refused(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(program_of_32_bits())
    path.chmod(0o700)
    try:
        target = subprocess.Popen([path])
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        pytest.skip("this kernel runs no 32-bit programs")
    with target:
        try:
            with pytest.raises(CannotAttach, match="32-bit program"):
                Process.open(target.pid)
        finally:
            target.kill()


def test_a_start_time_that_changed_is_another_process():
    with child() as (target, _), Process.open(target.pid) as process:
        process.start_time -= 1
        with pytest.raises(TargetGone):
            process.check()


@needs_root
def test_a_process_that_may_not_be_read_names_the_remedy():
    with child() as (target, _):
        code = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from ebpftrace.errors import CannotAttach
from ebpftrace.target.process import Process
os.setuid(65534)
try:
    Process.open({target.pid})
except CannotAttach as error:
    print(error)
"""
        said = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    assert "run ebpftrace as root" in said.stdout
