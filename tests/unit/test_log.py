"""Where the tool's own words go: a warning is always seen, the rest only where it was asked for."""

import argparse
import contextlib
import logging
from pathlib import Path

import pytest

from ebpftrace.cli.log import log_held_back, start_logging
from tests.unit.hostile import HOSTILE

LOG = logging.getLogger("ebpftrace.session")


@pytest.fixture(autouse=True)
def as_before():
    log = logging.getLogger("ebpftrace")
    handlers, level = log.handlers[:], log.level
    yield
    for handler in log.handlers:
        handler.close()
    log.handlers[:] = handlers
    log.setLevel(level)


def start(log_file: Path | None = None, debug: bool = False) -> None:
    start_logging(argparse.Namespace(log_file=log_file and str(log_file), debug=debug))


def test_a_warning_is_a_sentence_on_stderr_and_the_rest_is_not_seen(capsys):
    start()
    LOG.info("a step")
    LOG.warning("Process 5 is in the way.")
    assert capsys.readouterr().err == "ebpftrace: Process 5 is in the way.\n"


def test_a_log_file_takes_no_warning_from_the_user(capsys, tmp_path: Path):
    start(tmp_path / "log")
    LOG.info("a step")
    LOG.debug("a detail")
    LOG.warning("Process 5 is in the way.")
    assert capsys.readouterr().err == "ebpftrace: Process 5 is in the way.\n"
    assert [line.split(": ", 1)[1] for line in (tmp_path / "log").read_text().splitlines()] == [
        "a step",
        "Process 5 is in the way.",
    ]


def test_with_debug_every_step_is_told_once(capsys):
    start(debug=True)
    LOG.debug("a detail")
    LOG.warning("Process 5 is in the way.")
    told = capsys.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in told] == ["a detail", "Process 5 is in the way."]


@pytest.mark.parametrize("to_file", [False, True])
def test_what_a_message_quotes_is_printable_and_never_ends_the_log(
    capsys, tmp_path, to_file, monkeypatch
):
    # pytest's report has what is logged, and where tests run in two processes it has to be UTF-8.
    monkeypatch.setattr(logging.getLogger("ebpftrace"), "propagate", False)
    start(tmp_path / "log" if to_file else None, debug=True)
    for name in HOSTILE:
        LOG.debug("not traced: %s", name)
        try:
            raise ValueError(name)
        except ValueError:
            LOG.debug("it ended", exc_info=True)
    said = capsys.readouterr().err
    assert "Logging error" not in said
    told = (tmp_path / "log").read_text() if to_file else said
    assert told.replace("\n", "").isprintable()
    assert "not traced: a·[2J·]0;title·b\n" in told


def test_commands_in_a_row_do_not_repeat_a_warning(capsys):
    start()
    start()
    LOG.warning("once")
    assert capsys.readouterr().err == "ebpftrace: once\n"


def test_while_the_screen_is_there_only_a_file_is_written(capsys, tmp_path: Path):
    start(tmp_path / "log")
    with log_held_back():
        LOG.info("a step")
        LOG.warning("Process 5 is in the way.")
        assert capsys.readouterr().err == ""
        assert (tmp_path / "log").read_text().count("\n") == 2
    assert capsys.readouterr().err == "ebpftrace: Process 5 is in the way.\n"
    assert (tmp_path / "log").read_text().count("\n") == 2


def test_a_log_on_a_full_disk_is_told_once_and_is_no_traceback(capsys):
    start(Path("/dev/full"))
    for _ in range(3):
        LOG.info("a step")
    LOG.warning("Process 5 is in the way.")
    assert capsys.readouterr().err.splitlines() == [
        "ebpftrace: --log-file /dev/full cannot be written: No space left on device. It has gaps.",
        "ebpftrace: Process 5 is in the way.",
    ]
    log = logging.getLogger("ebpftrace")
    for handler in log.handlers:
        with contextlib.suppress(OSError):  # of what it still has
            handler.close()
    log.handlers.clear()
