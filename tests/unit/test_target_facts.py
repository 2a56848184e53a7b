"""What /proc says of a process, of real ones and of texts as hostile as they come."""

import os
from contextlib import contextmanager
from datetime import datetime, timezone

import pytest

from ebpftrace.model.ids import Address, FileOffset
from ebpftrace.model.snapshot import Limit, MappedRange
from ebpftrace.target import facts
from ebpftrace.target.ending import WaitStatus, wait_status
from ebpftrace.target.mapped import MOST_MAPPINGS, mapped_ranges
from ebpftrace.target.maps import Mapping
from ebpftrace.target.process import Process
from tests.unit.children import talking


@contextmanager
def running(then=""):
    """A Python that does `then` when it is told to go on, as a Process."""
    with talking(f"import os, sys; print(flush=True); input(); {then}") as child:
        child.line()
        with Process.open(child.pid) as process:
            yield process, child


@contextmanager
def saying(monkeypatch, text):
    """A process whose files hold `text`."""
    monkeypatch.setattr(facts, "read_bytes", lambda path, most: text[:most])
    with running() as (process, _):
        yield process


def test_a_process_says_how_it_was_started_by_whom_and_when(monkeypatch):
    monkeypatch.setenv("SECRET", "x\ny")
    before = datetime.now(timezone.utc)
    with running("done = 'a b'") as (process, _):
        assert facts.command_line(process)[-1].endswith("done = 'a b'")
        assert "SECRET=x·y" in (facts.environment(process) or ())
        status = facts.status(process)
        assert status is not None
        assert status.parent == os.getpid()
        assert status.users == (os.getuid(), os.geteuid(), os.getuid(), os.geteuid())
        assert abs((facts.started(process) - before).total_seconds()) < 5


def test_memory_is_in_bytes_by_the_kernel_s_names():
    with running() as (process, _):
        status, sums = facts.status(process), facts.rollup(process)
    assert status is not None
    assert status.memory["VmRSS"] > 1 << 20
    assert sums is None or abs(sums["Rss"] - status.memory["VmRSS"]) < 8 << 20


def test_limits_go_by_their_names_and_may_be_none():
    with running() as (process, _):
        found = facts.limits(process)
    assert {"Max open files", "Max address space", "Max core file size"} <= found.keys()
    assert all(limit.hard is None or limit.soft is not None for limit in found.values())


def test_a_limit_is_read_whatever_its_unit(monkeypatch):
    text = (
        b"Limit                     Soft Limit           Hard Limit           Units     \n"
        b"Max cpu time              unlimited            60                   seconds   \n"
        b"Max nice priority         0                    0                    \n"
        b"nonsense\n"
    )
    with saying(monkeypatch, text) as process:
        assert facts.limits(process) == {
            "Max cpu time": Limit(None, 60),
            "Max nice priority": Limit(0, 0),
        }


def test_of_a_process_that_has_ended_nothing_is_read():
    with running() as (process, child):
        child.kill()
        assert facts.command_line(process) == ()
        assert facts.environment(process) is None
        assert facts.status(process) is None
        assert facts.rollup(process) is None
        assert facts.limits(process) == {}


def test_a_long_command_line_is_cut_and_says_so(monkeypatch):
    with saying(monkeypatch, b"x" * (facts.MOST_BYTES + 1)) as process:
        first, last = facts.command_line(process)
    assert len(first) == facts.MOST_BYTES
    assert "longer than 64 KiB" in last


def test_many_words_are_cut_and_counted(monkeypatch):
    with saying(monkeypatch, b"x\0" * 5000) as process:
        words = facts.command_line(process)
    assert len(words) == facts.MOST_WORDS + 1
    assert "5000 words" in words[-1]


def test_words_are_clean_and_a_text_without_an_end_is_one(monkeypatch):
    with saying(monkeypatch, b"\x1b[31m\0\xff\xfe") as process:
        assert facts.command_line(process) == ("·[31m", "··")


@pytest.mark.parametrize("name", [b"VmRSS:   1 kB", b"x\\nVmRSS:\t7 kB", b"Uid:\t0", b"9 kB"])
def test_a_name_cannot_pass_for_another_line(monkeypatch, name):
    text = b"Name:\t" + name + b"\nPPid:\t5\nUid:\t1\t2\t3\t4\nVmRSS:\t     12 kB\n"
    with saying(monkeypatch, text) as process:
        assert facts.status(process) == (5, (1, 2, 3, 4), {"VmRSS": 12 << 10})


@pytest.mark.parametrize(
    "text", [b"", b"\0", b":\t", b"VmRSS:\t" + b"9" * 99 + b" kB\n", b"PPid:\t-"]
)
def test_a_status_of_another_kind_says_nothing(monkeypatch, text):
    with saying(monkeypatch, text) as process:
        assert facts.status(process) == (None, (), {})


ENDINGS = {
    "sys.exit(0)": "status 0",
    "sys.exit(3)": "status 3",
    "os.kill(os.getpid(), 11)": "SIGSEGV",
    "os.kill(os.getpid(), 9)": "SIGKILL",
    "os.kill(os.getpid(), 40)": "signal 40",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="/proc tells nobody else")
@pytest.mark.parametrize("how", ENDINGS)
def test_a_process_that_waits_to_be_reaped_says_by_what_it_ended(how):
    with running(how) as (process, child):
        assert wait_status(process) is None
        child.go_on()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert str(wait_status(process)) == ENDINGS[how]


def test_a_core_is_no_part_of_the_signal():
    assert WaitStatus.of(0x8B) == (0, 11)
    assert WaitStatus.of(0x0300) == (3, 0)


def row(path="/x.so"):
    inode = 5 if path.startswith("/") else 0
    return Mapping(Address(0x1000), Address(0x2000), "r-xp", FileOffset(0), "00:01", inode, path)


def test_a_mapping_has_the_build_id_of_its_file_also_when_that_was_deleted():
    rows = mapped_ranges(
        [row("/x.so (deleted)"), row("[heap]"), row("/data\x1b")],
        {("00:01", 5, "/x.so"): "ab"},
    )
    assert rows[0] == MappedRange(
        Address(0x1000), Address(0x2000), "r-xp", 0, "/x.so (deleted)", "ab"
    )
    assert [(one.path, one.build_id) for one in rows[1:]] == [("[heap]", None), ("/data·", None)]


def test_so_many_mappings_are_kept_and_no_more():
    assert len(mapped_ranges([row()] * (MOST_MAPPINGS + 5), {})) == MOST_MAPPINGS
