"""Processes that come while a watch goes on: children, and what is wanted by name or control group."""

import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.groups import control_group
from tests.kernel.harness import (
    REPOSITORY,
    TIME_SCALE,
    TOOL,
    Tracer,
    Workload,
    copied,
    run_tool,
    wait_until,
    workload,
)
from tests.kernel.pictures import Picture
from tests.kernel.recording import Recording, files


def born(target: Workload) -> dict[str, int]:
    """The pids that `tree` has told."""
    return {who: int(pid) for who, pid in (line.split() for line in target.said)}


def alive(picture: Picture) -> set[int]:
    return {one["pid"] for one in picture.targets if one["alive"]}


def all_alive(picture: Picture, pids: set[int]) -> bool:
    return pids <= alive(picture)


def the_target(picture: Picture, pid: int) -> dict[str, Any]:
    """What `pid` runs at last."""
    return next(one for one in reversed(picture.targets) if one["pid"] == pid)


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_children_and_theirs_are_followed_each_with_blocks_of_its_own():
    with Workload("tree") as target, Tracer(target, options=("--follow",)) as tracer:
        target.phases()
        pids = born(target)
        tracer.until(lambda picture: all_alive(picture, set(pids.values())))
        target.phases()
        picture = tracer.settled()
        target.phases()
        tracer.until(lambda picture: len(alive(picture)) == 1)
        ended = tracer.finish()
    final = ended.final
    assert picture.held_in("parent_blocks") == (5, 5000)
    assert final.site("child_blocks").held == (30, 3000)
    assert final.site("grandchild_blocks").held == (20, 1000)
    assert final.site("leaf_blocks").held == (10, 2000)
    assert final.site("child_blocks").raw["pid"] == pids["child"]
    assert final.site("grandchild_blocks").raw["pid"] == pids["grandchild"]
    assert final.site("leaf_blocks").raw["pid"] == pids["leaf"]
    assert final.loss("unmatched_free") == 40, "those that the child inherited"
    assert final.faults == {}
    assert the_target(final, pids["parent"])["missed_s"] is None
    for who in ("child", "grandchild", "leaf"):
        one = the_target(final, pids[who])
        assert 0 < one["missed_s"] < 10 * TIME_SCALE
        assert (one["ended"], one["ended_by"]) == ("exited", "status 0")
    assert ended.status == 0


def test_without_it_children_are_not_followed():
    with Workload("tree") as target, Tracer(target) as tracer:
        target.phases(2)
        ended = tracer.finish()
    assert len(ended.final.targets) == 1
    assert ended.final.held_in("parent_blocks") == (5, 5000)
    assert ended.final.sites_in("child_blocks") == []


def test_an_exec_is_survived_by_what_is_followed():
    with Workload("exec_self") as target, Tracer(target, options=("--follow",)) as tracer:
        before = tracer.first.targets[0]["slot"]
        target.phases()
        target.go()
        target.expect("ready")
        tracer.until(lambda p: any(one["alive"] and one["slot"] != before for one in p.targets))
        target.phases()
        ended = tracer.finish()
    assert ended.final.site("leak_after_exec").held == (20, 4000)
    first, second = ended.final.targets
    assert (first["ended"], first["missed_s"]) == ("exec", None)
    assert 0 < second["missed_s"] < 10 * TIME_SCALE


def test_with_a_name_it_begins_with_nothing_and_picks_up_each_new_instance(tmp_path):
    program = copied(tmp_path, "tree", "ebpft-tree")
    with Tracer(options=("-n", "ebpft-tree")) as tracer:
        assert tracer.first.targets == []
        assert tracer.first.raw["waiting_for"] == ["a process called ebpft-tree"]
        for _ in range(2):
            with Workload(program) as target:
                tracer.until(functools.partial(all_alive, pids={target.pid}))
                target.phases()
                pids = born(target)
                tracer.until(functools.partial(all_alive, pids=set(pids.values())))
                target.phases()
                tracer.settled()
                target.phases()
                target.leave()
            waits = tracer.until(lambda picture: picture.raw["waiting_for"])
            assert not alive(waits)
        ended = tracer.finish()
    assert ended.status == 0
    assert ended.final.held_in("parent_blocks") == (10, 10_000)
    assert ended.final.held_in("grandchild_blocks") == (40, 2000)
    assert len(ended.final.targets) >= 8
    assert all(one["missed_s"] is not None for one in ended.final.targets)


def test_what_runs_already_is_found_by_the_name_of_its_executable(tmp_path):
    program = copied(tmp_path, "tree", "ebpftrace-test-with-a-long-name")
    with Workload(program) as target:
        options = ("-n", "ebpftrace-test-with-a-long-name")
        with Tracer(options=options) as tracer:
            assert [one["pid"] for one in tracer.first.targets] == [target.pid]
            assert tracer.first.targets[0]["missed_s"] is None
            assert tracer.first.raw["waiting_for"] == []
            tracer.finish()
        found = run_tool("probes", *options)
    assert found.returncode == 0
    assert f"(pid {target.pid})" in found.stdout


