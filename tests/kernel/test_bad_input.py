"""Bad input ends with the right status and a sentence, never with a traceback or a probe left."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import (
    REPOSITORY,
    TIME_SCALE,
    Workload,
    probed_text,
    run_tool,
)
from tests.kernel.pictures import Picture

BAD_USAGE, NOT_ATTACHED, ALL_ENDED = 2, 3, 4
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture(scope="module")
def idle() -> Iterator[Workload]:
    """A target that could be attached to."""
    with Workload("family", "stay") as target:
        yield target


def refused(result: subprocess.CompletedProcess[str], status: int) -> str:
    """Check the status, that stdout has no data and stderr a sentence; return what it says."""
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert max(len(line.split()) for line in result.stderr.splitlines()) >= 4
    return result.stderr


def attach(*pids: object) -> subprocess.CompletedProcess[str]:
    return run_tool("attach", "--json", *(word for pid in pids for word in ("-p", pid)))


def a_dead_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_a_pid_of_nobody_is_refused_by_its_number():
    pid = a_dead_pid()
    assert str(pid) in refused(attach(pid), NOT_ATTACHED)


def test_a_zombie_is_refused():
    child = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert str(child.pid) in refused(attach(child.pid), NOT_ATTACHED)
    finally:
        child.wait()


def test_a_kernel_thread_is_refused():
    kernel_threads = [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if stat.parent.name == "2" or " 2 " in stat.read_text().rpartition(")")[2][:6]
    ]
    assert "kernel" in refused(attach(kernel_threads[0]), NOT_ATTACHED)


def test_a_32_bit_process_is_refused():
    with Workload("elf32") as target:
        assert "32" in refused(attach(target.pid), NOT_ATTACHED)


def test_a_static_executable_without_symbols_is_refused():
    with Workload("static_prog_stripped") as target:
        assert str(target.pid) in refused(attach(target.pid), NOT_ATTACHED)
        assert probed_text(target.pid) == []


def test_a_program_without_an_allocator_is_refused():
    with Workload("no_libc") as target:
        assert str(target.pid) in refused(attach(target.pid), NOT_ATTACHED)


def somebody_else() -> tuple[str, ...]:
    """Runs a command as nobody; in a user namespace where nobody may not read this Python."""
    importing = [*NOBODY, sys.executable, "-c", "import ebpftrace"]
    readable = subprocess.run(importing, cwd=REPOSITORY, capture_output=True, check=False)
    return ("unshare", "--user") if readable.returncode else NOBODY


def test_a_user_who_is_not_root_is_told_so(idle: Workload):
    result = run_tool("attach", "--json", "-p", idle.pid, user=somebody_else())
    said = refused(result, NOT_ATTACHED)
    assert "root" in said or "sudo" in said


def test_root_without_capabilities_is_told_so(idle: Workload):
    without = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
    refused(run_tool("attach", "--json", "-p", idle.pid, user=without), NOT_ATTACHED)
    assert probed_text(idle.pid) == []


@pytest.mark.parametrize("delay", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_process_that_ends_while_it_is_attached_to_is_no_crash(delay: float):
    with Workload("loop_time") as target:
        target.go()
        end = threading.Timer(delay * TIME_SCALE, target.process.send_signal, [signal.SIGKILL])
        end.start()
        result = attach(target.pid)
        end.join()
    assert result.returncode in (NOT_ATTACHED, ALL_ENDED), result.stderr
    assert "Traceback" not in result.stderr
    if result.returncode == ALL_ENDED:  # it was attached to: its picture is what was owed
        assert Picture.parse(result.stdout.splitlines()[-1]).targets[0]["alive"] is False
    else:
        refused(result, NOT_ATTACHED)


@pytest.mark.parametrize(
    "words",
    [
        ["--interval", "soon"],
        ["--interval", "0"],
        ["--interval", "-1s"],
        ["--duration", "10 parsecs"],
        ["--count", "some"],
        ["--older", "5x"],
        ["--min-size", "4q"],
        ["--max-size", "-1"],
        ["--top", "few"],
        ["--sort", "beauty"],
        ["--stack-depth", "0"],
        ["--mode", "nonsense"],
        ["--budget", "0%"],
        ["--budget", "cheap"],
        ["--suppressions", "/etc/hostname"],
        ["--log-file", "/nonexistent/folder/log"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_an_option_that_cannot_be_obeyed_is_bad_usage(idle: Workload, words: list[str]):
    said = refused(run_tool("attach", "--json", "-p", idle.pid, *words), BAD_USAGE)
    assert words[0] in said or words[-1] in said


@pytest.mark.parametrize("pid", ["init", "1.5", ""])
def test_a_pid_that_is_no_number_is_bad_usage(pid: str):
    refused(run_tool("attach", "--json", "-p", pid), BAD_USAGE)


@pytest.mark.parametrize("pid", ["0", "-1", "99999999999999999999"])
def test_a_number_that_is_no_pid_is_refused(pid: str):
    result = run_tool("attach", "--json", f"-p{pid}")
    assert pid in refused(result, result.returncode)
    assert result.returncode in (BAD_USAGE, NOT_ATTACHED)


def test_a_watch_of_nothing_is_bad_usage():
    refused(run_tool("attach", "--json"), BAD_USAGE)


def test_text_and_json_at_once_are_bad_usage(idle: Workload):
    refused(run_tool("attach", "--json", "--text", "-p", idle.pid), BAD_USAGE)


def test_a_living_target_is_watched_though_another_is_gone():
    with Workload("family", "stay") as target:
        result = run_tool("attach", "--json", "--count", 1, "-p", a_dead_pid(), "-p", target.pid)
        assert probed_text(target.pid) == []
    # Either is defensible, silence is not: nothing is attached, or the living one with a note.
    assert result.returncode in (0, NOT_ATTACHED)
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr
