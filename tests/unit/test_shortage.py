"""What a command says, and how it ends, where the host gives it too little of something."""

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ebpftrace import shortage
from ebpftrace.cli.command import Command
from ebpftrace.cli.main import main

REPOSITORY = Path(__file__).parents[2]
OK, USAGE, NOT_ATTACHED, INTERNAL = 0, 2, 3, 5


def of_errno(number: int, filename: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), *([filename] if filename else []))


@pytest.mark.parametrize(
    "error, reason, fix",
    [
        (MemoryError(), "no more memory", "ulimit -v"),
        (OSError("libx.so: failed to map segment from shared object"), "no more memory", "ulimit"),
        (of_errno(errno.ENOMEM), "no more memory (ENOMEM)", "ulimit -v"),
        (RuntimeError("can't start new thread"), "no more threads", "pids.max"),
        (of_errno(errno.EMFILE), "may not open more than", "ulimit -n 65536"),
        (of_errno(errno.ENFILE), "no more open files to give", "fs.file-max"),
        (of_errno(errno.ENOSPC, "/a/b"), "/a/b cannot be used: No space", "Free space"),
        (of_errno(errno.EROFS, "/a/b"), "/a/b cannot be used: Read-only", "another place"),
        (of_errno(errno.EIO, "/a/b"), "/a/b cannot be used: Input/output", "dmesg"),
        (
            of_errno(errno.EPERM, "bpf(BPF_MAP_UPDATE_ELEM)"),
            "refuses bpf(BPF_MAP_UPDATE_ELEM) in the middle of the work: Operation not permitted",
            "dmesg",
        ),
    ],
)
def test_what_the_host_gives_too_little_of_is_told_with_the_way_out(
    error: Exception, reason: str, fix: str
):
    told = shortage.told(error)
    assert told is not None
    assert reason in told[0]
    assert fix in told[1]
    assert all(words.endswith(".") for words in told)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no memory of it"),
        RuntimeError("odd"),
        of_errno(errno.EBADF, "bpf(BPF_MAP_UPDATE_ELEM)"),
        of_errno(errno.EINVAL),
        of_errno(errno.ENOSPC),  # of nothing that has a name
        KeyError("x"),
    ],
    ids=repr,
)
def test_a_mistake_of_the_tool_is_not_the_hosts(error: Exception):
    assert shortage.told(error) is None


def failed_while(first: Exception) -> ValueError:
    try:
        try:
            raise first
        finally:
            raise ValueError("cannot be undone")
    except ValueError as error:
        return error


def test_what_fails_in_the_course_of_it_is_the_hosts_fault_too():
    told = shortage.told(failed_while(MemoryError()))
    assert told is not None
    assert "no more memory" in told[0]
    assert shortage.told(failed_while(KeyError("x"))) is None


def ended_by(
    error: BaseException, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> int:  # fmt: skip
    def fail(_self: Command) -> int:
        raise error

    for command in Command.__subclasses__():
        monkeypatch.setattr(command, "run", fail)
    return main(words)


@pytest.mark.parametrize(
    "words, status",
    [
        (["attach", "-p", "1"], NOT_ATTACHED),
        (["record", "-p", "1"], NOT_ATTACHED),
        (["run", "true"], NOT_ATTACHED),
        (["probes", "-p", "1"], NOT_ATTACHED),
        (["doctor"], NOT_ATTACHED),
        (["report", "x"], USAGE),
        (["diff", "x", "y"], USAGE),
        (["export", "x", "-f", "json", "-o", "y"], USAGE),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_each_command_ends_by_a_sentence_and_not_as_a_defect(
    words: list[str],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    assert ended_by(MemoryError(), words, monkeypatch) == status
    said = capsys.readouterr().err
    assert said.startswith("ebpftrace: This host gives ebpftrace no more memory.")
    assert "defect" not in said


def test_what_is_not_the_hosts_fault_is_still_a_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert ended_by(ValueError("odd"), ["attach", "-p", "1"], monkeypatch) == INTERNAL
    assert "This is a defect" in capsys.readouterr().err


# The module is run as the command is; `cli.main` is loaded by a finder that does something first.
START = """
import os, signal, sys
class First:
    def find_spec(self, name, *_):
        if name == "ebpftrace.cli.main":
            {first}
sys.meta_path.insert(0, First())
import ebpftrace.__main__ as command
{then}
sys.argv[1:] = {words}
sys.exit(command.main())
"""


def started(
    first: str = "pass", then: str = "", words: tuple[str, ...] = ("--version",)
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START.format(first=first, then=then, words=list(words))],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_the_tool_is_loaded_ends_it_as_asked(name: str):
    ended = started(f"os.kill(os.getpid(), signal.{name})")
    assert (ended.returncode, ended.stdout, ended.stderr) == (OK, "", "")


def test_a_run_that_has_not_begun_does_not_look_as_if_it_had_passed():
    ended = started("os.kill(os.getpid(), signal.SIGTERM)", words=("run", "true"))
    assert (ended.returncode, ended.stderr) == (128 + 15, "")


INTERRUPTED = """
import ebpftrace.cli.main as main, {module} as module
def run(self):
    os.kill(os.getpid(), signal.SIGTERM)
    return 7
module.{kind}.{method} = run
"""


@pytest.mark.parametrize(
    "module, kind, method, words, status",
    [
        ("ebpftrace.cli.report", "Report", "run", ("report", "x"), OK),
        ("ebpftrace.cli.run", "Run", "_status", ("run", "true"), 128 + 15),
    ],
)
def test_a_signal_before_a_command_takes_it_over_undoes_what_is_under_way(
    module: str, kind: str, method: str, words: tuple[str, ...], status: int
):
    then = INTERRUPTED.format(module=module, kind=kind, method=method)
    ended = started(then=then, words=words)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", "")


def test_a_signal_at_the_very_end_changes_nothing():
    then = "import atexit; atexit.register(os.kill, os.getpid(), signal.SIGTERM)"
    ended = started(then=then)
    assert ended.returncode == OK
    assert ended.stdout.startswith("ebpftrace ")


def test_too_little_memory_to_load_the_tool_is_a_sentence():
    ended = started("raise MemoryError")
    assert ended.returncode == NOT_ATTACHED
    assert ended.stderr.startswith("ebpftrace: This host gives ebpftrace no more memory.")
    assert "Traceback" not in ended.stderr


def test_a_tool_that_is_broken_shows_where():
    ended = started("raise ImportError('broken on purpose')")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "broken on purpose" in ended.stderr


def test_a_map_without_memory_for_a_moment_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    from ebpftrace.kernel import syscalls

    answers = [-errno.ENOMEM, -errno.ENOMEM, 7]

    def answer(*_: object) -> int:
        result = answers.pop(0)
        ctypes.set_errno(max(-result, 0))
        return -1 if result < 0 else result

    monkeypatch.setattr(syscalls, "_SHORT_S", 0.0)
    monkeypatch.setattr(syscalls, "_libc", type("Libc", (), {"syscall": staticmethod(answer)}))
    assert syscalls.bpf(syscalls.MAP_UPDATE, bytes(32)) == 7
    answers[:] = [-errno.ENOMEM, 7]
    with pytest.raises(OSError, match=r"bpf\(BPF_MAP_CREATE\)") as caught:
        syscalls.bpf(syscalls.MAP_CREATE, bytes(32))
    assert caught.value.errno == errno.ENOMEM
