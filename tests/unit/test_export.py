"""`export` from the command line to its file, what it says, and its exit status."""

import csv
import gc
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ebpftrace.cli.exits import Exit
from ebpftrace.cli.main import main
from ebpftrace.export.formats import registry
from ebpftrace.export.formats.registry import FORMATS, Format
from ebpftrace.snapshot.format.writing import pieces
from tests.unit.builders import counts, picture, site
from tests.unit.kept_files import Stream, keep
from tests.unit.said import line_of_picture
from tests.unit.snapshot_builders import KIB, snapshot

REPOSITORY = Path(__file__).parents[2]
NAMES = [one.name for one in FORMATS]


def holding(since=12.0, totals=None, **sizes):
    sites = [site(name, counts=counts(1, size)) for name, size in sizes.items()]
    given = {} if totals is None else {"totals": totals}
    return snapshot(picture(*sites, since_attach_s=since, **given))


KEPT = holding(a=KIB, b=3 * KIB)


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("app").write_bytes(b"".join(pieces(KEPT)))


def run(capsys, *arguments):
    status = main(["export", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def made(monkeypatch, write, **given):
    """A format of the name `made`, beside all others."""
    one = Format("made", "a test", lambda: write, **given)
    monkeypatch.setattr("ebpftrace.cli.export.FORMATS", (*FORMATS, one))
    monkeypatch.setattr(registry, "FORMATS", (*FORMATS, one))


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_written_to_its_file_and_said_in_one_line(name, capsys):
    status, out, err = run(capsys, "app", "-f", name, "-o", "out")
    assert (status, out) == (Exit.OK, "")
    size = Path("out").stat().st_size
    assert size
    assert err.startswith(f"ebpftrace: wrote {name} to out, ")
    assert err.endswith(": 4.0 KiB in 2 blocks, 2 call sites\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_the_same_on_standard_output(name):
    ended = [
        subprocess.run(
            [sys.executable, "-m", "ebpftrace", "export", "app", "-f", name, "-o", out],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        for out in ("-", "/dev/stdout", "out")
    ]
    assert [one.stdout for one in ended] == [Path("out").read_bytes()] * 2 + [b""]
    assert b"to standard output, " in ended[0].stderr


def test_the_help_lists_every_format_and_what_is_for_which(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for one in FORMATS:
        assert f" {one.name} {one.says}" in said
    listed = ", ".join(one.name for one in FORMATS if one.one_measure)
    assert f"in formats with room for one: {listed};" in said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["app", "-f", "csv"],
        ["app", "-o", "out"],
        ["app", "-f", "nothing", "-o", "out"],
        ["nowhere", "-f", "csv", "-o", "out"],
        ["app", "-f", "csv", "-o", "no/out"],
        ["app", "-f", "csv", "-o", "app"],
        ["app", "-f", "csv", "-o", "out", "--measure", "age"],
        ["app", "-f", "csv", "-o", "out", "--base", "app"],
        ["app", "-f", "csv", "-o", "out", "--suppressions", "nowhere"],
        ["app", "-f", "csv", "-o", "/dev/full"],
    ],
)
def test_bad_usage_is_a_sentence_and_status_2(arguments, capsys):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (Exit.USAGE, "")
    assert err.startswith("ebpftrace: ")
    assert err.count("\n") == 1
    assert os.listdir() == ["app"]


def test_what_is_exported_is_not_written_over_even_with_force(capsys, tmp_path):
    before = Path("app").read_bytes()
    folder = tmp_path / "kept"
    folder.mkdir()
    chosen = keep(folder, 0, KEPT)
    os.link("app", "other")
    for file, out in (("app", "app"), ("app", "other"), (str(folder), str(chosen))):
        status, _, err = run(capsys, file, "-f", "csv", "-o", out, "--force")
        assert status == Exit.USAGE
        assert "is what is to be exported" in err
    assert Path("app").read_bytes() == before


def test_a_measure_is_noted_where_a_format_has_all_of_them(capsys):
    err = run(capsys, "app", "-f", "csv", "-o", "a", "--measure", "blocks")[2]
    assert "--measure changes nothing here: csv" in err
    err = run(capsys, "app", "-f", "collapsed", "-o", "b", "--measure", "blocks")[2]
    assert "--measure" not in err
    assert Path("b").read_text() == "a 1\nb 1\n"


def test_what_is_left_out_is_said(capsys):
    total = counts(9, 9 * KIB)
    Path("app").write_bytes(b"".join(pieces(holding(totals=total, a=KIB, b=3 * KIB))))
    Path("known").write_text("leak:^a$\n")
    err = run(capsys, "app", "-f", "csv", "-o", "out", "--suppressions", "known")[2]
    assert ": 8.0 KiB in 8 blocks, 1 call site; of it 5.0 KiB in 7 blocks " in err
    assert "in call sites that were not recorded; left out 1 site with 1.0 KiB in 1 block" in err
    with Path("out").open(newline="") as out:
        assert sum(int(row["bytes"]) for row in csv.DictReader(out)) == 8 * KIB


def test_what_a_snapshot_does_not_hold_is_noted(capsys):
    Path("r").write_bytes(line_of_picture(KEPT.picture) + b'{"schema')
    assert "The end of r is missing" in run(capsys, "r", "-f", "csv", "-o", "out")[2]


def test_a_format_has_all_pictures_of_a_stream_and_a_base(capsys, monkeypatch, tmp_path):
    found: list[object] = []

    def write(subject, out):
        out.write(b"x")
        found.append([drawn.since_attach_s for drawn in subject.series()])
        found.append(subject.base.picture.totals.bytes)
        found.append((subject.file, subject.measure, subject.selection.top))

    made(monkeypatch, write, compares=True)
    stream = Stream(tmp_path, 0)
    for seconds in (1.0, 2.0):
        stream.add(holding(seconds, a=KIB))
    path = str(stream.path)
    assert run(capsys, path, "-f", "made", "-o", "out", "--base", "app")[0] == Exit.OK
    assert found == [[1.0, 2.0], 4 * KIB, (path, "bytes", 0)]


class Again:
    """Stands in for `symbols.again.Again`."""

    def __init__(self, _directory, *, debuginfod):
        self.debuginfod = debuginfod

    def picture(self, drawn):
        return replace(drawn, sites=holding(named_again=KIB).picture.sites)

    def notes(self):
        return ("found again",)

    def close(self):
        pass


def test_names_are_looked_up_again_in_every_picture(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ebpftrace.symbols.again", SimpleNamespace(Again=Again))
    found: list[str | None] = []

    def write(subject, out):
        out.write(b"x")
        for drawn in subject.series():
            found.extend(one.at.frames[0].function for one in drawn.sites)

    made(monkeypatch, write)
    stream = Stream(tmp_path, 0)
    for seconds in (1.0, 2.0):
        stream.add(holding(seconds, a=KIB))
    err = run(capsys, str(stream.path), "-f", "made", "-o", "out", "--symbols-from", "/d")[2]
    assert found == ["named_again", "named_again"]
    assert err.count("found again") == 1


def test_a_format_that_is_packed_is_not_packed_again(capsys, monkeypatch):
    made(monkeypatch, lambda _subject, out: out.write(b"gzip"), packed=True)
    assert run(capsys, "app", "-f", "made", "-o", "out.gz")[0] == Exit.OK
    assert Path("out.gz").read_bytes() == b"gzip"
    assert "packed twice" in run(capsys, "app", "-f", "made", "-o", "out.zst")[2]


def test_json_is_what_report_writes_of_all_sites(capsys):
    run(capsys, "app", "-f", "json", "-o", "out")
    assert main(["report", "app", "--json", "--top", "0"]) == Exit.OK
    assert json.loads(Path("out").read_text()) == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_export_leaves_the_old_file_and_does_not_pass_for_written(
    number, capsys, monkeypatch
):
    def write(_subject, out):
        out.write(b"half")
        os.kill(os.getpid(), number)
        out.write(b"more")

    made(monkeypatch, write)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)]
    Path("out").write_text("old")
    status, _, err = run(capsys, "app", "-f", "made", "-o", "out", "--force")
    assert (status, err) == (
        Exit.USAGE,
        "ebpftrace: The export was interrupted: out was not written.\n",
    )
    assert Path("out").read_text() == "old"
    assert sorted(os.listdir()) == ["app", "out"]
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)] == handlers


