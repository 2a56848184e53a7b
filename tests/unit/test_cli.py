"""The command line without a target: usage, exit codes, the loop that takes pictures."""

import errno
import logging

import pytest

from ebpftrace.analysis.responsible import Rules
from ebpftrace.cli.common import log_unused, read_suppressions, selection
from ebpftrace.cli.exits import Exit, exit_of
from ebpftrace.cli.main import main, parser
from ebpftrace.cli.saying import OutputClosed
from ebpftrace.cli.watch import Limits, guarded, watch
from ebpftrace.errors import CannotAttach, EbpftraceError, TargetGone, UsageError
from ebpftrace.model.picture import Picture
from tests.unit.builders import picture, site


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["attach"],
        ["attach", "-p", "x"],
        ["attach", "-p", "0"],
        ["attach", "-p", "-5"],
        ["attach", "-p", "1", "--interval", "soon"],
        ["attach", "-p", "1", "--interval", "0"],
        ["attach", "-p", "1", "--duration", "-1s"],
        ["attach", "-p", "1", "--count", "0"],
        ["attach", "-p", "1", "--min-size", "1x"],
        ["attach", "-p", "1", "--min-size", "2k", "--max-size", "1k"],
        ["attach", "-p", "1", "--stack-depth", "128"],
        ["attach", "-p", "1", "--sort", "name"],
        ["attach", "-p", "1", "--text", "--json"],
        ["attach", "-p", "1", "--mode", "half"],
        ["attach", "-p", "1", "--budget", "0"],
        ["attach", "-p", "1", "--budget", "-5%"],
        ["attach", "-p", "1", "--budget", "nan"],
        ["attach", "-p", "1", "--budget", "five"],
        ["run", "--mode", "sample", "true"],
        ["run", "--mode", "auto", "true"],
        ["attach", "-p", "1", "--skip-frame", "("],
        ["attach", "-p", "1", "--skip-frame", "a{99999999999999999999}"],
        ["attach", "-p", "1", "--skip-frame", "(" * 5_000],
        ["attach", "-p", "1", "--no-dwarf", "--debuginfod"],
        ["attach", "--follow"],
        ["attach", "-n", ""],
        ["attach", "-n", "/usr/sbin/nginx"],
        ["attach", "--cgroup", ""],
        ["attach", "--cgroup", "/usr"],
        ["attach", "--cgroup", "/etc/passwd"],
        ["attach", "--cgroup", "nothing.service"],
        ["attach", "--cgroup", "/a/../b"],
        ["probes", "-p", "1", "--follow"],
        ["attach", "-p", "1", "--suppressions", "/nonexistent/file"],
        ["attach", "-p", "1", "--log-file", "/nonexistent/log"],
        ["probes"],
        ["record", "-p", "1"],
        ["record", "-o", "/dev/null/folder"],
        ["record", "-p", "1", "-o", "/dev/null/folder"],
        ["record", "-p", "1", "-o", "x", "--on", "rss"],
        ["record", "-p", "1", "-o", "x", "--keep", "0"],
        ["record", "-p", "1", "-o", "x", "--top", "5"],
        ["record", "-p", "1", "-o", "x", "--suppressions", "file"],
        ["record", "-p", "1", "-o", "x", "--no-dwarf", "--debuginfod"],
        ["record", "-p", "1", "-o", "x", "--stream", "--blocks"],
        ["run"],
        ["run", "--"],
        ["run", "--json"],
        ["run", "--json", "--text", "--", "true"],
        ["run", "--dashboard", "--json", "--", "true"],
        ["run", "--dashboard", "--", "true"],
        ["run", "--error-exitcode", "0", "--", "true"],
        ["run", "--error-exitcode", "256", "--", "true"],
        ["run", "--threshold", "1x", "--", "true"],
        ["run", "--suppressions", "/nonexistent/file", "--", "true"],
        ["run", "-p", "1", "--", "true"],
    ],
)
def test_bad_usage_is_a_sentence_and_status_2(arguments, capsys):
    assert main(arguments) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("ebpftrace: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize("mode", ["sample", "auto"])
def test_run_says_why_it_takes_no_sample(mode, capsys):
    assert main(["run", "--mode", mode, "--", "true"]) == Exit.USAGE
    assert f"from the first one on, which {mode} does not" in capsys.readouterr().err


def test_every_error_class_has_its_own_status():
    assert exit_of(UsageError()) == 2
    assert exit_of(CannotAttach()) == 3
    assert exit_of(TargetGone()) == 3
    assert exit_of(EbpftraceError()) == 5


class Source:
    """Hands out pictures one by one; the last one again and again."""

    def __init__(self, *pictures):
        self.pictures = list(pictures)

    def latest(self):
        return self.pictures[0]

    def after(self, seen, _timeout):
        if len(self.pictures) > 1 and self.pictures[0] is seen:
            self.pictures.pop(0)
        return None if self.pictures[0] is seen else self.pictures[0]

    def blocks(self, _site, _limit=0):
        return ()


class Signals:
    stopped = False


def run(*pictures, worth=lambda _: True, limits=None, signals=None):
    written: list[Picture] = []
    source, stop = Source(*pictures), signals or Signals()
    ended = watch(source, written.append, worth, limits or Limits(), stop)  # type: ignore[arg-type]
    return ended, written


def test_the_end_of_the_last_target_ends_the_watch():
    ended, written = run(picture(), picture(), picture(final=True))
    assert ended
    assert len(written) == 2


def test_count_includes_the_final_picture_that_the_caller_writes():
    ended, written = run(picture(), picture(), picture(), limits=Limits(count=2))
    assert not ended
    assert len(written) == 1


def test_a_picture_that_is_not_worth_it_does_not_count():
    first, second = picture(growth=1.0), picture(growth=2.0)
    _, written = run(first, second, picture(final=True), worth=lambda shown: shown is not first)
    assert written == [second]


def test_duration_ends_the_watch_though_nothing_comes():
    ended, written = run(picture(), limits=Limits(duration=0.05))
    assert not ended
    assert len(written) == 1


def test_a_signal_ends_the_watch():
    signals = Signals()
    signals.stopped = True
    assert run(picture(), signals=signals) == (False, [])


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_a_reader_that_has_gone_is_told_from_a_full_disk(number):
    def fail(_picture):
        raise OSError(number, "gone")

    with pytest.raises(OutputClosed):
        guarded(fail)(picture())


def test_a_full_disk_is_not_a_closed_output():
    def fail(_picture):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UsageError, match="No space left"):
        guarded(fail)(picture())


