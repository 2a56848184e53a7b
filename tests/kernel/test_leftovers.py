"""What judges the faults: it finds everything that a run of the tool could leave, and how it may not end."""

import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.kernel import features, syscalls
from ebpftrace.kernel.instructions import RETURN_0
from ebpftrace.kernel.testbed import Testbed
from tests.kernel.faults.fault import may_end
from tests.kernel.faults.judging import Ended
from tests.kernel.faults.subject import Subject
from tests.kernel.faults.ways import TEXT, best
from tests.kernel.harness import Tracer, wait_until
from tests.kernel.leftovers import Leftovers, Places, name_of


@pytest.fixture
def subject() -> Iterator[Subject]:
    with Subject(1, 0) as made:
        yield made


@pytest.fixture
def before(tmp_path: Path) -> Leftovers:
    return Leftovers.before(f"LEFT={uuid.uuid4().hex}", Places({tmp_path: re.compile("allowed")}))


def found(before: Leftovers, *targets: int) -> list[str]:
    return before.found(targets, lambda _: False)


def test_where_nothing_was_done_nothing_is_left(before: Leftovers, subject: Subject):
    assert found(before, subject.pid) == []


def test_a_process_of_a_run_is_known_by_its_mark(before: Leftovers):
    name, mark = before.mark.split("=")
    with subprocess.Popen(["sleep", "60"], env={name: mark}) as child:
        wait_until(lambda: found(before), "the process with the mark")
        assert found(before) == [f"process {child.pid} (sleep) is left"]
        child.kill()
    assert found(before) == []


def test_files_are_found_but_those_that_may_stay(before: Leftovers, tmp_path: Path):
    for name in ("allowed", "tmpfile"):
        (tmp_path / name).touch()
    assert found(before) == [f"{tmp_path / 'tmpfile'} is left"]


def test_probes_are_found_in_the_target(before: Leftovers, subject: Subject):
    with Tracer(subject):
        assert any("a probe is left in" in each for each in found(before, subject.pid))
    assert found(before, subject.pid) == []


def test_a_stopped_target_is_found(before: Leftovers, subject: Subject):
    os.kill(subject.pid, signal.SIGSTOP)
    wait_until(lambda: found(before, subject.pid), "the stop")
    assert {each.split(" ", 2)[2] for each in found(before, subject.pid)} == {
        "of the target is stopped"
    }
    os.kill(subject.pid, signal.SIGCONT)
    wait_until(lambda: not found(before, subject.pid), "its going on")


def test_a_program_that_only_a_perf_event_holds_is_found(before: Leftovers):
    kind = features.uprobe_events().type
    with Testbed() as bed:
        event = syscalls.open_uprobe(bed.path, bed.function(1), os.getpid(), kind, None)
        program = syscalls.load_program(syscalls.PROG_TYPE_KPROBE, RETURN_0, "left")
        syscalls.set_program(event, program)
        assert "left" not in map(name_of, before.objects_left())
        os.close(program)
        assert "left" in map(name_of, before.objects_left())
        os.close(event)


PICTURE = {
    "final": True,
    "totals": {
        **dict.fromkeys(("blocks", "bytes"), 2),
        **dict.fromkeys(("allocated_blocks", "allocated_bytes"), 3),
        **dict.fromkeys(("freed_blocks", "freed_bytes"), 1),
    },
}
SITE = PICTURE["totals"]


def output(*pictures: dict[str, object]) -> bytes:
    return "".join(f"{json.dumps(picture)}\n" for picture in pictures).encode()


WHOLE = output({**PICTURE, "final": False, "sites": [SITE]}, {**PICTURE, "sites": [SITE]})


@pytest.mark.parametrize(
    "status, stdout, stderr, finding",
    [
        (0, WHOLE, "", None),
        (3, b"", "ebpftrace: Out of luck.\n", None),
        (-9, WHOLE[:-20], "", None),
        (5, b"", "ebpftrace: internal error: E: x. This is a defect.", "ended with status 5"),
        (0, WHOLE, "Traceback (most recent call last):", "it says 'Traceback'"),
        (3, b"", "", "no sentence"),
        (3, b"", "ebpftrace: Something else.\n", "it does not say 'luck'"),
        (0, WHOLE[:-20], "", "cut off"),
        (0, WHOLE + b"nonsense\n", "", "no JSON"),
        (0, output({**PICTURE, "final": False, "sites": [SITE]}), "", "is not final"),
        (0, output({**PICTURE, "sites": []}), "", "its sites have 0 blocks, its totals 2"),
    ],
)
def test_an_end_that_may_not_be_is_a_finding(
    status: int, stdout: bytes, stderr: str, finding: str | None
):
    expected = may_end(0, 3, -9, says="luck")
    findings = Ended(best(), status, stdout, stderr).findings(expected)
    assert (findings == []) if finding is None else any(finding in each for each in findings)


def test_only_pictures_are_read_as_such():
    assert Ended(TEXT, 0, b"a report", "").findings(may_end(0)) == []
