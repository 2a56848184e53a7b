"""One look at /proc: on processes of our own, by every name that they have."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ebpftrace.model.ids import Pid
from ebpftrace.session.wanted import Wanted
from ebpftrace.target import glimpse
from ebpftrace.target.glimpse import Glimpse


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it has not become what it was started as"


@contextmanager
def sleeping(tmp_path: Path, name: str) -> Iterator[Pid]:
    """A program of that name, which somebody else has started: what we start ourselves is ours."""
    program = tmp_path / name
    if not program.exists():
        shutil.copy("/bin/sleep", program)
    started = subprocess.run(
        ["sh", "-c", '"$0" 60 >/dev/null 2>&1 & echo $!', str(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    pid = Pid(int(started.stdout))
    try:
        until(lambda: glimpse.executable(pid) == os.fsencode(name))
        yield pid
    finally:
        os.kill(pid, 9)


def seen(pid: Pid) -> Glimpse:
    found = glimpse.glimpse(pid)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name", ["app-x", "a) S (b", "name-longer-than-fifteen", "sp ace", "\x1b[2J"]
)
def test_a_program_goes_by_its_name(tmp_path, name):
    with sleeping(tmp_path, name) as pid:
        assert glimpse.is_called(seen(pid), name.encode())
        assert not glimpse.is_called(seen(pid), b"sleep")
        assert not glimpse.is_called(seen(pid), name.encode()[:-1])
        assert pid in Wanted((name,)).running()


def test_a_name_that_was_cut_is_not_that_of_another_program(tmp_path):
    with sleeping(tmp_path, "name-longer-than-fifteen") as pid:
        assert not glimpse.is_called(seen(pid), b"name-longer-than-twenty")


def test_a_script_goes_by_its_own_name_though_it_is_cut_and_by_its_interpreters(tmp_path):
    script = tmp_path / "a-script-with-a-long-name"
    script.write_text("#!/bin/sh\nread x\n")
    script.chmod(0o755)
    with subprocess.Popen([str(script)], stdin=subprocess.PIPE) as running:
        until(lambda: seen(Pid(running.pid)).comm.startswith(b"a-script"))
        assert glimpse.is_called(seen(Pid(running.pid)), b"a-script-with-a-long-name")
        assert glimpse.is_called(
            seen(Pid(running.pid)), os.fsencode(os.path.basename(os.path.realpath("/bin/sh")))
        )
        assert running.pid not in Wanted(("a-script-with-a-long-name",)).running(), "it is ours"
        running.communicate(b"\n")


def test_the_dead_and_threads_of_the_kernel_are_none():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert glimpse.glimpse(Pid(child)) is None
    os.waitpid(child, 0)
    assert glimpse.glimpse(Pid(child)) is None
    assert glimpse.glimpse(Pid(2)) is None or seen(Pid(2)).comm != b"kthreadd"


def test_we_are_never_wanted_ourselves():
    own = seen(Pid(os.getpid()))
    assert os.getpid() not in Wanted((own.comm.decode(),)).running()
    assert os.getpid() in glimpse.pids()


def test_what_is_missing_is_said_in_clean_words():
    wanted = Wanted(("nginx", "redis\x1b"))
    living = [(Pid(1), "nginx", "/usr/sbin/nginx")]
    assert list(wanted.missing(living)) == ["a process called redis·"]
    assert list(Wanted(("srv",)).missing([(Pid(1), "x", "/opt/srv (deleted)")])) == []
    assert not Wanted(follow=True)
