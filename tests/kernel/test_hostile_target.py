"""A target that renames itself, maps, forks and starts threads without a pause, while we attach and leave.

The known answer is in the header comment of tests/workloads/wild.c.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import Ended, Tracer, Workload, probed_text, run_tool, wait_until
from tests.kernel.test_hostile_names import CONTROL, strings

PHASES = 3
TIMES = 2
ATTACHED, COULD_NOT, ENDED = 0, 3, 4


@pytest.fixture
def wild() -> Iterator[Workload]:
    with Workload("wild") as target:
        yield target
        target.phases()
        assert target.leave() == 0


def left_on(target: Workload) -> list[str]:
    """Files with probes of ours. It stands still meanwhile: its mappings come and go."""
    os.kill(target.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: stands_still(target), "it has not stopped")
        return probed_text(target.pid)
    finally:
        os.kill(target.pid, signal.SIGCONT)


def stands_still(target: Workload) -> bool:
    try:
        states = {
            Path(task.path, "stat").read_bytes().rpartition(b")")[2].split()[0]
            for task in os.scandir(f"/proc/{target.pid}/task")
        }
    except (FileNotFoundError, ProcessLookupError):  # of a thread that has just ended
        return False
    return states <= {b"T", b"Z", b"X"}


def nothing_is_obeyed(said: str) -> None:
    assert "Traceback" not in said
    assert not CONTROL.search(said.replace("\n", ""))


def check(ended: Ended) -> None:
    found = [text for text in strings(ended.final.raw) if CONTROL.search(text) or "\n" in text]
    assert found == []
    nothing_is_obeyed(ended.stderr)
    assert ended.status == ATTACHED


def test_what_is_known_of_it_is_exact_and_nothing_stays_behind(wild: Workload):
    with Tracer(wild, options=("--top", 0)) as tracer:
        wild.phases(PHASES)
        ended = tracer.finish()
    check(ended)
    assert ended.final.site("known_blocks").held == (PHASES * 10, PHASES * 1000)
    assert ended.final.site("known_blocks").complete
    assert left_on(wild) == []


def test_its_children_are_followed_or_missed_and_the_rest_stays_exact(wild: Workload):
    with Tracer(wild, options=("--top", 0, "--follow")) as tracer:
        wild.phases(PHASES)
        tracer.until(lambda picture: len(picture.targets) > 1 or picture.loss("process_missed"))
        ended = tracer.finish()
    check(ended)
    known = [site for site in ended.final.sites_in("known_blocks") if site.raw["pid"] == wild.pid]
    assert [site.held for site in known] == [(PHASES * 10, PHASES * 1000)]
    assert left_on(wild) == []


def test_to_attach_and_leave_at_any_moment_does_it_no_harm(wild: Workload):
    for _ in range(TIMES):
        ran = run_tool("attach", "--json", "-p", wild.pid, "--count", 1)
        nothing_is_obeyed(ran.stderr)
        assert ran.returncode == ATTACHED, ran.stderr
        wild.phases()
    plan = run_tool("probes", "-p", wild.pid)
    nothing_is_obeyed(plan.stdout + plan.stderr)
    assert plan.returncode == ATTACHED
    assert left_on(wild) == []


def test_of_a_program_that_runs_itself_again_and_again_there_is_a_picture_or_a_sentence():
    with Workload("wild", "execs") as target:
        for option in ("--json", "--follow"):
            ran = run_tool("attach", "--json", option, "-p", target.pid, "--count", 2)
            nothing_is_obeyed(ran.stderr)
            assert ran.returncode in (ATTACHED, COULD_NOT, ENDED), ran.stderr
            assert ran.returncode == ATTACHED or ran.stderr.strip()
        target.expect("ready")
        assert left_on(target) == []
        target.phases()
        assert target.leave() == 0
