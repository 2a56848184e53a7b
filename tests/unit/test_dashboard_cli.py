"""When `attach` opens the dashboard, and what is around it."""

import io
import logging
import sys
import time

import pytest

from ebpftrace.cli import dashboard
from ebpftrace.cli.log import log_held_back
from ebpftrace.cli.watch import Limits
from ebpftrace.model.losses import Losses
from ebpftrace.tui import app
from tests.unit.builders import counts, picture, site


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize(
    "stdin,stdout,stderr,term,expected",
    [
        (True, True, True, "xterm", True),
        (False, True, True, "xterm", False),
        (True, False, True, "xterm", False),
        (True, True, False, "xterm", False),
        (True, True, True, "dumb", False),
        (True, True, True, "", False),
        (True, True, True, None, False),
    ],
)
def test_all_three_streams_have_to_be_a_terminal_that_can(
    monkeypatch, stdin, stdout, stderr, term, expected
):
    streams = {"stdin": Stream(stdin), "stdout": Stream(stdout), "stderr": Stream(stderr)}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert dashboard.possible() is expected
    assert ("stderr is no terminal" in streams["stderr"].getvalue()) is not stderr


def test_the_log_waits_until_the_screen_is_gone():
    log, out = logging.getLogger("ebpftrace"), io.StringIO()
    handler = logging.StreamHandler(out)
    log.addHandler(handler)
    try:
        with log_held_back():
            log.warning("first")
            logging.getLogger("ebpftrace.session").warning("second")
            assert out.getvalue() == ""
        assert out.getvalue() == "first\nsecond\n"
    finally:
        log.removeHandler(handler)


class Opening:
    """As much of one as the dashboard needs."""

    doing = "attaching"

    def __init__(self, *pictures):
        self.pictures = list(pictures)

    def after(self, _seen, _timeout):
        return self.pictures.pop(0) if len(self.pictures) > 1 else None

    def want(self, mode, budget_percent):
        raise AssertionError("nobody asks for it here")

    wanted = want

    def notes(self):
        return ("a note",)

    def stop(self):
        return self.pictures[-1] if self.pictures else None


class Signals:
    stopped = False


def play(monkeypatch, opening, limits, run):
    monkeypatch.setattr(app, "run", run)
    return dashboard.show(opening, None, 1.0, limits, Signals(), lambda one: bool(one.sites))  # type: ignore[arg-type]


def test_the_totals_and_the_losses_stay_in_the_scrollback(monkeypatch, capsys):
    last = picture(site(counts=counts(2, 2048)), losses=Losses({"map_busy": 3}), final=True)
    assert not play(monkeypatch, Opening(last), Limits(), lambda _source, _options: (None, False))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        "ebpftrace: a note\nebpftrace: tracked 2.0 KiB in 2 blocks, +2.0 KiB since attach"
    )
    assert said.err.endswith("; LOST map_busy 3\n")


def test_it_knows_whether_every_target_had_ended(monkeypatch):
    final = picture(final=True)
    assert play(monkeypatch, Opening(final), Limits(), lambda _source, _options: (final, False))


def test_count_leaves_out_the_picture_drawn_at_the_moment_of_arming(monkeypatch):
    def run(source, options):
        stops = []
        for _ in range(3):
            source.after(None, 0)
            stops.append(options.stopped())
        assert stops == [False, False, True]
        assert options.notes() == ("a note",)
        assert options.opening() == "attaching"
        return None, False

    opening = Opening(picture(), picture(site()), picture(site()), picture(site()))
    play(monkeypatch, opening, Limits(count=2), run)


def test_duration_is_counted_from_the_first_picture(monkeypatch):
    def run(source, options):
        time.sleep(0.02)
        assert not options.stopped()
        source.after(None, 0)
        assert not options.stopped()
        time.sleep(0.02)
        assert options.stopped()
        return None, False

    play(monkeypatch, Opening(picture(), picture()), Limits(duration=0.01), run)


def test_leaving_before_the_first_picture_is_said(monkeypatch, capsys):
    assert not play(monkeypatch, Opening(), Limits(), lambda _source, _options: (None, False))
    assert capsys.readouterr().err == (
        "ebpftrace: a note\nebpftrace: left before the first picture\n"
    )


def test_a_failure_is_not_swallowed_and_no_note_is_lost(monkeypatch, capsys):
    def run(_source, _options):
        raise RuntimeError("the poller broke")

    with pytest.raises(RuntimeError, match="poller"):
        play(monkeypatch, Opening(picture()), Limits(), run)
    assert capsys.readouterr().err == "ebpftrace: a note\n"