def test_of_what_does_not_run_there_are_no_probes():
    ended = run_tool("probes", "-n", "ebpft-nothing")
    assert ended.returncode == 3
    assert "Not running now: a process called ebpft-nothing." in ended.stderr


def test_a_pid_that_has_gone_is_a_note_where_a_name_is_waited_for():
    with Tracer(3_999_999, options=("-n", "ebpft-nothing")) as tracer:
        ended = tracer.finish()
    assert ended.status == 0
    assert "There is no process 3999999" in ended.stderr


@pytest.mark.everykernel
def test_what_is_in_a_control_group_and_below_is_watched():
    with control_group() as group, Workload("tree") as target:
        below = group / "below"
        below.mkdir()
        with Tracer(options=("--cgroup", group)) as tracer:
            assert tracer.first.targets == []
            (below / "cgroup.procs").write_text(str(target.pid))
            tracer.until(lambda picture: target.pid in alive(picture))
            target.phases()
            pids = born(target)
            tracer.until(lambda picture: all_alive(picture, set(pids.values())))
            target.phases()
            picture = tracer.settled()
            target.phases()
            target.leave()
            tracer.until(lambda picture: not alive(picture))
            below.rmdir()
            ended = tracer.finish()
    assert picture.held_in("parent_blocks") == (5, 5000)
    assert picture.held_in("grandchild_blocks") == (20, 1000)
    assert ended.status == 0
    assert ended.final.faults == {}


def test_a_group_that_vanishes_and_comes_again_is_the_same_group():
    with control_group() as group:
        name = group.name
        group.rmdir()
        with Tracer(options=("--cgroup", f"/{name}")) as tracer:
            said = f"a process in the control group /{name}"
            assert tracer.first.raw["waiting_for"] == [f"{said}, which is not there"]
            for _ in range(2):
                group.mkdir()
                with Workload("tree") as target:
                    (group / "cgroup.procs").write_text(str(target.pid))
                    tracer.until(functools.partial(all_alive, pids={target.pid}))
                    target.leave()
                wait_until(lambda: not (group / "cgroup.procs").read_text(), "an empty group")
                tracer.until(lambda picture: picture.raw["waiting_for"] == [said])
                group.rmdir()
                tracer.until(lambda picture: "not there" in str(picture.raw["waiting_for"]))
            group.mkdir()
            ended = tracer.finish()
    assert len(ended.final.targets) == 2
    assert ended.status == 0


def test_in_a_storm_of_children_everything_has_a_bound_and_those_that_were_missed_are_counted():
    count = 10_000
    with Workload("storm", count) as target, Tracer(target, options=("--follow",)) as tracer:
        before = descriptors(tracer.pid)
        target.phases()
        picture = tracer.until(lambda p: p.loss("process_missed") > 0 and len(alive(p)) == 1)
        picture = tracer.settled()
        seen = sum(one["programs"] for one in picture.targets)
        assert seen - 1 + picture.loss("process_missed") == count
        assert picture.held_in("parent_blocks") == (3, 30)
        assert len(picture.targets) <= 52
        wait_until(lambda: descriptors(tracer.pid) < before + 2000, "descriptors given back")
        ended = tracer.finish()
    assert ended.status == 0
    assert ended.final.loss("ringbuf_full") == 0


def test_ended_children_are_folded_and_totals_never_go_back():
    storm = Workload("storm", 700, 800)
    with storm as target, Tracer(target, options=("--follow", "--top", 0)) as tracer:
        target.go()
        least, picture = 0, tracer.first
        while not (picture.targets[0]["programs"] > 1 and len(picture.targets) <= 52):
            picture = tracer.picture()
            assert picture.held[0] >= least
            least = picture.held[0]
            assert sum(site.held[0] for site in picture.sites) == least
        target.expect("done")
        final = tracer.finish().final
    folded = final.targets[0]
    assert (folded["pid"], folded["alive"], folded["missed_s"]) == (0, False, None)
    counted = sum(one["programs"] for one in final.targets) - 1
    assert counted + final.loss("process_missed") == 700
    (together,) = [site for site in final.sites_in("child_blocks") if site.raw["pid"] == 0]
    assert together.held == (10 * folded["programs"], 1000 * folded["programs"])


def test_the_poller_keeps_its_interval_in_a_storm():
    storm = Workload("storm", 3000)
    with storm as target, Tracer(target, options=("--follow",), interval=0.5) as tracer:
        target.go()
        times = [tracer.picture().raw["since_attach_s"] for _ in range(8)]
        target.expect("done")
        tracer.finish()
    gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert max(gaps) < 3 * TIME_SCALE


