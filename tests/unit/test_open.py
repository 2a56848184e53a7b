"""`ebpftrace open`: reports without a terminal, and nothing of the capture half, on any file."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ebpftrace.cli import dashboard
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.main import main
from ebpftrace.model.snapshot import Trigger
from tests.unit.builders import counts, picture, site
from tests.unit.kept_files import Stream, keep
from tests.unit.snapshot_builders import snapshot

# As it is on a machine where nothing of the capture half is installed.
WITHOUT = """
import sys
for name in ("bcc", "capstone", "drgn", "elftools", "textual", "rich"):
    sys.modules[name] = None
from ebpftrace.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
GENEROUS_S = 20


def at(seconds, **given):
    return snapshot(picture(site(counts=counts(3, 300)), since_attach_s=float(seconds)), **given)


def streamed(folder, count):
    stream = Stream(folder, 0)
    for seconds in range(count):
        stream.add(at(seconds))
    return stream


def opened(*arguments):
    command = [sys.executable, "-c", WITHOUT, "open", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=GENEROUS_S, check=False)


def test_a_snapshot_is_reported_where_no_library_of_the_capture_half_is(tmp_path):
    path = keep(tmp_path, 0, at(5, trigger=Trigger("oom", "The group ran out of memory.")))
    done = opened(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "The group ran out of memory." in done.stdout
    assert "300 B in 3 blocks" in done.stdout
    assert done.stdout.count("since attach  mode full") == 1


def test_of_a_directory_the_newest_is_reported(tmp_path):
    for number in range(3):
        keep(tmp_path, number, at(number))
    done = opened(tmp_path, "--json")
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["since_attach_s"] == 2.0
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stream_is_played_a_report_for_each_record(tmp_path, capsys):
    stream = streamed(tmp_path, 3)
    assert main(["open", str(stream.path), "--json", "--speed", "inf"]) == Exit.OK
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["since_attach_s"] for line in lines] == [0.0, 1.0, 2.0, 2.0]
    assert [line["final"] for line in lines] == [False, False, False, True]


def test_what_suppressions_hide_is_counted_and_said(tmp_path):
    hidden = tmp_path / "known"
    hidden.write_text("leak:leak_here\n")
    done = opened(keep(tmp_path, 0, at(5)), "--suppressions", hidden)
    assert done.returncode == 0
    assert "hidden" in done.stdout
    assert "#1" not in done.stdout


def test_speed_is_obeyed(tmp_path, capsys):
    stream = streamed(tmp_path, 3)
    begin = time.monotonic()
    assert main(["open", str(stream.path), "--text", "--speed", "4"]) == Exit.OK
    assert 0.4 < time.monotonic() - begin < 3.0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_directory_is_followed_until_somebody_ends_it(tmp_path, ending):
    command = [sys.executable, "-c", WITHOUT, "open", "--follow", "--json", str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        said = child.stderr.readline()
        assert said == (
            f"ebpftrace: waiting for the first snapshot in {tmp_path}; Ctrl-C ends it.\n"
        )
        for number in range(3):
            keep(tmp_path, number, at(number))
            assert json.loads(child.stdout.readline())["since_attach_s"] == number
        child.send_signal(ending)
        assert child.wait(GENEROUS_S) == 0
        assert child.stderr.read() == ""


def test_a_reader_that_has_gone_ends_it_quietly(tmp_path):
    stream = streamed(tmp_path, 200)
    command = [sys.executable, "-c", WITHOUT, "open", stream.path, "--text", "--speed", "inf"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(100)
        child.stdout.close()
        assert child.wait(GENEROUS_S) == 0
        assert b"Traceback" not in child.stderr.read()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["/nowhere"],
        ["/dev/null"],
        ["/etc/passwd"],
        ["/etc/passwd", "--follow"],
        [".", "--follow", "--speed", "2"],
        [".", "--speed", "0"],
        [".", "--speed", "nan"],
        [".", "--speed", "fast"],
        [".", "--text", "--json"],
        [".", "--sort", "name"],
        [".", "--symbols-from", "/nowhere"],
    ],
)
def test_bad_usage_is_a_sentence_and_status_2(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["open", *arguments]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("ebpftrace: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("cut", range(0, 400, 23))
def test_a_file_that_was_cut_is_a_sentence_and_never_a_traceback(tmp_path, capsys, cut):
    path = keep(tmp_path, 0, at(5))
    os.truncate(path, min(cut, path.stat().st_size - 1))
    assert main(["open", str(path)]) == Exit.USAGE
    said = capsys.readouterr().err
    assert str(path) in said
    assert "Traceback" not in said


def test_a_recording_that_is_damaged_further_on_ends_in_its_sentence(tmp_path, capsys):
    path = tmp_path / "lines"
    stream = streamed(tmp_path, 2)
    main(["open", str(stream.path), "--json", "--speed", "inf"])
    lines = capsys.readouterr().out.splitlines(keepends=True)
    path.write_text(lines[0] + '{"schema": "other"}\n' + lines[1])
    assert main(["open", str(path), "--speed", "inf"]) == Exit.USAGE
    assert f"{path}, line 2, is no picture" in capsys.readouterr().err


def test_on_a_terminal_it_is_the_dashboard(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(dashboard, "possible", lambda: True)
    monkeypatch.setattr(dashboard, "load", lambda: None)
    monkeypatch.setattr(dashboard, "show_recorded", lambda *given: shown.append(given))
    path = keep(tmp_path, 0, at(5))
    assert main(["open", str(path), "--sort", "growth"]) == Exit.OK
    ((source, chosen, _),) = shown
    assert source.latest().since_attach_s == 5.0
    assert (chosen.sort, chosen.top) == ("growth", 0)
