"""How `scripts/run-bench` takes the start-up out of a ratio, and that its project is one."""

import subprocess
from pathlib import Path

from scripts.running import jobs, timed_run
from scripts.running.jobs import START, Job
from scripts.running.run_bench import Bench, rows

JOB = Job("work", ("work",))


def test_what_a_program_feels_is_its_time_without_the_start_up_of_the_tool() -> None:
    bench = Bench(Path(), Path(), {"bare": (), "tool": ("tool",)})
    bench.wall.update(
        {
            (START.name, "bare"): [0.0, 0.0, 0.0],
            (START.name, "tool"): [5.0, 6.0, 7.0],
            (JOB.name, "bare"): [1.0, 1.0, 1.0],
            (JOB.name, "tool"): [7.0, 9.0, 11.0],
        }
    )
    bench.cpu.update({(JOB.name, "bare"): [1.0] * 3, (JOB.name, "tool"): [2.0, 3.0, 4.0]})
    _, by_tool = rows(bench, JOB)
    assert by_tool[0] == "work: tool"
    whole, cpu, program = by_tool[-3:]
    assert (whole, cpu) == ("9.00 (7.00-11.00)", "3.00 (2.00-4.00)")
    assert program == "3.00 (2.00-4.00)"


def test_a_phase_is_over_when_it_was_first_reached() -> None:
    class Owner:
        def ended(self) -> bool:
            return True

    timed_run.noted(Owner, "ended", "a phase", lambda ended: not ended)
    assert Owner().ended()
    assert "a phase" not in timed_run.TIMES
    timed_run.noted(Owner, "ended", "a phase", bool)
    assert Owner().ended()
    first = timed_run.TIMES.pop("a phase")
    assert first > 0


def test_make_builds_the_generated_project(tmp_path: Path) -> None:
    jobs.prepare(tmp_path)
    command = ["make", "--silent", "CFLAGS=-O1 -Wall -Werror"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.glob("*.o"))) == 12
    assert (tmp_path / "program").exists()
