"""By what a process ended, and what was known of it and its memory just before."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ebpftrace.model.snapshot import Trigger
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import prepare
from ebpftrace.session.session import Session
from ebpftrace.session.taking import taken
from ebpftrace.target.process import Process
from tests.kernel.groups import GROUP_FILES, memory_group
from tests.kernel.harness import WORK_LIMIT, Tracer, Workload, wait_until, workload

# The compiler runs in a fork of a process that has the harness's reader threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

# A parent that reaps at once: nothing is left in /proc then.
_REAPS = """exec 3<&0; sh -c 'echo $$; exec "$0" "$@"' "$0" "$@" <&3 3<&- & exec 3<&-; wait"""


class Reaped(Workload):
    """`ends` as the child of a shell that waits for it."""

    def __init__(self, *args: object) -> None:
        super().__init__(Path("/bin/sh"), "-c", _REAPS, workload("ends"), *args)

    @property
    def pid(self) -> int:
        return int(self.said[0])


@contextmanager
def watching(target: Workload, **options: Any) -> Iterator[Session]:
    capture = CaptureOptions(interval=0.2, **options)
    session = Session.open([Process.open(target.pid)], prepare(capture), warn=print)
    try:
        yield session
    finally:
        session.close()


ENDINGS = {
    ("exit", 0): "status 0",
    ("exit", 3): "status 3",
    ("thread", 5): "status 5",
    ("fault",): "SIGSEGV",
    ("killed",): "SIGKILL",
}


@pytest.mark.oldkernel
def test_a_target_says_by_what_it_ended_though_its_parent_has_reaped_it():
    with ExitStack() as stack:
        targets = {how: stack.enter_context(Reaped(*how)) for how in ENDINGS}
        tracer = stack.enter_context(Tracer(*targets.values()))
        assert {each["ended_by"] for each in tracer.first.targets} == {None}
        for target in targets.values():
            target.phases()
        os.kill(targets.pop(("killed",)).pid, signal.SIGKILL)
        for target in targets.values():
            target.go()
        ended = tracer.ended()
    assert [each["ended_by"] for each in ended.final.targets] == list(ENDINGS.values())
    assert ended.final.held_in("keep") == (50, 5000)
    assert ended.status == 4


@pytest.mark.everykernel
def test_the_last_picture_before_an_oom_kill_holds_all_and_the_facts_outlive_the_process():
    with memory_group(32 << 20) as (group, version), Reaped("hungry") as target:
        (group / "cgroup.procs").write_text(str(target.pid))
        with watching(target, facts=True, environment=True) as session:
            target.phases()
            before = session.facts()
            target.go()
            while (line := target.out.next(WORK_LIMIT, "end")) is not None:
                target.said.append(line)
            wait_until(lambda: session.latest().final, "the final picture")
            final = session.stop()
            snapshot = taken(session, final, Trigger("end", "It ended."), (), blocks=True)
            blocks = [*snapshot.blocks()] if snapshot.blocks else []
    said = int(target.said[-1].split()[1])
    assert [one.ended_by for one in final.targets] == ["SIGKILL, out of memory"]
    bites = next(site for site in final.sites if site.at.frames[0].function == "bite")
    assert bites.counts.blocks in (said, said + 1)  # it may have been killed before it said so
    assert bites.counts.bytes == bites.counts.blocks << 16
    (was,), (known,) = before, snapshot.processes
    assert known.command_line == (str(workload("ends")), "hungry")
    assert known.environment is not None
    assert f"PATH={os.environ['PATH']}" in known.environment
    assert (known.started, known.limits) == (was.started, was.limits)
    assert known.memory is not None
    assert known.memory.status["RssAnon"] > 0
    assert known.memory.rollup is not None
    assert known.memory.rollup["Rss"] > 0
    assert known.memory.status_at < final.since_attach_s
    assert known.group is not None
    assert known.group.path.endswith(f"/{group.name}")
    assert known.group.version == version
    limit, events = GROUP_FILES[version]
    assert known.group.limits[limit] == 32 << 20
    usage = "memory.usage_in_bytes" if version == 1 else "memory.current"
    assert known.group.figures[usage] <= 32 << 20
    assert known.group.figures[f"{events}.oom_kill"] == 1
    libc = [row for row in known.mappings if "libc" in row.path and "x" in row.perms]
    assert len(libc) == 1
    assert libc[0].build_id
    assert any(row.path == "[heap]" for row in known.mappings)
    assert sum(map(len, (one.site for one in blocks))) == final.totals.blocks
    assert {final.sites[index].at.id for one in blocks for index in one.site} == {
        site.at.id for site in final.sites
    }


def test_a_process_that_gives_back_much_memory_at_its_end_has_lost_nothing_by_that():
    with Workload("ends", "hungry") as target, watching(target) as session:
        target.phases()
        target.go()
        while (line := target.out.next(WORK_LIMIT, "bite")) != "held 3000":
            assert line is not None
        os.kill(target.pid, signal.SIGKILL)
        wait_until(lambda: session.latest().final, "the final picture")
        final = session.stop()
    assert [one.ended_by for one in final.targets] == ["SIGKILL"]
    assert not final.losses.faults()


def test_what_was_allocated_just_before_an_exec_has_its_stack():
    with Workload("ends", "exec") as target, watching(target) as session:
        target.go()
        wait_until(lambda: session.latest().final, "the final picture")
        final = session.stop()
    assert final.targets[0].ended == "exec"
    last = [
        site for site in final.sites if site.at.frames and site.at.frames[0].function == "at_last"
    ]
    assert [(site.counts.blocks, site.counts.bytes, site.at.complete) for site in last] == [
        (100, 30_000, True)
    ]
    assert [loss.name for loss, _ in final.losses.faults()] in ([], ["process_missed"])  # `true`
