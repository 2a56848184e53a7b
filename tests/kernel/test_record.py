"""`ebpftrace record` on real processes: what it had when they ended is on disk, whole and readable."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ebpftrace.errors import UsageError
from ebpftrace.snapshot.loading import load
from tests.kernel.groups import GROUP_FILES, memory_group
from tests.kernel.harness import LEAVE_LIMIT, WORK_LIMIT, Workload, probed_text, run_tool
from tests.kernel.recording import Recording, files

SITES, EACH = 40, 5
BLOCKS, BYTES = SITES * EACH, 64 * SITES * EACH  # of each phase


@pytest.fixture
def work():
    with Workload("many_sites", SITES, EACH) as program:
        yield program


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "box"


def held(snapshot):
    return snapshot.picture.totals.blocks, snapshot.picture.totals.bytes


def test_the_last_snapshot_of_a_killed_process_holds_all_that_it_held(work, folder):
    with Recording(work, folder=folder) as recording:
        work.phases(3)
        os.kill(work.pid, signal.SIGKILL)
        assert recording.wait(LEAVE_LIMIT) == 4, recording.stderr()
        last = recording.last()
    assert last.trigger.kind == "end"
    assert "SIGKILL" in last.trigger.sentence
    assert held(last) == (3 * BLOCKS, 3 * BYTES)
    assert len([site for site in last.picture.sites if site.counts.blocks]) == SITES
    assert last.picture.targets[0].ended_by == "SIGKILL"
    (process,) = last.processes
    assert process.command_line[1:] == (str(SITES), str(EACH))
    assert process.memory is not None
    assert process.memory.status["VmRSS"] > 0
    assert any(part.build_id for part in process.mappings)
    assert not last.picture.losses.faults()


@pytest.mark.everykernel
def test_an_oom_kill_is_on_disk_with_all_that_was_held(folder):
    with memory_group(32 << 20) as (group, version), Workload("ends", "hungry") as hungry:
        (group / "cgroup.procs").write_text(str(hungry.pid))
        with Recording(hungry, folder=folder) as recording:
            hungry.phases()
            hungry.go()
            while (line := hungry.out.next(WORK_LIMIT, "end")) is not None:
                hungry.said.append(line)
            assert recording.wait(LEAVE_LIMIT) == 4, recording.stderr()
            last = recording.last()
    assert "SIGKILL, out of memory" in last.trigger.sentence
    assert last.picture.targets[0].ended_by == "SIGKILL, out of memory"
    said = int(hungry.said[-1].split()[1])
    bites = next(site for site in last.picture.sites if site.at.frames[0].function == "bite")
    assert bites.counts.blocks in (said, said + 1)  # it may have been killed before it said so
    (process,) = last.processes
    assert process.group is not None
    limit, events = GROUP_FILES[version]
    assert process.group.limits[limit] == 32 << 20
    assert process.group.figures[f"{events}.oom_kill"] == 1


def test_a_signal_takes_a_snapshot_of_what_is_held_now(work, folder):
    with Recording(work, folder=folder) as recording:
        work.phases(2)
        recording.process.send_signal(signal.SIGUSR1)
        asked = recording.until_kind("asked")
        assert held(asked) == (2 * BLOCKS, 2 * BYTES)
        work.phases()
        assert recording.finish() == 0, recording.stderr()
        last = recording.last()
    assert last.trigger.kind == "final"
    assert held(last) == (3 * BLOCKS, 3 * BYTES)
    assert last.watch == asked.watch
    assert [point.at for point in last.history] == sorted(point.at for point in last.history)
    assert not probed_text(work.pid)


def test_tracked_bytes_past_a_size_take_one_snapshot(work, folder):
    options = ("--on", f"tracked={2 * BYTES}")
    with Recording(work, folder=folder, options=options) as recording:
        work.phases(3)
        grown = recording.until_kind("tracked")
        assert grown.picture.totals.bytes >= 2 * BYTES
        recording.finish()
    kinds = Counter(path.stem.split("-")[-1] for path in files(folder))
    assert kinds["tracked"] == 1


def test_single_blocks_are_those_of_the_sites(work, folder):
    with Recording(work, folder=folder, options=("--blocks",)) as recording:
        work.phases(2)
        os.kill(work.pid, signal.SIGKILL)
        recording.wait(LEAVE_LIMIT)
        last = recording.last()
    assert last.blocks is not None
    rows = [row for part in last.blocks() for row in zip(*part, strict=True)]
    assert len({address for _, address, *_ in rows}) == 2 * BLOCKS
    assert {size for _, _, size, _, _ in rows} == {64}
    each = Counter(site for site, *_ in rows)
    assert each == {
        index: site.counts.blocks
        for index, site in enumerate(last.picture.sites)
        if site.counts.blocks
    }


def test_a_killed_recorder_loses_nothing_that_it_had_written(work, folder):
    seen: set[Path] = set()
    for number in range(4):
        options = ("--stream",) if number % 2 else ()
        with Recording(work, folder=folder, every="50ms", options=options) as recording:
            recording.process.send_signal(signal.SIGKILL)
            recording.wait(LEAVE_LIMIT)
        now = files(folder)
        assert seen < set(now)
        for path in set(now) - seen:
            assert load(str(path)).picture.targets[0].pid == work.pid
        seen = set(now)
    with Recording(work, folder=folder) as recording:
        assert not [path for path in folder.iterdir() if path.name.startswith(".tmp")]
        assert recording.finish() == 0
    assert not probed_text(work.pid)


def test_a_stream_is_readable_while_it_is_written_and_after_the_end(work, folder):
    with Recording(work, folder=folder, every="100ms", options=("--stream",)) as recording:
        (path,) = files(folder)
        assert path.suffix == ".ebpfstream"
        work.phases(2)
        recording.until(lambda: held(load(str(path))) == (2 * BLOCKS, 2 * BYTES), "second phase")
        os.kill(work.pid, signal.SIGKILL)
        assert recording.wait(LEAVE_LIMIT) == 4
    assert load(str(path)).trigger.kind == "end"
    assert held(load(str(path))) == (2 * BLOCKS, 2 * BYTES)


def test_a_full_disk_leaves_the_old_snapshots_and_is_said(work, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
    try:
        with Recording(work, folder=folder) as recording:
            first = files(folder)[0]
            content = first.read_bytes()
            room = os.statvfs(folder)
            (folder / ".filler").write_bytes(bytes(room.f_bavail * room.f_bsize))
            recording.process.send_signal(signal.SIGUSR1)
            recording.until(lambda: "space" in recording.stderr(), "sentence about the full disk")
            assert files(folder) == [first]
            assert first.read_bytes() == content
            (folder / ".filler").unlink()
            recording.process.send_signal(signal.SIGUSR1)
            recording.until(lambda: len(files(folder)) == 2, "snapshot after there is room again")
            assert recording.finish() == 0, recording.stderr()
    finally:
        subprocess.run(["umount", folder], check=True)


def test_two_recorders_do_not_share_a_folder(work, folder):
    with Recording(work, folder=folder) as recording:
        second = run_tool("record", "-p", work.pid, "-o", folder)
        assert second.returncode == 2
        assert str(recording.pid) in second.stderr
        assert recording.finish() == 0


def test_two_runs_of_a_program_are_compared_by_stack_and_not_by_address(tmp_path):
    for name, phases in (("yesterday", 1), ("today", 3)):
        with (
            Workload("many_sites", SITES, EACH) as program,
            Recording(program, folder=tmp_path / name) as recording,
        ):
            program.phases(phases)
            recording.finish()
    before, after = tmp_path / "yesterday", tmp_path / "today"
    assert load(str(before)).watch != load(str(after)).watch
    same = run_tool("diff", before, after, "--threshold", 2 * BYTES)
    assert same.returncode == 0, same.stderr
    grown = run_tool("diff", before, after, "--threshold", 2 * BYTES - 1, "--json")
    assert grown.returncode == 1, grown.stderr
    found = run_tool("report", after, "--json")
    assert f'"bytes":{3 * BYTES}' in found.stdout


def test_a_recording_is_read_without_the_libraries_that_made_it(work, folder):
    with Recording(work, folder=folder) as recording:
        work.phases()
        os.kill(work.pid, signal.SIGKILL)
        recording.wait(LEAVE_LIMIT)
    hidden = ["bcc", "drgn", "elftools", "capstone", "textual"]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({hidden!r})); "
    main = "from ebpftrace.cli.main import main; sys.exit(main(['report', sys.argv[1]]))"
    said = subprocess.run(
        [sys.executable, "-c", blocked + main, folder], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "many_sites" in said.stdout
    assert "leaf" in said.stdout


def test_a_folder_that_vanishes_is_made_anew(work, folder):
    with Recording(work, folder=folder) as recording:
        folder.rename(folder.with_name("moved"))
        recording.process.send_signal(signal.SIGUSR1)
        recording.until(lambda: files(folder), "snapshot in a new folder")
        assert recording.finish() == 0, recording.stderr()
    assert files(folder.with_name("moved"))


@pytest.mark.parametrize("given", [(), ("-o", "/proc/nowhere/x"), ("-o", "/etc/hostname")])
def test_a_folder_that_cannot_be_had_is_told_before_anything_is_attached(work, given):
    ended = run_tool("record", "-p", work.pid, *given)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert not probed_text(work.pid)


def test_a_cut_snapshot_is_told_with_its_offset(work, folder):
    with Recording(work, folder=folder) as recording:
        recording.finish()
    path = files(folder)[-1]
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UsageError, match=str(path)):
        load(str(path))
    assert run_tool("report", path).returncode == 2
