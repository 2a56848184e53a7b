"""The dashboard on a real terminal, that of a private tmux server, beside a server that leaks."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import (
    EXACT,
    LEAVE_LIMIT,
    REPOSITORY,
    START_LIMIT,
    TIME_SCALE,
    TOOL,
    Tracer,
    Workload,
    probed_text,
    run_tool,
    wait_until,
)
from tests.kernel.terminal import HEIGHT, WIDTH, Terminal, dashboard, names


@pytest.fixture
def server():
    with Workload("leaking_server", "--wait") as workload:
        yield workload


@pytest.fixture(scope="module")
def lines_known():
    """Looked up beside the first screens, lines leave rules late, and stacks of a burst are cut."""
    with Workload("leaking_server", "--wait") as workload, Tracer(workload) as tracer:
        workload.phases()
        tracer.until(
            lambda picture: picture.raw["naming"]["wanted"] and not picture.raw["naming"]["pending"]
        )


@pytest.mark.usefixtures("lines_known")
def test_the_dashboard_shows_the_leaks_obeys_its_keys_and_leaves_nothing(tmp_path, server):
    with dashboard(tmp_path, server) as terminal:
        terminal.until(lambda screen: "no allocation since the attach" in screen)
        assert probed_text(server.pid) != []
        server.phases()
        terminal.until(lambda screen: "tracked  1.5 MiB in 2 184 blocks" in screen)
        # Rules of the last modules may come after the first stacks, which are made whole by them then.
        screen = terminal.until(lambda screen: "lost nothing" in screen and len(names(screen)) == 3)
        for phrase in (
            f"leaking_server (pid {server.pid})",
            "tracked  1.5 MiB in 2 184 blocks",
            "probe hits/s",
            "q quit",
        ):
            assert phrase in screen
        assert names(screen) == ["cache_insert", "session_create", "log_format"]
        assert "q quit" in screen.splitlines()[HEIGHT - 1]
        assert "1.0 MiB in 1 024 blocks" in screen  # the site under the cursor
        assert "500 KiB" in screen
        assert re.search(r"^ *▸ cache_insert  ", screen, re.MULTILINE)
        assert re.search(r"^ *render_page  ", screen, re.MULTILINE)

        terminal.press("r")
        terminal.until(lambda screen: names(screen)[0] == "log_format")
        terminal.press("n", "Down")
        screen = terminal.until(lambda screen: "sites 2 of 3" in screen)
        assert "BLOCKS▼" in screen
        server.phases()  # session_create has 2 000 blocks now, the cache what it had
        terminal.until(lambda screen: "tracked  2.0 MiB in 3 344 blocks" in screen)
        terminal.press("?")
        terminal.until(lambda screen: "Sort by bytes" in screen)
        terminal.press("Escape")
        terminal.resize(80, 24)
        terminal.until(lambda screen: len(names(screen)) == 3)
        terminal.press("q")
        assert terminal.ended() == 0
        said = terminal.until(lambda screen: "ended" in screen).replace("\n", "")
    assert "tracked 2.0 MiB in 3 344 blocks" in said
    assert "lost nothing" in said
    assert "Traceback" not in said
    assert probed_text(server.pid) == []


def test_the_end_of_the_target_stays_on_the_screen_until_q(tmp_path, server):
    with dashboard(tmp_path, server) as terminal:
        terminal.until(lambda screen: "tracked" in screen)
        server.phases()
        terminal.until(lambda screen: "session_create" in screen)
        server.leave()
        screen = terminal.until(lambda screen: "every target has ended" in screen)
        assert "session_create" in screen
        terminal.press("q")
        assert terminal.ended() == 4


def test_a_terminal_that_closes_ends_the_dashboard_and_takes_the_probes_with_it(tmp_path, server):
    with dashboard(tmp_path, server) as terminal:
        terminal.until(lambda screen: "probe hits/s" in screen)
        assert probed_text(server.pid) != []
    wait_until(lambda: not probed_text(server.pid), "probes gone", LEAVE_LIMIT)
    assert server.process.poll() is None


def test_a_terminal_that_nobody_reads_does_not_keep_the_dashboard_from_ending(server):
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    command = [*TOOL, "attach", *EXACT, "-p", str(server.pid), "--interval", "0.05"]
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdin=side, stdout=side, stderr=side
    ) as tool:
        said = b""
        while b"lost" not in said.lower():
            said += os.read(main, 65536)
        for _ in range(60):  # whole screens, which fill the terminal and every queue behind it
            os.write(main, b"?")
            time.sleep(0.05 * TIME_SCALE)
        tool.terminate()
        try:
            assert tool.wait(LEAVE_LIMIT) == 0
        finally:
            tool.kill()
    os.close(side)
    os.close(main)
    assert probed_text(server.pid) == []


@contextlib.contextmanager
def attaching(pid: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A dashboard that says that it attaches to `pid`, in a session of its own; and its terminal."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    with subprocess.Popen(
        [*TOOL, "attach", *EXACT, "-p", str(pid)],
        cwd=REPOSITORY,
        env={**os.environ, "TERM": "xterm-256color"},
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
    ) as tool:
        os.close(side)
        try:
            said = b""
            while b"attaching to" not in said:
                said += os.read(main, 65536)
            yield tool, main
        finally:
            tool.kill()
            os.close(main)


def rest(terminal: int) -> str:
    """What is still written, up to the end of the last process that could write."""
    said = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while part := os.read(terminal, 65536):
            said += part
    return said.decode()


LEAVING: dict[str, Callable[[subprocess.Popen[bytes], int], object]] = {
    "q": lambda _tool, terminal: os.write(terminal, b"q"),
    "Ctrl-C": lambda _tool, terminal: os.write(terminal, b"\x03"),
    "SIGINT": lambda tool, _terminal: tool.send_signal(signal.SIGINT),
    "SIGTERM": lambda tool, _terminal: tool.send_signal(signal.SIGTERM),
    "SIGHUP": lambda tool, _terminal: tool.send_signal(signal.SIGHUP),
}


@pytest.mark.parametrize("until_probed", [False, True])
@pytest.mark.parametrize("way", LEAVING)
def test_leaving_while_it_attaches_leaves_nothing(way, until_probed, server):
    with attaching(server.pid) as (tool, terminal):
        if until_probed:
            wait_until(lambda: probed_text(server.pid), "first probe", START_LIMIT)
        begun = time.monotonic()
        LEAVING[way](tool, terminal)
        said = rest(terminal)
        assert tool.wait(LEAVE_LIMIT) == 0
        if not until_probed:
            assert time.monotonic() - begun < 5 * TIME_SCALE
            # It may have attached in the moment before the key came.
            assert "left before the first picture" in said or "ebpftrace: tracked " in said
        assert "Traceback" not in said
        with pytest.raises(ProcessLookupError):
            os.killpg(tool.pid, 0)
    assert probed_text(server.pid) == []
    assert server.process.poll() is None


def test_a_terminal_that_closes_while_it_attaches_leaves_nothing(server):
    with attaching(server.pid) as (tool, terminal):
        os.dup2(os.open(os.devnull, os.O_RDWR), terminal)
        assert tool.wait(LEAVE_LIMIT) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(tool.pid, 0)
    assert probed_text(server.pid) == []


def refused(folder: Path, pid: int) -> str:
    """What stands on the terminal after an attach that ends with status 3."""
    command = [*TOOL, "attach", *EXACT, "-p", str(pid)]
    with Terminal(folder, command, {"TERM": "screen-256color"}) as terminal:
        assert terminal.ended() == 3
        return terminal.until(lambda screen: "ended" in screen).replace("\n", "")


def test_what_cannot_be_attached_to_is_a_sentence_on_the_terminal(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert f"process {gone.pid}" in refused(tmp_path, gone.pid)


def test_a_thread_of_the_kernel_is_a_sentence_on_the_terminal(tmp_path):
    if "kthreadd" not in Path("/proc/2/comm").read_text():
        pytest.skip("no thread of the kernel is to be seen in this namespace")
    assert "Process 2 is a thread of the kernel" in refused(tmp_path, 2)


def test_no_allocator_is_found_out_behind_the_screen_and_said_after_it(tmp_path):
    with Workload("no_libc") as target:
        said = refused(tmp_path, target.pid)
    assert "Go" in said
    assert "attaching to" not in said
    assert "Traceback" not in said


def test_a_target_that_ends_while_it_is_attached_to_ends_the_dashboard(server):
    with attaching(server.pid) as (tool, terminal):
        server.process.kill()
        said = rest(terminal)
        assert tool.wait(LEAVE_LIMIT) == 3
        assert f"{server.pid}" in said.rpartition("\x1b")[2]
        assert "Traceback" not in said


def test_a_locale_without_utf8_gets_ascii(tmp_path, server):
    with dashboard(tmp_path, server, LC_ALL="C") as terminal:
        terminal.until(lambda screen: "probe hits/s" in screen)
        server.phases()
        screen = terminal.until(lambda screen: "session_create" in screen)
        assert screen.isascii()
        assert "BYTESv" in screen
        terminal.press("C-c")
        assert terminal.ended() == 0


@pytest.mark.parametrize("options", [["--text"], ["--json"], []])
def test_text_json_and_a_dumb_terminal_draw_no_screen(options, server):
    main, side = pty.openpty()
    command = [*TOOL, "attach", *EXACT, "-p", str(server.pid), "--count", "1", *options]
    environment = {**os.environ, "TERM": "xterm" if options else "dumb"}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdin=side, stdout=side, stderr=side
    ) as tool:
        os.close(side)
        said = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while part := os.read(main, 65536):
                said += part
        os.close(main)
    assert tool.returncode == 0
    assert b"\x1b" not in said
    assert b"  tracked  " in said or b'"schema"' in said


def test_without_a_terminal_it_is_the_text_report(server):
    ran = run_tool("attach", "-p", server.pid, "--count", "1")
    assert ran.returncode == 0
    assert "  tracked  " in ran.stdout
