"""How a run ends: signals to the tool, a tool that is killed, a terminal, and what is written where."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from tests.kernel.harness import (
    LEAVE_LIMIT,
    REPOSITORY,
    START_LIMIT,
    TIME_SCALE,
    TOOL,
    probed_text,
    run_tool,
    wait_until,
)
from tests.kernel.running import HELD, KEPT, Run, held, refused, run, starts
from tests.kernel.terminal import Terminal

SETTINGS = {"TERM": "screen-256color", "PYTHONPATH": str(REPOSITORY)}


def test_signals_reach_the_program_and_a_second_sigterm_leaves_it_alone():
    with Run(starts(), "answer", "await") as tool:
        tool.expect("ready")
        (program,) = tool.programs()
        tool.process.send_signal(signal.SIGINT)
        tool.expect("int")
        tool.process.send_signal(signal.SIGTERM)
        tool.expect("term")
        assert tool.process.poll() is None
        tool.process.send_signal(signal.SIGTERM)
        ran = tool.ended()
        assert ran.status == 128 + signal.SIGTERM
        assert held(ran.exit["counts"]) == HELD
        assert ran.exit["ended"] is None  # it lives on, without a probe
        assert Path(f"/proc/{program}/exe").resolve() == starts()
        assert probed_text(program) == []


def test_sigterm_before_the_program_has_begun_ends_it_by_that(tmp_path: Path):
    made = tmp_path / "made"
    with Run(starts(), "make", made) as tool:
        wait_until(lambda: waits_for_us(tool.pid), "the child that waits")
        tool.process.send_signal(signal.SIGTERM)
        assert tool.wait(START_LIMIT) == 128 + signal.SIGTERM
        assert "ended before it could be traced" in tool.stderr()
    assert not made.exists()


def waits_for_us(tool: int) -> bool:
    """Has the tool the program, and a helper, which comes after it has taken over the program's signals?"""
    children = Path(f"/proc/{tool}/task/{tool}/children").read_text()
    return len(children.split()) > 1


