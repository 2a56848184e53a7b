"""Where `run` writes, and what its program says under the dashboard."""

import argparse
import io
import os
import stat
import subprocess
import sys

import pytest

from ebpftrace.cli.captured import Captured
from ebpftrace.cli.growing import asked_for, growing
from ebpftrace.cli.outputs import Outputs
from ebpftrace.cli.saying import OutputClosed
from ebpftrace.errors import UsageError


def given(**chosen):
    values = {"json": False, "save": None, "output": None, "trace_log": None, "force": False}
    return argparse.Namespace(**{**values, **chosen})


def test_a_file_grows_as_it_is_written(tmp_path):
    path = tmp_path / "log"
    with growing(str(path), force=False) as file:
        file.write(b"line\n")
        assert path.read_bytes() == b"line\n"
        assert not os.get_inheritable(file.fileno())


def test_a_file_that_exists_is_left_alone_unless_it_is_forced(tmp_path):
    path = tmp_path / "log"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        growing(str(path), force=False)
    with pytest.raises(UsageError, match=r"is there already\. Give --force"):
        asked_for(str(path), force=False)
    assert path.read_text() == "mine"
    asked_for(str(path), force=True).close()
    assert path.read_text() == ""


def test_a_link_that_leads_nowhere_is_not_followed_unless_it_is_forced(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        asked_for(str(link), force=False)
    assert not (tmp_path / "elsewhere").exists()


def test_a_device_or_pipe_is_no_file_that_could_be_lost(tmp_path):
    asked_for("/dev/null", force=False).close()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with asked_for(str(fifo), force=False) as file:
        file.write(b"through")
        assert os.read(reading, 9) == b"through"
    os.close(reading)


@pytest.mark.parametrize("path", ["/nonexistent/log", "/", "a\0b", ""])
def test_what_cannot_be_written_is_a_sentence(path):
    with pytest.raises(UsageError, match="cannot be written"):
        asked_for(path, force=False)


def test_reports_go_to_stderr_and_json_to_stdout_whose_place_the_program_loses():
    with Outputs(given()) as outputs:
        assert outputs.report is sys.stderr
        assert outputs.moved == {}
        assert outputs.save is None
    with Outputs(given(json=True)) as outputs:
        assert outputs.report is sys.stdout
        assert outputs.moved == {1: 2}


def test_with_an_output_the_program_keeps_its_stdout(tmp_path):
    path = tmp_path / "out"
    with Outputs(given(json=True, output=str(path))) as outputs:
        assert outputs.moved == {}
        outputs.report.write("a\n")
        assert path.read_text() == "a\n", "written through: it may be followed"
        report = outputs.report
    assert report.closed


def test_the_log_of_the_first_program_is_open_and_the_others_have_its_name_and_a_number(tmp_path):
    path = tmp_path / "log"
    with Outputs(given(trace_log=str(path))) as outputs:
        assert path.exists()
        outputs.trace_log(1).write(b"1")
        with outputs.trace_log(2) as second:
            second.write(b"2")
        with pytest.raises(FileExistsError):
            outputs.trace_log(2)
    assert path.read_bytes() == b"1"
    assert (tmp_path / "log.2").read_bytes() == b"2"


@pytest.mark.parametrize("packed", ["end.gz", "end.zst"])
def test_a_snapshot_is_not_packed_again(packed):
    with pytest.raises(UsageError, match="packed as it is"), Outputs(given(save=packed)):
        pass


def test_one_file_that_cannot_be_made_leaves_none_open(tmp_path):
    first, there = tmp_path / "first", tmp_path / "there"
    there.write_text("mine")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(UsageError), Outputs(given(output=str(first), trace_log=str(there))):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_snapshot_that_is_there_is_refused_before_anything_is_opened(tmp_path):
    saved, log = tmp_path / "saved", tmp_path / "log"
    saved.write_text("mine")
    with pytest.raises(UsageError), Outputs(given(save=str(saved), trace_log=str(log))):
        pass
    assert not log.exists()


def test_only_descriptors_that_are_the_terminal_are_captured(monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda number: number != 2)
    with Captured() as captured:
        assert sorted(captured.moved) == [0, 1]
        assert os.read(captured.moved[0], 1) == b""
        assert stat.S_ISREG(os.fstat(captured.moved[1]).st_mode)
        assert os.fstat(captured.moved[1]).st_nlink == 0, "nothing is left of it"


class Stderr(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8")


def test_what_a_program_said_is_shown_as_it_was(monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda number: True)
    shown = Stderr()
    monkeypatch.setattr(sys, "stderr", shown)
    with Captured() as captured:
        words = b"out\x1b[31m\n\xff"
        subprocess.run(["printf", "%b", r"out\033[31m\n\377"], stdout=captured.moved[1], check=True)
        captured.show()
        assert shown.buffer.getvalue() == words  # type: ignore[attr-defined]


def test_a_terminal_that_is_gone_is_a_closed_output(monkeypatch):
    class Gone(Stderr):
        def flush(self) -> None:
            raise OSError(5, "Input/output error")

    gone = Gone()
    monkeypatch.setattr(sys, "stderr", gone)
    with Captured() as captured, pytest.raises(OutputClosed):
        captured.show()
    monkeypatch.undo()
    gone.flush = lambda: None  # type: ignore[method-assign]