def test_the_garbage_collector_runs_again_afterwards(capsys):
    run(capsys, "app", "-f", "csv", "-o", "out")
    assert gc.isenabled()


# --- standard output, in a process of its own -----------------------------------------------------


def child(*arguments, stdout):
    return subprocess.run(
        [sys.executable, "-m", "ebpftrace", "export", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


@pytest.mark.parametrize("out", ["-", "/dev/stdout"])
def test_a_reader_that_has_gone_is_quiet_and_no_error(out):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = child("app", "-f", "json", "-o", out, stdout=writing)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("out", ["-", "/dev/stdout"])
def test_a_full_disk_behind_standard_output_is_a_sentence(out):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = child("app", "-f", "json", "-o", out, stdout=full)
    assert ended.returncode == Exit.USAGE
    assert ended.stderr.count("\n") == 1
    assert "cannot be written: No space left on device." in ended.stderr


def test_a_file_that_is_standard_output_is_added_to():
    with Path("out").open("w", encoding="utf-8") as file:
        file.write("before\n")
        file.flush()
        assert child("app", "-f", "collapsed", "-o", "/dev/stdout", stdout=file).returncode == 0
    assert Path("out").read_text() == "before\na 1024\nb 3072\n"


@pytest.mark.parametrize(
    "name, marked", [("openmetrics", b'id="others"'), ("json", b'"others":{"sites":1,')]
)
def test_some_call_sites_are_listed_and_the_rest_is_one(name, marked, capsys):
    assert run(capsys, "app", "-f", name, "--top", "1", "-o", "out")[0] == Exit.OK
    assert marked in Path("out").read_bytes()


def test_a_format_that_has_all_call_sites_says_that_none_is_cut(capsys):
    _, _, said = run(capsys, "app", "-f", "csv", "--top", "1", "-o", "out")
    assert "--top changes nothing here" in said
    assert Path("out").read_text().count("malloc") == 2
