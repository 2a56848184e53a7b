"""Control groups by what a user calls them: directories, paths, and neither."""

import os
from pathlib import Path

import pytest

from ebpftrace.errors import UsageError
from ebpftrace.target import control_group
from ebpftrace.target.control_group import ControlGroup
from ebpftrace.target.group_mounts import GroupMount, mounts_in


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hierarchies as on a host with both versions, made of plain files."""
    lines = []
    for number, (name, kind, what) in enumerate(
        (
            ("memory", "cgroup", "rw,memory"),
            ("systemd", "cgroup", "rw,name=systemd"),
            ("unified", "cgroup2", "rw"),
        )
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("1\n")
        lines.append(f"{30 + number} 2 0:1 / {tmp_path}/{name} rw - {kind} {kind} {what}")
    monkeypatch.setattr(control_group, "own_mounts", lambda: "\n".join(lines))
    return tmp_path


def group(directory: Path, *pids: int) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    return directory


def test_a_directory_is_that_group_with_what_is_below_it(root):
    made = group(root / "memory" / "app", 7)
    group(made / "worker", 8, 9)
    assert ControlGroup.named(str(made)).pids() == {7, 8, 9}
    assert ControlGroup.named(f"{made}/").pids() == {7, 8, 9}


@pytest.mark.parametrize(
    "given",
    [
        "/app.slice/a.service",
        "/app.slice/a.service/",
        "0::/app.slice/a.service",
        "4:memory:/app.slice/a.service",
        "1:name=systemd:/app.slice/a.service",
    ],
)
def test_a_path_is_what_proc_and_systemd_print(root, given):
    group(root / "systemd" / "app.slice" / "a.service", 5)
    assert ControlGroup.named(given).pids() == {5}


def test_of_several_hierarchies_the_first_that_has_a_process_counts(root):
    group(root / "unified" / "app")
    group(root / "memory" / "app", 3)
    named = ControlGroup.named("/app")
    assert named.pids() == {3}
    group(root / "unified" / "app", 4)
    assert named.pids() == {4}


def test_one_that_is_not_there_may_come_and_go_and_come(root):
    for named in (ControlGroup.named("/late"), ControlGroup.named(str(root / "memory" / "late"))):
        assert (named.exists(), named.pids()) == (False, set())
        made = group(root / "memory" / "late", 6)
        assert (named.exists(), named.pids()) == (True, {6})
        (made / "cgroup.procs").unlink()
        made.rmdir()
        assert (named.exists(), named.pids()) == (False, set())


def test_processes_of_another_pid_namespace_are_none_of_ours(root):
    assert ControlGroup.named(str(group(root / "memory" / "app", 0, 5))).pids() == {5}


def test_a_link_below_is_not_followed(root):
    made = group(root / "memory" / "app", 5)
    group(root / "memory" / "other", 6)
    (made / "link").symlink_to(root / "memory" / "other")
    assert ControlGroup.named(str(made)).pids() == {5}


@pytest.mark.parametrize(
    "given", ["", "app.service", "/usr", "/etc/passwd", "/a/../b", "a/b", "../x", "\x1b[2J"]
)
def test_what_can_be_no_control_group_is_refused_in_a_clean_sentence(root, given, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(UsageError) as refused:
        ControlGroup.named(given)
    assert str(refused.value).isprintable()
    assert "control group" in str(refused.value)


def test_a_relative_directory_of_one_is_one(root, monkeypatch):
    group(root / "memory" / "app", 5)
    monkeypatch.chdir(root / "memory")
    named = ControlGroup.named("app")
    os.chdir("/")
    assert named.pids() == {5}


def test_its_name_is_shown_without_what_moves_a_terminal(root):
    named = ControlGroup.named("/app\x1b[31m")
    assert named.said().isprintable()


def test_mounts_tell_their_root_version_and_controllers():
    lines = [
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw",
        r"32 31 0:29 /docker/a /sys/fs/cgroup/cpu\040x rw - cgroup cgroup rw,cpu,cpuacct",
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        "cut",
    ]
    first, second = mounts_in("\n".join(lines))
    assert first == GroupMount("/docker/a", "/sys/fs/cgroup/cpu x", 1, ("rw", "cpu", "cpuacct"))
    assert (second.version, second.directory_of("/x/y")) == (2, "/sys/fs/cgroup/unified/x/y")
    assert first.directory_of("/docker/a/b") == "/sys/fs/cgroup/cpu x/b"
    assert first.directory_of("/docker/b") is None
    assert first.directory_of("/docker/a/../b") is None
