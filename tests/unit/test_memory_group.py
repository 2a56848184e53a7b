"""Where the control group of a process is, and what is read of it. Real ones are in tests/kernel."""

import os

import pytest

from ebpftrace.target.group_figures import figures_of, killed_in, limits_of, statistics_of
from ebpftrace.target.memory_group import GroupPlace, candidates, place_of

V1 = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
CPU = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
V2 = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw"


def found(groups, *mounts):
    return [(place.directory, place.version) for place in candidates(groups, "\n".join(mounts))]


def test_a_group_of_version_1_is_in_the_hierarchy_that_has_memory():
    groups = "9:cpu,cpuacct:/a\n4:memory:/app/web\n0::/c\n"
    assert found(groups, CPU, V2, V1) == [("/sys/fs/cgroup/memory/app/web", 1)]


def test_a_group_of_version_2_is_found_where_version_1_has_no_memory():
    assert found("9:cpu:/a\n0::/app.slice\n", CPU, V1, V2) == [
        ("/sys/fs/cgroup/unified/app.slice", 2)
    ]


def test_the_root_group_is_the_mount_itself():
    assert found("4:memory:/\n", V1) == [("/sys/fs/cgroup/memory", 1)]


def test_a_mount_of_a_part_shows_the_groups_below_it_and_no_other():
    part = V1.replace(" / ", " /docker/7f ")
    assert found("4:memory:/docker/7f/x\n", part) == [("/sys/fs/cgroup/memory/x", 1)]
    assert found("4:memory:/docker/7f\n", part) == [("/sys/fs/cgroup/memory", 1)]
    assert found("4:memory:/docker/7ff\n", part) == []
    assert found("4:memory:/other\n", part, V1) == [("/sys/fs/cgroup/memory/other", 1)]


@pytest.mark.parametrize(
    "path", ["/../x", "/..", "/a/../../..", "/a/..", "relative", "", "/.././x"]
)
def test_no_path_leads_out_of_the_mount(path):
    assert found(f"4:memory:{path}\n", V1) == []
    assert found("4:memory:/x\n", V1.replace(" / ", " /.. ")) == []


def test_names_with_colons_and_spaces_are_names():
    mount = V1.replace("/sys/fs/cgroup/memory", "/mnt/a\\040b")
    assert found("4:memory:/x:y z\n", mount) == [("/mnt/a b/x:y z", 1)]


def test_a_group_that_was_removed_is_known_by_its_name():
    assert found("0::/gone (deleted)\n", V2) == [("/sys/fs/cgroup/unified/gone", 2)]


@pytest.mark.parametrize("text", ["", "\n", "4:memory", "x", "4:memory:/x", ":::", " - ", "a - b"])
def test_other_texts_are_nothing(text):
    assert found(text, text) == found("4:memory:/x\n", text) == []


def test_a_process_that_is_not_there_has_none():
    assert place_of(0) is None


def group(folder, version=2, **files):
    """Below `folder`, the mount: files by their names with _ for the dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return folder


def place(mount, inside, version=2):
    return GroupPlace(str(mount / inside), version, f"/{inside}", str(mount))


def test_of_each_limit_the_smallest_up_the_tree_binds(tmp_path):
    group(tmp_path / "m", memory_max="90\n")
    group(tmp_path / "m" / "a", memory_max="500\n", memory_high="max\n")
    group(tmp_path / "m" / "a" / "b", memory_max="max\n", memory_high="max\n")
    group(tmp_path, memory_max="1\n")  # above the mount
    assert limits_of(place(tmp_path / "m", "a/b")) == {"memory.max": 90, "memory.high": None}


def test_the_most_that_version_1_can_count_is_no_limit(tmp_path):
    group(tmp_path, memory_limit_in_bytes="9223372036854771712\n")
    name = "memory.limit_in_bytes"
    assert limits_of(GroupPlace(str(tmp_path), 1, "/", str(tmp_path))) == {name: None}


def test_without_a_hierarchy_what_is_above_does_not_bind(tmp_path):
    group(tmp_path, memory_limit_in_bytes="5\n", memory_use_hierarchy="0\n")
    group(tmp_path / "a", memory_limit_in_bytes="70\n", memory_use_hierarchy="1\n")
    assert limits_of(place(tmp_path, "a", 1)) == {"memory.limit_in_bytes": 70}


def test_figures_go_by_the_names_of_files_and_their_lines(tmp_path):
    group(
        tmp_path,
        memory_current="4096\n",
        memory_events="low 0\noom 2\noom_kill 1\nodd\n",
        memory_stat="anon 12\nworkingset_nodes 3\nshmem 5\n",
    )
    here = place(tmp_path, "")
    assert figures_of(here) == {
        "memory.current": 4096,
        "memory.events.low": 0,
        "memory.events.oom": 2,
        "memory.events.oom_kill": 1,
    }
    assert statistics_of(here) == {"memory.stat.anon": 12, "memory.stat.shmem": 5}
    assert killed_in(here) == 1


@pytest.mark.parametrize("text", ["", "x", "-5", "9" * 30, "\0\0", "1 2\n"])
def test_what_is_no_number_is_left_out(tmp_path, text):
    group(tmp_path, memory_current=text, memory_events=f"oom_kill {text}\n")
    here = place(tmp_path, "")
    assert figures_of(here) == {}
    assert killed_in(here) is None


def test_a_group_that_has_gone_has_no_figures(tmp_path):
    here = place(tmp_path / "gone", "x")
    assert (limits_of(here), figures_of(here), statistics_of(here)) == ({}, {}, {})


def test_our_own_group_is_there_or_there_is_none():
    here = place_of(os.getpid())
    assert here is None or figures_of(here)
