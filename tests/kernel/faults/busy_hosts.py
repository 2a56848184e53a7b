"""The host is in a state that is rare: many threads, stopped and frozen targets, other tools, a clock that jumps."""

import os
import signal
import time
from collections.abc import Callable, Iterator

from ebpftrace.snapshot.loading import load
from ebpftrace.snapshot.storage.folder import listed
from tests.kernel.faults.ends_of_tool import KILLED, any_moment
from tests.kernel.faults.fault import Fault, may_end, times
from tests.kernel.faults.round import Round
from tests.kernel.faults.ways import AUTO, GROWTH, RECORD, SAMPLE, Way, best, best_and_perf, held
from tests.kernel.groups import control_group, freeze
from tests.kernel.harness import wait_until

_HOUR, _YEAR = 3600, 365 * 86400
_CROWD = 10_000


def _watched(way: Way, *options: str) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        made.start(way, *options)
        return ""

    return inject


def _stopped(way: Way, *, before: bool) -> Callable[[Round], str]:
    """From before the start, or from any moment, until the tool has ended."""

    def inject(made: Round) -> str:
        pid, moment = made.subject.pid, 0.0 if before else any_moment(made, way)
        made.undo.callback(os.kill, pid, signal.SIGCONT)
        if before:
            os.kill(pid, signal.SIGSTOP)
        made.start(way)
        if not before:
            time.sleep(moment)
            os.kill(pid, signal.SIGSTOP)
        return f"after {moment:.2f} s"

    return inject


def _frozen(way: Way) -> Callable[[Round], str]:
    """In the freezer, as a container that is paused; at any moment."""

    def inject(made: Round) -> str:
        group = made.undo.enter_context(control_group("freezer"))
        home = group.parent / "cgroup.procs"
        made.undo.callback(lambda: home.write_text(str(made.subject.pid)))
        (group / "cgroup.procs").write_text(str(made.subject.pid))
        made.undo.callback(freeze, group, frozen=False)
        moment = any_moment(made, way)
        made.start(way)
        time.sleep(moment)
        freeze(group, frozen=True)
        return f"after {moment:.2f} s"

    return inject


def _two_tools(first: Way, second: Way) -> Callable[[Round], str]:
    """The first of two on one target is killed while both count; the other one goes on."""

    def inject(made: Round) -> str:
        killed = made.start(first, "--count", "1000000", expected=may_end(KILLED))
        killed.until_picture()
        other = made.start(second, "--count", "12", expected=may_end(0))
        other.until_picture()
        time.sleep(made.random.uniform(0.0, 0.4))
        killed.kill()
        return ""

    return inject


def _clock_jumps(way: Way, seconds: int) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        after = made.random.uniform(0.0, made.bench.duration(way))
        made.start(way, env=made.injector.jumping(seconds, after)).wait()
        _check_snapshots(made)
        return f"after {after:.2f} s"

    return inject


def _check_snapshots(made: Round) -> None:
    """All that were written are there, can be read, and are listed in the order of the watch."""
    folder = made.bench.places.cwd / "snapshots"
    if not folder.exists():
        return
    snapshots = [load(name) for name in listed(str(folder))]
    since = [snapshot.picture.since_attach_s for snapshot in snapshots]
    wait_until(lambda: len(since) >= 2, "the first and the last snapshot", 0)
    wait_until(lambda: since == sorted(since), f"snapshots in their order: {since}", 0)


def _left_alone(way: Way) -> Callable[[Round], str]:
    """A child that is forked off while probes are in place is not harmed when they go."""

    def inject(made: Round) -> str:
        made.bench.renew_subject()
        run = made.start(way, "--count", "8")
        run.until_picture()
        made.subject.be("fork")
        made.subject.expect("child")
        if made.number % 2:
            run.kill()
        run.wait()
        made.subject.speed("c")
        return "killed" if made.number % 2 else "ended"

    return inject


def all_of_them() -> Iterator[Fault]:
    for way in (*best_and_perf(), GROWTH, AUTO):
        yield Fault(
            f"threads-{way.name}",
            f"the target has {_CROWD} threads",
            _watched(way),
            may_end(0),
            busy=2,
            idle=_CROWD,
        )
    for way in (*best_and_perf(), SAMPLE, GROWTH, RECORD):
        yield Fault(
            f"stopped-{way.name}",
            "the target is stopped before the start",
            _stopped(way, before=True),
            may_end(0),
        )
        yield Fault(
            f"stops-{way.name}",
            "the target is stopped at any moment",
            _stopped(way, before=False),
            may_end(0),
            times(10),
        )
        yield Fault(
            f"frozen-{way.name}",
            "the control group of the target is frozen at any moment",
            _frozen(way),
            may_end(0),
            times(10),
        )
    for first in held():
        for second in held():
            yield Fault(
                f"two-{first.name}-{second.name}",
                f"two tools watch the target, and the first one ({first.name}) gets SIGKILL",
                _two_tools(first, second),
                may_end(0, KILLED),
                times(4),
            )
    for way in (best(), RECORD):
        for seconds, words in ((-_HOUR, "back-an-hour"), (_YEAR, "ahead-a-year")):
            yield Fault(
                f"clock-{words}-{way.name}",
                f"the wall clock goes {words.replace('-', ' ')} at any moment of {way.name}",
                _clock_jumps(way, seconds),
                may_end(0),
                times(10),
            )
    for way in held():
        yield Fault(
            f"child-{way.name}",
            "the target forks a child that is not watched, and the probes go",
            _left_alone(way),
            may_end(0, KILLED),
            times(4),
        )
