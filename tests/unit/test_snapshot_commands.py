"""`report` and `diff` from the command line to their exit status."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.main import main
from ebpftrace.export import jsonl
from ebpftrace.snapshot.format.writing import pieces
from tests.unit.builders import counts, frame, picture, site
from tests.unit.snapshot_builders import KIB, snapshot


def holding(since=12.0, **sizes):
    sites = [
        site(
            name,
            frames=(frame(name, offset=sum(map(ord, name))),),
            counts=counts(min(size, 1), size),
        )
        for name, size in sizes.items()
    ]
    return snapshot(picture(*sites, since_attach_s=since))


REPOSITORY = Path(__file__).parents[2]
BEFORE, AFTER = holding(a=KIB, b=KIB), holding(72.0, a=9 * KIB, b=KIB)


def keep(name, kept):
    Path(name).write_bytes(b"".join(pieces(kept)))


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep("before", BEFORE)
    keep("after", AFTER)


def run(capsys, *arguments):
    status = main(arguments)
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["report"],
        ["report", "nowhere"],
        ["report", "before", "after"],
        ["report", "before", "--sort", "name"],
        ["report", "before", "--skip-frame", "("],
        ["diff"],
        ["diff", "before"],
        ["diff", "before", "nowhere"],
        ["diff", "before", "after", "--threshold", "much"],
        ["diff", "before", "after", "--sort", "age"],
        ["diff", *["before"] * 33],
    ],
)
def test_bad_usage_is_a_sentence_and_status_2(arguments, capsys):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (Exit.USAGE, "")
    assert err.startswith("ebpftrace: ")
    assert err.count("\n") == 1


def test_of_a_directory_the_file_that_was_chosen_is_named(capsys, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    chosen = str(folder / "20261120T120000.000Z-end.ebpftrace")
    keep(chosen, BEFORE)
    assert f"  file     {chosen}\n" in run(capsys, "report", str(folder))[1]
    assert f"  file     {chosen}\n" in run(capsys, "diff", str(folder), "after")[1]
    said = json.loads(run(capsys, "report", str(folder), "--json")[1])
    assert said["snapshot"]["file"] == chosen


def test_a_report_shows_ten_sites_and_json_fifty_unless_told_otherwise(capsys):
    keep("many", holding(**{f"f{n}": n for n in range(1, 61)}))
    assert run(capsys, "report", "many")[1].count("\n  #") == 10
    assert run(capsys, "report", "many", "--top", "3")[1].count("\n  #") == 3
    assert len(json.loads(run(capsys, "report", "many", "--json")[1])["sites"]) == 50
    assert len(json.loads(run(capsys, "report", "many", "--json", "--top", "0")[1])["sites"]) == 60


def test_a_report_names_its_file_as_it_can_be_printed(capsys):
    keep("a\x1b[2J", BEFORE)
    assert "  file     a·[2J\n" in run(capsys, "report", "a\x1b[2J")[1]


def test_a_diff_ends_well_without_a_threshold(capsys):
    status, out, err = run(capsys, "diff", "before", "after")
    assert (status, err) == (Exit.OK, "")
    assert "  #1  a" in out


def test_equal_files_pass_no_threshold(capsys):
    status, out, err = run(capsys, "diff", "before", "before", "--threshold", "0")
    assert (status, err) == (Exit.OK, "")
    assert "nothing changed" in out


def test_a_passed_threshold_is_status_1_and_says_by_what(capsys):
    status, out, err = run(capsys, "diff", "before", "after", "--threshold", "4k")
    assert status == Exit.FINDINGS
    assert "  #1  a" in out
    assert err == (
        "ebpftrace: what is held in all grew by 8.0 KiB and a [app] grew by 8.0 KiB: "
        "more than --threshold 4.0 KiB.\n"
    )


def test_a_single_site_passes_a_threshold_that_all_of_it_does_not(capsys):
    keep("moved", holding(72.0, b=9 * KIB, c=9 * KIB))
    keep("large", holding(a=99 * KIB))
    status, _, err = run(capsys, "diff", "large", "moved", "--threshold", "4k")
    assert status == Exit.FINDINGS
    assert "in all" not in err
    assert "grew by 9.0 KiB, as did 1 other site: more than" in err.replace("least ", "")


def test_json_of_a_diff_says_the_same(capsys):
    status, out, _ = run(capsys, "diff", "before", "after", "--json", "--threshold", "4k")
    said = json.loads(out)
    assert status == Exit.FINDINGS
    assert said["threshold"]["passed"]
    assert [one["file"] for one in said["snapshots"]] == ["before", "after"]


def test_a_function_that_is_skipped_is_not_blamed(capsys):
    both = (frame("a", offset=1), frame("main", offset=2))
    keep("chain", snapshot(picture(site(frames=both))))
    keep("empty", snapshot(picture()))
    for arguments in (["report", "chain"], ["diff", "empty", "chain"]):
        assert "  #1  main" in run(capsys, *arguments, "--skip-frame", "^a$")[1]


@pytest.fixture
def suppressions(tmp_path):
    path = tmp_path / "known.supp"
    path.write_text("leak:^a$\n")
    return str(path)


def test_what_is_suppressed_is_counted_and_not_listed(suppressions, capsys):
    said = run(capsys, "report", "before", "--suppressions", suppressions)[1]
    assert "  hidden   " in said
    assert "  #1  b" in said
    said = run(capsys, "diff", "before", "after", "--suppressions", suppressions)[1]
    assert "  hidden   1 call site: +8.0 KiB, by 1 suppression" in said
    assert "  #1" not in said


def test_what_is_suppressed_passes_no_threshold(suppressions, capsys):
    arguments = ["diff", "before", "after", "--threshold", "0", "--suppressions", suppressions]
    assert run(capsys, *arguments)[0] == Exit.OK


def test_a_bad_file_of_suppressions_is_told_before_a_snapshot_is_read(capsys):
    for command in (["report", "nowhere"], ["diff", "nowhere", "nowhere"]):
        status, _, err = run(capsys, *command, "--suppressions", "/nonexistent")
        assert status == Exit.USAGE
        assert "/nonexistent" in err


class Again:
    """Stands in for `symbols.again.Again`."""

    opened = closed = 0

    def __init__(self, directory, *, debuginfod):
        self.directory, self.debuginfod = directory, debuginfod
        self.pictures = 0
        Again.opened += 1

    def picture(self, _drawn):
        self.pictures += 1
        return holding(named_again=KIB).picture

    def notes(self):
        """Of all pictures so far, as the real one: the sentence changes with each."""
        return (f"found in {self.directory}, {self.debuginfod}: {self.pictures}",)

    def close(self):
        Again.closed += 1


@pytest.mark.parametrize("command", [["report", "before"], ["diff", "before", "after"]])
def test_names_are_looked_up_again_where_that_is_asked_for(command, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ebpftrace.symbols.again", SimpleNamespace(Again=Again))
    said = run(capsys, *command, "--symbols-from", "/debug", "--json", "--top", "0")[1]
    assert '"named_again"' in said
    assert said.count("found in /debug, False") == 1
    assert Again.opened == Again.closed > 0


def test_a_missing_library_for_that_is_a_sentence(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ebpftrace.symbols.again", None)
    status, out, err = run(capsys, "report", "before", "--debuginfod")
    assert (status, out) == (Exit.USAGE, "")
    assert "need the Python package" in err


def test_the_garbage_collector_runs_again_afterwards(capsys):
    run(capsys, "diff", "before", "after")
    assert gc.isenabled()


@pytest.mark.parametrize("arguments", [["report", "before"], ["diff", "before", "after"]])
def test_a_full_disk_is_a_sentence(arguments, capsys, monkeypatch):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == Exit.USAGE
        monkeypatch.undo()
        assert "cannot be written: No space left" in capsys.readouterr().err


# --- in a process of its own ----------------------------------------------------------------------


def child(*arguments, **given):
    return subprocess.run(
        [sys.executable, "-m", "ebpftrace", *arguments],
        stdout=given.get("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def test_a_reader_that_has_gone_changes_no_status():
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as gone:
        gone.wait()
        assert gone.stdin is not None
        ended = child("report", "before", stdout=gone.stdin.fileno())
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_terminal_that_has_gone_changes_no_status():
    master, terminal = os.openpty()
    os.close(master)
    try:
        ended = child("diff", "before", "after", "--threshold", "4k", stdout=terminal)
    finally:
        os.close(terminal)
    assert ended.returncode == Exit.FINDINGS
    assert "cannot be written" not in ended.stderr


def test_recordings_are_reported_and_compared(tmp_path, capsys):
    paths = []
    for number, size in enumerate((KIB, 9 * KIB)):
        paths.append(tmp_path / f"{number}.jsonl")
        with paths[-1].open("w", encoding="utf-8") as out:
            jsonl.write(holding(a=size, b=KIB).picture, Selection(), out)
    said = child("report", str(paths[1]))
    assert (said.returncode, said.stderr) == (0, "")
    assert "  #1  a [app]" in said.stdout
    said = child("diff", *map(str, paths), "--threshold", "4k")
    assert said.returncode == Exit.FINDINGS
    assert "grown    1 call site: +8.0 KiB" in said.stdout
    compared = json.loads(run(capsys, "diff", *map(str, paths), "--json")[1])["snapshots"][0]
    about = json.loads(run(capsys, "report", str(paths[1]), "--json")[1])["snapshot"]
    for known in (compared, about):
        assert (known["watch"], known["tool"], known["host"]) == (None, None, None)
