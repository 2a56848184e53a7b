"""What `doctor` says of a host that works and of processes, and the bundle that it packs."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.kernel.harness import Tracer, Workload, probed_text, run_tool, wait_until, workload
from tests.kernel.pictures import Picture
from tests.kernel.test_killed import worker_of

OK, BAD_USAGE, NOT_ATTACHED, FAILED_CHECK = 0, 2, 3, 1
SECRET = "a-word-that-nobody-else-uses"


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        found = {}
        for name in archive.getnames():
            file = archive.extractfile(name)
            assert file
            found[os.path.basename(name)] = file.read().decode()
        return found


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_on_a_host_that_works_every_line_says_so_and_attach_does():
    found = run_tool("doctor")
    assert found.returncode == OK, found.stdout
    assert found.stderr == ""
    assert found.stdout.splitlines()[-1] == "attach will work here."
    assert "FAILED" not in found.stdout


def test_a_process_is_looked_at_and_not_attached_to():
    with Workload("family", "stay") as target:
        found = run_tool("doctor", "-p", target.pid)
        assert probed_text(target.pid) == []
    assert found.returncode == OK, found.stdout
    assert f"process {target.pid}" in found.stdout
    assert "probes on glibc" in found.stdout


def test_json_is_one_object_with_the_checks_and_the_plan():
    with Workload("family", "stay") as target:
        found = run_tool("doctor", "--json", "-p", target.pid)
    assert found.stdout.count("\n") == 1
    told = json.loads(found.stdout)
    assert told["schema"] == "ebpftrace.doctor/1"
    assert told["ok"] is True
    assert {check["verdict"] for check in told["checks"]} <= {"ok", "note"}
    assert told["targets"][0]["pid"] == target.pid
    assert told["targets"][0]["allocators"] == ["glibc"]
    assert any("malloc" in line for line in told["targets"][0]["plan"])


def test_a_filter_around_the_process_is_noted():
    launcher = Path(workload("family")).parents[1] / "refuse_call.py"
    command = ["python3", str(launcher), "999", "EPERM", "sleep", "60"]
    target = subprocess.Popen(command)
    try:
        while os.readlink(f"/proc/{target.pid}/exe").find("sleep") < 0:
            assert target.poll() is None
        found = run_tool("doctor", "-p", target.pid)
    finally:
        target.kill()
        target.wait()
    assert found.returncode == OK, found.stdout
    assert "under a seccomp filter" in found.stdout


def test_a_leader_that_has_ended_is_noted():
    with Workload("leader_exits", "before") as target:
        found = run_tool("doctor", "-p", target.pid)
    assert found.returncode == OK, found.stdout
    assert "the first one has ended and the process lives on" in found.stdout


@pytest.mark.alone
def test_another_tracer_is_named_and_what_doctor_itself_tries_is_not():
    perf = ("--backend", "perf")
    # Of a test before this one a worker may still remove its events.
    wait_until(
        lambda: "ebpftrace-probe" not in run_tool("doctor", "--json").stdout,
        "no other tracer on this host",
    )
    with Workload("loop_time") as target, Tracer(target, options=perf) as tracer:
        holder = worker_of(tracer.pid)
        found = run_tool("doctor", "--json")
        tracer.finish()
    said = next(
        c["found"] for c in json.loads(found.stdout)["checks"] if c["name"] == "other tracers"
    )
    assert f"ebpftrace-probe ({holder})" in said
    assert said.count("ebpftrace-probe") == 1


def a_dead_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_a_pid_of_nobody_is_a_failed_check_and_the_status_of_attach():
    pid = a_dead_pid()
    found = run_tool("doctor", "-p", pid)
    assert found.returncode == NOT_ATTACHED
    assert f"There is no process {pid}" in found.stdout
    assert found.stdout.splitlines()[-1].startswith(
        f"attach will work here, but not on process {pid}: "
    )


@pytest.mark.parametrize("program", ["no_libc", "static_prog_stripped", "elf32"])
def test_a_program_that_cannot_be_probed_is_refused_with_the_sentence_of_attach(program: str):
    with Workload(program) as target:
        found = run_tool("doctor", "-p", target.pid)
        attached = run_tool("attach", "-p", target.pid)
    assert found.returncode == attached.returncode == NOT_ATTACHED
    assert attached.stderr.removeprefix("ebpftrace: ").strip() in found.stdout


def test_one_process_of_two_that_is_gone_is_a_finding():
    with Workload("family", "stay") as target:
        found = run_tool("doctor", "-p", target.pid, "-p", a_dead_pid())
    assert found.returncode == FAILED_CHECK


def test_a_bundle_holds_what_a_bug_report_needs_and_no_secrets(tmp_path: Path):
    path = tmp_path / "bundle.tar.gz"
    os.environ["EBPFTRACE_TEST_SECRET"] = SECRET
    try:
        with Workload("family", "stay", SECRET) as target:
            found = run_tool("doctor", "-p", target.pid, "--bundle", path)
            assert probed_text(target.pid) == []
    finally:
        del os.environ["EBPFTRACE_TEST_SECRET"]
    assert found.returncode == OK, found.stdout + found.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    inside = contents(path)
    assert set(inside) == {
        "doctor.txt",
        "doctor.json",
        "versions.json",
        f"plan-{target.pid}.txt",
        "picture.json",
        "log.txt",
    }
    for name in inside:
        assert name in found.stdout
    picture = Picture.parse(inside["picture.json"])
    assert picture.targets[0]["pid"] == target.pid
    assert picture.raw["losses"]
    assert picture.raw["cost"]["kernel_bytes"]
    assert "attached" in inside["log.txt"]
    versions = json.loads(inside["versions.json"])
    assert all(versions.values())
    assert "unknown" not in versions.values()
    assert SECRET not in "".join(inside.values())


def test_a_bundle_of_a_broken_host_says_what_is_broken(tmp_path: Path):
    path = tmp_path / "bundle.tar.gz"
    host = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    found = run_tool("doctor", "--json", "-p", os.getpid(), "--bundle", path, user=host)
    assert found.returncode == FAILED_CHECK
    told = json.loads(found.stdout)
    assert told["bundle"]["file"] == str(path)
    assert set(told["bundle"]["contents"]) == set(contents(path))
    assert "FAILED" in contents(path)["doctor.txt"]


def test_an_output_that_takes_nothing_is_a_sentence():
    ended = run_tool("doctor", user=("sh", "-c", 'exec "$@" >/dev/full', "sh"))
    assert ended.returncode == BAD_USAGE
    assert ended.stderr == "ebpftrace: The output cannot be written: No space left on device.\n"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_bundle_is_never_written_over_or_through_anything(tmp_path: Path, kind: str):
    path, other = tmp_path / "b.tar.gz", tmp_path / "other"
    if kind == "file":
        path.write_text("precious")
    else:
        path.symlink_to(other)
    found = run_tool("doctor", "--bundle", path)
    assert found.returncode == BAD_USAGE
    assert str(path) in found.stderr
    assert found.stdout == ""
    assert not other.exists()