INSIDE = """
import json
from tests.kernel.harness import Tracer, Workload
from tests.kernel.test_newcomers import all_alive, born
with Workload("tree") as target, Tracer(target, options=("--follow",)) as tracer:
    target.phases()
    pids = born(target)
    tracer.until(lambda picture: all_alive(picture, set(pids.values())))
    target.phases()
    picture = tracer.settled()
    tracer.finish()
print(json.dumps({"pids": pids, "picture": picture.raw}))
"""


def test_in_a_pid_namespace_of_its_own_children_go_by_their_numbers_there():
    ended = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", INSIDE],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=90 * TIME_SCALE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    picture, pids = Picture(said["picture"]), said["pids"]
    assert max(pids.values()) < 100, "numbers of the namespace"
    assert picture.site("grandchild_blocks").raw["pid"] == pids["grandchild"]
    assert picture.site("leaf_blocks").held == (10, 2000)
    assert {one["pid"] for one in picture.targets} == set(pids.values())


def test_a_program_in_mount_and_pid_namespaces_of_its_own_is_shown_by_the_pid_that_we_have(
    tmp_path,
):
    program = copied(tmp_path, "tree", "ebpft-inside")
    command = ["unshare", "--pid", "--mount", "--fork", str(program)]
    with Tracer(options=("-n", "ebpft-inside")) as tracer:
        inside = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            picture = tracer.until(alive)
            assert inside.stdin
            inside.stdin.write(b"go\n")
            inside.stdin.flush()
            picture = tracer.until(lambda picture: len(alive(picture)) == 4)
            inside.stdin.write(b"go\n")
            inside.stdin.flush()
            picture = tracer.until(lambda p: p.held_in("leaf_blocks") == (10, 2000))
            comms = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in alive(picture)}
            tracer.finish()
        finally:
            inside.kill()
            inside.communicate()
    assert comms == {"ebpft-inside", "exe"}
    assert picture.held_in("child_blocks") == (30, 3000)


def test_the_recorder_waits_for_a_name_and_tells_of_each_end(tmp_path):
    folder = tmp_path / "kept"
    program = copied(tmp_path, "tree", "ebpft-kept")
    with Recording(folder=folder, every="1s", options=("-n", "ebpft-kept")) as recording:
        with Workload(program) as target:
            recording.until(lambda: _knows(recording, target.pid), "snapshot of it")
            target.leave()
        snapshot = recording.until_kind("end")
        assert f"(pid {target.pid}) ended: status 0" in snapshot.trigger.sentence
        assert recording.finish(signal.SIGTERM) == 0
    assert files(folder)


def _knows(recording: Recording, pid: int) -> bool:
    with contextlib.suppress(Exception):
        return any(target.pid == pid for target in recording.last().picture.targets)
    return False


@pytest.fixture
def nginx(tmp_path: Path) -> list[str]:
    """The command of one with four workers; none of its files is anybody else's."""
    (tmp_path / "nginx.conf").write_text(
        f"""
        worker_processes 4; daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log;
        events {{ worker_connections 64; }}
        http {{ access_log off; server {{ listen unix:{tmp_path}/socket; return 200 hi; }}
          client_body_temp_path {tmp_path}/a; proxy_temp_path {tmp_path}/b;
          fastcgi_temp_path {tmp_path}/c; uwsgi_temp_path {tmp_path}/d; scgi_temp_path {tmp_path}/e; }}
        """
    )
    path = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    assert path, "scripts/setup --dev installs it"
    return [path, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]


def test_nginx_is_found_with_its_workers_and_its_new_workers_when_it_reloads(nginx):
    with Tracer(options=("-n", "nginx")) as tracer:
        server = subprocess.Popen(nginx, stdin=subprocess.DEVNULL)
        try:
            first = tracer.until(lambda picture: len(alive(picture)) == 5)
            server.send_signal(signal.SIGHUP)
            again = tracer.until(lambda p: len(alive(p)) == 5 and len(alive(p) & alive(first)) == 1)
            server.terminate()
            server.wait(20 * TIME_SCALE)
            tracer.until(lambda picture: not alive(picture))
            ended = tracer.finish()
        finally:
            server.kill()
            server.wait()
    assert {one["comm"] for one in again.targets} == {"nginx"}
    assert {one["ended_by"] for one in ended.final.targets} == {"status 0"}
    assert ended.final.faults == {}
    assert ended.status == 0


def test_run_follows_what_the_program_starts():
    storm = (str(workload("storm")), "20", str(round(2000 * TIME_SCALE)))
    with subprocess.Popen(
        [*TOOL, "run", "--follow", "--json", "--", *storm],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    ) as running:
        out, err = running.communicate("go\n", timeout=60 * TIME_SCALE)
    assert running.returncode == 0, err
    said = json.loads(out.strip().splitlines()[-1])
    assert (said["counts"]["blocks"], said["counts"]["bytes"]) == (3, 30)
    assert said["children"] == 0
    known = [one for one in said["followed"] if one["counts"]["blocks"] == 10]
    assert len(known) >= 5
    assert all(one["missed_s"] > 0 for one in known)
