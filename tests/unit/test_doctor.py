"""The report of doctor and its bundle, without a host that is broken."""

import io
import json
import os
import tarfile
import time

import pytest

from ebpftrace.cli.doctor import _status
from ebpftrace.cli.main import main
from ebpftrace.doctor import bundle, host_checks, target_checks
from ebpftrace.doctor.bounded import bounded
from ebpftrace.doctor.observation import Observation
from ebpftrace.doctor.report import Report
from ebpftrace.doctor.target_checks import TargetReport
from ebpftrace.errors import CannotAttach, HostRefuses, UsageError
from ebpftrace.host.check import failed, note, ok
from ebpftrace.probes.plan import Plan
from ebpftrace.probes.refusal import Refusal

FINE = ok("privileges", "root")
ODD = note("lockdown", "confidentiality", "Nothing.")
BROKEN = failed("BPF maps", "bpf() gives EPERM.", "Run it with sudo.")
ALSO_BROKEN = failed("uprobes", "they give EPERM.", "Run it with sudo.")


def target(*checks, pid=7):
    return TargetReport(pid, "app", "/srv/app", ("glibc",), checks, ("the plan",))


def test_a_failure_has_its_fix_below_it_and_the_conclusion_names_the_first():
    lines = Report((FINE, BROKEN, ALSO_BROKEN)).lines()
    assert lines[1].split() == ["FAILED", "BPF", "maps", "bpf()", "gives", "EPERM."]
    assert lines[2].strip() == "fix: Run it with sudo."
    assert lines[4].strip() == "fix: the same"
    assert lines[-1] == "attach cannot work here: bpf() gives EPERM."


def test_notes_do_not_keep_attach_from_working():
    assert Report((FINE, ODD)).lines()[-1] == "attach will work here."


def test_a_process_that_is_not_fit_is_named_in_the_conclusion():
    report = Report((FINE,), (target(FINE), target(failed("process", "It is gone.", ""), pid=8)))
    assert report.conclusion() == "attach will work here, but not on process 8: It is gone."


@pytest.mark.parametrize(
    "report, status",
    [
        (Report((FINE, ODD)), 0),
        (Report((FINE, BROKEN)), 1),
        (Report((FINE,), (target(FINE),)), 0),
        (Report((FINE,), (target(BROKEN),)), 3),
        (Report((FINE,), (target(BROKEN), target(FINE))), 1),
        (Report((BROKEN,), (target(BROKEN),)), 1),
    ],
)
def test_the_status_tells_the_host_from_the_process(report, status):
    assert _status(report) == status


def test_json_says_what_the_table_says():
    found = Report((FINE, BROKEN), (target(FINE),)).as_object()
    assert found["schema"] == "ebpftrace.doctor/1"
    assert found["ok"] is False
    assert [check["verdict"] for check in found["checks"]] == ["ok", "failed"]
    assert found["targets"][0]["allocators"] == ["glibc"]
    json.dumps(found)


def test_a_check_that_raises_is_a_failed_check():
    def broken():
        raise ZeroDivisionError("by nothing")

    check = bounded("sums", broken)
    assert (check.name, check.verdict) == ("sums", "failed")
    assert "by nothing" in check.found


def test_a_check_that_hangs_is_a_failed_check():
    def hanging():
        time.sleep(5)
        return FINE

    check = bounded("sleep", hanging, limit_s=0.05)
    assert (check.name, check.verdict) == ("sleep", "failed")
    assert "not ended" in check.found


def test_the_sentence_of_attach_is_that_of_the_check():
    def refusing():
        raise HostRefuses("It is so.", "Do that.")

    check = bounded("x", refusing)
    assert (check.found, check.fix) == ("It is so.", "Do that.")


def test_the_checks_have_names_of_their_own():
    names = [name for name, _ in host_checks.CHECKS]
    assert len(names) == len(set(names))


def test_a_part_that_fails_is_a_line_of_the_bundle(monkeypatch, tmp_path):
    def no_picture(_self):
        raise CannotAttach("There is no process 7.")

    monkeypatch.setattr(Observation, "picture", no_picture)
    made = bundle.parts(Report((FINE,), (target(FINE),)), [7])
    bundle.write(tmp_path / "b.tar.gz", made)
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        problems = archive.extractfile("ebpftrace-doctor/problems.txt")
        assert problems
        assert problems.read() == b"picture.json: There is no process 7.\n"
        names = [os.path.basename(name) for name in archive.getnames()]
    assert names == [
        "doctor.txt",
        "doctor.json",
        "versions.json",
        "plan-7.txt",
        "log.txt",
        "problems.txt",
    ]
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600


def test_nothing_is_attached_to_where_the_host_is_broken():
    made = bundle.parts(Report((BROKEN,), (target(FINE),)), [7])
    assert "picture.json" not in [part.name for part in made]


@pytest.mark.parametrize("kind", ["file", "link to a file", "dangling link", "folder"])
def test_a_bundle_is_not_written_over_what_is_there(tmp_path, kind):
    path, other = tmp_path / "b.tar.gz", tmp_path / "other"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(other)
        if kind == "link to a file":
            other.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        bundle.check_path(path)
    with pytest.raises(UsageError, match="cannot be written"):
        bundle.write(path, [bundle.Part("a", "b", "c")])
    assert other.exists() == (kind == "link to a file")
    if kind not in {"folder", "dangling link"}:
        assert path.read_text() == "precious"


def test_a_full_disk_leaves_no_half_bundle(monkeypatch, tmp_path):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    def fdopen(fd, _mode):
        os.close(fd)
        return Full()

    monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(UsageError, match="No space left"):
        bundle.write(tmp_path / "b.tar.gz", [bundle.Part("a", "b", "c")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["doctor", "-p", "x"],
        ["doctor", "-n", "redis"],
        ["doctor", "--cgroup", "/x"],
        ["doctor", "--bundle"],
        ["doctor", "--bundle", "/nonexistent/folder/b.tar.gz"],
        ["doctor", "--bundle", "/etc/hostname"],
        ["doctor", "surplus"],
    ],
)
def test_bad_usage_of_doctor_is_a_sentence_and_status_2(words, capsys):
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("ebpftrace: ")
    assert said.err.count("\n") == 1


def test_a_guard_has_a_line_of_its_own_and_the_probes_line_does_not_repeat_it():
    refused = Refusal("exceptions", "x can throw.")
    made = Plan((), ("glibc",), ("y was not searched.", "x can throw."), (), (refused,))
    lines = target_checks.plan_checks(made)
    assert [(line.name, line.verdict) for line in lines] == [
        ("probes", "note"),
        ("exceptions", "note"),
        ("Go code", "ok"),
        ("patched code", "ok"),
    ]
    assert lines[0].found == "0 probes on glibc. y was not searched."
    assert lines[1].found == "x can throw."
