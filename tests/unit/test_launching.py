"""Commands that are started for us: real children, and none of them is traced."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ebpftrace.errors import CannotAttach, UsageError
from ebpftrace.target.launching import Launch


@pytest.fixture(autouse=True)
def _signals_are_python_s() -> Iterator[None]:
    """Whatever another test has made of them, a child has them as from a shell."""
    usual = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    handlers: dict[int, Any] = dict.fromkeys(usual, signal.SIG_DFL)
    handlers[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def launched(*command: str, **given: Any) -> Iterator[Launch]:
    launch = Launch(command, **given)
    try:
        yield launch
    finally:
        launch.close(kill=True)


def said_by(*command: str) -> str:
    reading, writing = os.pipe()
    with launched(*command, replaced={1: writing}) as launch:
        os.close(writing)
        launch.go()
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        launch.wait()
    return said


def script(folder: Path, text: str, mode: int = 0o755) -> str:
    path = folder / "script"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_nothing_runs_before_it_is_told_to_go(tmp_path):
    made = tmp_path / "made"
    with launched("touch", str(made)) as launch:
        time.sleep(0.05)
        assert not launch.ended()
        assert not made.exists()
        launch.go()
        assert launch.wait() == 0
        assert made.exists()
        assert launch.ended()


def test_a_child_that_is_never_told_to_go_ends_with_its_pipe(tmp_path):
    made = tmp_path / "made"
    launch = Launch(["touch", str(made)])
    launch.close()
    os.waitid(os.P_PID, launch.pid, os.WEXITED | os.WNOWAIT)
    assert launch.wait() == 127
    assert not made.exists()


@pytest.mark.parametrize(
    "line, status", [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
)
def test_its_status_is_that_of_a_shell(line, status):
    with launched("sh", "-c", line) as launch:
        launch.go()
        assert launch.wait() == status
        assert launch.wait() == status


def test_one_that_was_ended_while_it_waited_is_no_error(tmp_path):
    made = tmp_path / "made"
    with launched("touch", str(made)) as launch:
        launch.send(signal.SIGTERM)
        os.waitid(os.P_PID, launch.pid, os.WEXITED | os.WNOWAIT)
        launch.go()
        assert launch.ended()
        assert launch.wait() == 128 + signal.SIGTERM
    assert not made.exists()


def test_signals_to_one_that_has_ended_go_nowhere():
    with launched("true") as launch:
        launch.go()
        launch.wait()
        launch.send(signal.SIGKILL)  # its pid may be another's by now
        launch.resume()


def test_a_stopped_one_goes_on_when_it_is_resumed():
    with launched("sh", "-c", "kill -STOP $$; exit 3") as launch:
        launch.go()
        os.waitid(os.P_PID, launch.pid, os.WSTOPPED | os.WNOWAIT)
        assert not launch.ended()
        launch.resume()
        assert launch.wait() == 3


@pytest.mark.parametrize("how", [{}, {"kill": True}])
def test_closing_twice_does_nothing(how):
    launch = Launch(["sleep", "60"])
    launch.go()
    launch.close(kill=True)
    launch.close(**how)
    assert launch.wait() == 128 + signal.SIGKILL


NO_COMMAND: list[tuple[Sequence[str], str]] = [
    ([""], "has no name"),
    (["/nonexistent/program"], "/nonexistent/program cannot be executed: No such file"),
    (["surely-no-such-program"], "surely-no-such-program cannot be executed: No such file"),
    (["/"], "Is a directory"),
    (["/etc/passwd"], "Permission denied"),
    (["/etc/passwd/x"], "Not a directory"),
]


@pytest.mark.parametrize("command, why", NO_COMMAND)
def test_what_is_no_command_is_refused_in_a_sentence(command, why):
    with pytest.raises(UsageError, match=why) as caught:
        Launch(command)
    assert str(caught.value).endswith(".")


def test_a_name_is_found_by_path_and_one_that_may_not_be_executed_counts_last(
    tmp_path, monkeypatch
):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, mode in ((first, 0o644), (second, 0o755)):
        folder.mkdir()
        (folder / "tool").write_text("#!/bin/sh\n")
        (folder / "tool").chmod(mode)
    monkeypatch.setenv("PATH", f"{first}:{second}")
    with launched("tool") as launch:
        assert launch.path == str(second / "tool")
    monkeypatch.setenv("PATH", str(first))
    with pytest.raises(UsageError, match="Permission denied"):
        Launch(["tool"])


def test_an_empty_part_of_path_is_the_current_folder(tmp_path, monkeypatch):
    script(tmp_path, "#!/bin/sh\nexit 5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent:")
    with launched("script") as launch:
        launch.go()
        assert launch.wait() == 5


def test_a_script_runs_by_its_interpreter_and_needs_one(tmp_path):
    with launched(script(tmp_path, "#!/bin/sh\nexit 9\n")) as launch:
        launch.go()
        assert launch.wait() == 9
    with launched(script(tmp_path, "exit 9\n")) as launch:
        with pytest.raises(UsageError, match="a script needs #!"):
            launch.go()
        assert launch.ended()


def test_a_script_whose_interpreter_is_missing_is_refused(tmp_path):
    path = script(tmp_path, "#!/nonexistent/sh\n")
    with launched(path) as launch, pytest.raises(UsageError, match="No such file"):
        launch.go()


@pytest.mark.parametrize(
    "bits, said",
    [
        (stat.S_ISUID, "is setuid:"),
        (stat.S_ISGID, "is setgid:"),
        (stat.S_ISUID | stat.S_ISGID, "is setuid and setgid:"),
    ],
)
def test_what_has_rights_of_its_own_is_refused(tmp_path, bits, said):
    path = script(tmp_path, "#!/bin/sh\n", 0o755 | bits)
    with pytest.raises(CannotAttach, match=said):
        Launch([path])


def test_what_has_file_capabilities_is_refused(tmp_path, monkeypatch):
    def attribute(path: str, name: str) -> bytes:
        assert (path, name) == (program, "security.capability")
        return b"\x01\0\0\2"

    program = script(tmp_path, "#!/bin/sh\n")
    monkeypatch.setattr(os, "getxattr", attribute)
    with pytest.raises(CannotAttach, match="is with file capabilities"):
        Launch([program])


def test_it_has_no_other_descriptors_than_any_child_of_ours():
    ls = ["ls", "/proc/self/fd"]
    child = subprocess.run(ls, close_fds=False, capture_output=True, text=True, check=True)
    assert said_by(*ls) == child.stdout


def test_no_signal_is_ignored_that_we_ignore_ourselves():
    ignored = said_by("sed", "-n", "s/^SigIgn:\t//p", "/proc/self/status")
    python = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1 | 1 << signal.SIGINT - 1
    assert int(ignored, 16) & python == 0


def test_ctrl_c_stays_ignored_where_a_shell_has_us_in_the_background():
    # A shell without job control starts `... &` so; Python leaves it, and so does the program.
    show = "sed -n 's/^SigIgn:\\t//p' /proc/self/status"
    launching = (
        "from ebpftrace.target.launching import Launch\n"
        f"launch = Launch(['sh', '-c', {show!r}])\n"
        "launch.go(); launch.wait(); launch.close()"
    )
    shell = f"trap '' INT; exec {sys.executable} -c \"$LAUNCHING\""
    ran = subprocess.run(
        ["sh", "-c", shell],
        env={**os.environ, "LAUNCHING": launching},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(ran.stdout, 16) & 1 << signal.SIGINT - 1


def test_a_user_who_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="There is no user nobody-of-that-name"):
        Launch(["true"], user="nobody-of-that-name")
    with pytest.raises(UsageError, match="There is no user"):
        Launch(["true"], user="a\0b")
