"""However a watch ends, its target runs on untouched: the picture first, then no probe is left.

`probed_text` compares the target's code with its files, byte by byte. Loop times have wide margins: a
probed pair costs hundreds of times a bare one.
"""

import os
import signal
import subprocess

import pytest

from tests.kernel.harness import (
    EXACT,
    LEAVE_LIMIT,
    REPOSITORY,
    TOOL,
    Tracer,
    Workload,
    probed_text,
    wait_until,
)
from tests.kernel.pictures import Picture


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_watch_that_is_told_to_end_leaves_the_target_at_full_speed(by: signal.Signals):
    with Workload("loop_time") as target:
        target.go()
        before = target.pair_ns()
        with Tracer(target) as tracer:
            during = target.pair_ns()
            assert probed_text(target.pid) != []
            ended = tracer.finish(by)
        assert probed_text(target.pid) == []
        after = target.pair_ns()
    assert ended.status == 0
    assert ended.final.allocated[0] > 0
    assert ended.final.held[0] <= 1
    assert during > 20 * before
    assert after < 3 * before


def test_a_killed_tool_leaves_the_target_at_full_speed():
    with Workload("loop_time") as target:
        target.go()
        before = target.pair_ns()
        with Tracer(target) as tracer:
            during = target.pair_ns()
            tracer.process.kill()
            tracer.wait(LEAVE_LIMIT)
            wait_until(lambda: not probed_text(target.pid), "probes gone", LEAVE_LIMIT)
        after = target.pair_ns()
    assert during > 20 * before
    assert after < 3 * before


def test_a_ctrl_c_in_the_middle_of_attaching_leaves_nothing():
    with Workload("loop_time") as target:
        target.go()
        command = [*TOOL, "attach", *EXACT, "--json", "-p", str(target.pid)]
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as tool:
            wait_until(lambda: probed_text(target.pid), "first probe")
            tool.send_signal(signal.SIGINT)
            _, stderr = tool.communicate(timeout=LEAVE_LIMIT)
        assert tool.returncode == 0
        assert "Traceback" not in stderr
        assert probed_text(target.pid) == []
        assert target.process.poll() is None


def test_a_start_without_any_open_stream_is_no_defect():
    with Workload("loop_time") as target:
        command = " ".join([*TOOL, "attach", *EXACT, "--count", "1", "-p", str(target.pid)])
        ran = subprocess.run(
            ["sh", "-c", f"{command} <&- >&- 2>&-"],
            cwd=REPOSITORY,
            check=False,
            timeout=LEAVE_LIMIT,
        )
        assert ran.returncode == 0


def test_a_closed_output_ends_the_watch_as_asked():
    with Workload("loop_time") as target:
        target.go()
        command = [*TOOL, "attach", *EXACT, "--json", "--interval", "0.2", "-p", str(target.pid)]
        reading, writing = os.pipe()
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdout=writing, stderr=subprocess.PIPE, text=True
        ) as tool:
            os.close(writing)
            with os.fdopen(reading) as pictures:
                assert Picture.parse(pictures.readline()).targets
            _, stderr = tool.communicate(timeout=LEAVE_LIMIT)
        assert tool.returncode == 0
        assert "Traceback" not in stderr
        assert "BrokenPipe" not in stderr
        assert probed_text(target.pid) == []


def test_the_last_targets_end_ends_the_watch_and_the_others_stay_in_the_picture():
    with (
        Workload("static_prog") as one,
        Workload("big_and_strdup") as two,
        Tracer(one, two) as tool,
    ):
        one.phases()
        two.phases()
        one.leave()
        picture = tool.until(lambda picture: not all(each["alive"] for each in picture.targets))
        assert picture.held == (6, 300_500)
        two.phases()
        assert tool.settled().allocated == (12, 301_100)
        two.leave()
        ended = tool.ended()
    assert ended.status == 4
    assert ended.final.held == (7, 300_600)
    assert {each["pid"]: each["alive"] for each in ended.final.targets} == {
        one.pid: False,
        two.pid: False,
    }


def test_a_target_that_is_killed_keeps_its_last_picture():
    with Workload("family", "stay") as target, Tracer(target) as tracer:
        target.phases()
        target.process.kill()
        ended = tracer.ended()
    assert ended.status == 4
    assert ended.final.held == (11, 330_000)


def test_a_watch_of_a_set_duration_ends_as_asked():
    with Workload("loop_time") as target, Tracer(target, options=("--duration", "1s")) as tracer:
        ended = tracer.ended()
        assert probed_text(target.pid) == []
    assert ended.status == 0
    assert ended.final.raw["since_attach_s"] >= 1


def test_a_watch_of_a_set_count_shows_so_many_pictures(tmp_path):
    log = tmp_path / "log"
    options = ("--count", 3, "--log-file", log, "--debug")
    with Workload("family", "stay") as target, Tracer(target, options=options) as tracer:
        seen = [tracer.first]
        while not seen[-1].final:
            seen.append(tracer.picture())
        assert tracer.wait(LEAVE_LIMIT) == 0
    # A count is of intervals or of pictures: the first, unasked one may come on top.
    assert len(seen) in (3, 4)
    assert str(target.pid) in log.read_text()