def test_frames_to_skip_reach_the_views():
    given = parser().parse_args(["attach", "--skip-frame", "^pool_", "--skip-frame", "arena"])
    skipped = selection(given, 10).rules.skipped
    assert [pattern.pattern for pattern in skipped] == ["^pool_", "arena"]
    assert selection(parser().parse_args(["attach"]), 10).rules == Rules.standard()


def test_files_of_suppressions_reach_the_views_each_once_with_what_is_to_be_said(
    tmp_path, capsys, caplog
):
    one, other = tmp_path / "one.supp", tmp_path / "other.supp"
    one.write_text("leak:pool_\nrace:x\n")
    other.write_text("leak:leak_here\n")
    words = [word for file in (one, other, one) for word in ("--suppressions", str(file))]
    given = parser().parse_args(["attach", *words])
    read = read_suppressions(given)
    assert capsys.readouterr().err == (
        f"ebpftrace: {one}: 1 suppression of other kinds (race) is passed over.\n"
    )
    assert selection(given, 10, read).suppressions is read
    assert read is not None
    assert read.by(site().at) == "leak:leak_here"
    with caplog.at_level(logging.DEBUG):
        log_unused(read)
    assert caplog.messages == ["this suppression has hidden nothing: leak:pool_"]


def test_without_suppressions_none_are_read():
    assert read_suppressions(parser().parse_args(["attach"])) is None


@pytest.mark.parametrize(
    "words, command",
    [
        (["--", "ls", "-l"], ["--", "ls", "-l"]),
        (["ls", "-l", "--json"], ["ls", "-l", "--json"]),
        (["--", "ls", "--", "-x"], ["--", "ls", "--", "-x"]),
    ],
)
def test_what_follows_the_command_is_its_own(words, command):
    given = parser().parse_args(["run", "--threshold", "4k", *words])
    assert given.command_line == command
    assert (given.threshold, given.error_exitcode, given.json) == (4096, None, False)