def test_after_its_duration_a_run_reports_and_ends_as_the_program_does():
    lasting = f"{TIME_SCALE:.1f}s"  # longer than what it does before it waits
    options = ("run", "--backend", "auto", "--text", "--duration", lasting, "--")
    with subprocess.Popen(
        [*TOOL, *options, str(starts()), "line", "exit", "6"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as tool:
        assert tool.stderr
        assert tool.stdin
        said = b""
        while b"is still running" not in said:
            line = tool.stderr.readline()
            assert line, said
            said += line
        assert tool.poll() is None
        tool.stdin.write(b"\n")
        tool.stdin.close()
        rest = tool.stderr.read().decode()
        assert tool.wait(LEAVE_LIMIT) == 6
    assert "in use          1 940 bytes in 18 blocks" in rest


def test_two_sigterms_end_a_watch_that_has_reported_already():
    with Run(starts(), "answer", "await", options=("--duration", "0.2s")) as tool:
        while "exit/1" not in (tool.out.next(START_LIMIT, "report") or ""):
            pass
        for _ in range(2):
            tool.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert tool.wait(START_LIMIT) == 128 + signal.SIGTERM


def of_this_run(output: Path) -> list[int]:
    """
    The processes that write to `output`. They are not known by their words: one that is just
    becoming another program has none.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                written = (entry / "fd/1").readlink()
            except OSError:
                continue
            if written == output:
                found.append(int(entry.name))
    return found


def killed_at_a_moment(number: int, folder: Path) -> str:
    """Kill a tool whose program is held again and again; what became of the program."""
    marker = folder / f"made{number}"
    output = folder / f"output{number}"
    command = [str(starts()), "again", "40", "make", str(marker), "await"]
    with output.open("wb") as file:
        tool = subprocess.Popen(
            [*TOOL, "run", "--", *command],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.DEVNULL,
        )
    moments = Random(number)
    # Some at any moment, most while it goes from one program to the next.
    if number % 4 == 0:
        time.sleep(moments.uniform(0.0, 2.0) * TIME_SCALE)
    else:
        wait_until(lambda: started(tool.pid), "the program has started")
        time.sleep(moments.uniform(0.0, 1.0) * TIME_SCALE)
    tool.kill()
    tool.wait()

    def settled() -> bool:
        """Only a program at its end is left, which nobody holds, or nothing at all."""
        return all(at_its_end(pid, marker) for pid in of_this_run(output))

    wait_until(settled, "it goes on", 20 * TIME_SCALE)
    left = of_this_run(output)
    try:
        wait_until(lambda: not any(map(probed_text, left)), "no probe left", LEAVE_LIMIT)
    finally:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    return "went on" if left else "did not begin"


def started(tool: int) -> bool:
    try:
        children = Path(f"/proc/{tool}/task/{tool}/children").read_text().split()
        return any(Path(f"/proc/{pid}/exe").resolve() == starts() for pid in children)
    except OSError:
        return False


def at_its_end(pid: int, marker: Path) -> bool:
    """Does it wait for a signal, having made its file?"""
    try:
        # In this order: what it sleeps in before the file is made is not its end.
        if not marker.exists() or Path(f"/proc/{pid}/exe").resolve() != starts():
            return False
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    except OSError:
        return False


def test_a_tool_that_is_killed_leaves_no_program_stopped_and_no_probe(tmp_path: Path):
    starts()  # built
    with ThreadPoolExecutor(4) as pool:
        became = list(pool.map(lambda number: killed_at_a_moment(number, tmp_path), range(8)))
    assert "went on" in became


class TestTheCheck:
    """`--error-exitcode` and `--threshold`."""

    def test_one_byte_more_than_the_threshold_is_too_much(self) -> None:
        ran = run(starts(), options=("--error-exitcode", 9, "--threshold", HELD[1] - 1))
        assert ran.status == 9
        assert ran.exit["too_much"]
        assert "in use at exit: more than --threshold" in ran.stderr

    def test_what_is_suppressed_does_not_count(self, tmp_path: Path) -> None:
        known = tmp_path / "known.supp"
        known.write_text("leak:in_library\nleak:in_constructor\n")
        options = ("--error-exitcode", 9, "--threshold", KEPT[1], "--suppressions", known)
        ran = run(starts(), "exit", 8, options=options)
        assert ran.status == 8
        assert held(ran.exit["suppressed"]) == (8, 1300)
        assert held(ran.exit["counts"]) == HELD


class TestFiles:
    """What is written, and where it cannot be."""

    def test_a_report_and_a_snapshot_carry_the_same(self, tmp_path: Path) -> None:
        output, saved = tmp_path / "output", tmp_path / "saved"
        output.write_text("old")
        options = ("--json", "-o", output, "--save", saved, "--force")
        ran = run_tool("run", *options, "--", starts(), "say", "on stdout")
        assert ran.returncode == 0
        assert ran.stdout == "on stdout\n"
        final, said = map(json.loads, output.read_text().splitlines()[-2:])
        assert held(said["counts"]) == held(final["totals"]) == HELD
        assert said["command"] == [str(starts()), "say", "on stdout"]
        report = run_tool("report", saved, "--json")
        again = json.loads(report.stdout.splitlines()[0])
        totals = (again.get("picture") or again)["totals"]
        assert totals == final["totals"]

    def test_a_full_disk_is_status_2_and_the_program_runs_to_its_end(self, tmp_path: Path) -> None:
        made = tmp_path / "made"
        ran = run_tool("run", "-o", "/dev/full", "--", starts(), "make", made)
        assert ran.returncode == 2
        assert "No space left" in ran.stderr
        assert made.exists()

    def test_a_closed_pipe_changes_nothing(self, tmp_path: Path) -> None:
        made = tmp_path / "made"
        reading, writing = os.pipe()
        os.close(reading)
        command = [*TOOL, "run", "--json", "--", str(starts()), "make", str(made), "exit", "4"]
        with os.fdopen(writing, "wb") as closed:
            ran = subprocess.run(
                command,
                stdout=closed,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                cwd=REPOSITORY,
                timeout=START_LIMIT + LEAVE_LIMIT,
                check=False,
            )
        assert (ran.returncode, ran.stderr) == (4, b"")
        assert made.exists()

    @pytest.mark.parametrize("option", ["-o", "--save", "--trace-log"])
    def test_a_file_that_exists_is_refused_before_anything_runs(
        self, option: str, tmp_path: Path
    ) -> None:
        there, made = tmp_path / "there", tmp_path / "made"
        there.write_text("mine")
        status, said = refused(option, there, "--", starts(), "make", made)
        assert status == 2
        assert "--force" in said
        assert not made.exists()
        assert there.read_text() == "mine"


def test_a_script_without_its_interpreter_is_refused(tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("echo it ran\n")
    script.chmod(0o755)
    status, said = refused("--", script)
    assert status == 2
    assert "#!" in said
    assert "it ran" not in said


def in_a_shell(folder: Path, *words: object) -> Terminal:
    """The tool in the foreground of a terminal; its status is in `folder`/ended."""
    tool = " ".join([sys.executable, "-m", "ebpftrace", "run", "--top", "1", *map(str, words)])
    line = f"trap : INT; {tool}; echo $? >{folder}/ended; sleep 600"
    return Terminal(folder, ["bash", "-c", line], SETTINGS)


def status_in(folder: Path) -> int:
    ended = folder / "ended"
    wait_until(lambda: ended.exists() and ended.read_text(), "end", LEAVE_LIMIT)
    return int(ended.read_text())


def test_ctrl_c_ends_program_and_tool(tmp_path: Path):
    with in_a_shell(tmp_path, "--", starts(), "await") as terminal:
        terminal.until(lambda screen: "ready" in screen)
        terminal.press("C-c")
        assert status_in(tmp_path) == 130
        assert "ended: SIGINT" in terminal.screen()


def test_the_dashboard_comes_first_then_what_was_said_then_the_report(tmp_path: Path):
    command = (starts(), "say", "spoken", "await")
    with in_a_shell(tmp_path, "--dashboard", "--interval", "0.2", "--", *command) as terminal:
        screen = terminal.until(lambda screen: "in_library" in screen)
        assert "spoken" not in screen
        terminal.press("q")
        assert status_in(tmp_path) == 128 + signal.SIGTERM
        said = terminal.until(lambda screen: "still running" in screen and "in_library" in screen)
    places = [said.find(words) for words in ("spoken", "still running", "in_library")]
    assert places == sorted(places)
    assert places[0] >= 0
