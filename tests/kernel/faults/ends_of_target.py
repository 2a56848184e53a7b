"""The target ends, crashes, becomes another program, loses its first thread, forks: at any moment, and before chosen calls."""

import os
import signal
import time
from collections.abc import Callable, Iterator

from tests.kernel.faults.ends_of_tool import any_moment
from tests.kernel.faults.fault import Expected, Fate, Fault, may_end, times
from tests.kernel.faults.round import Round
from tests.kernel.faults.stages import stages
from tests.kernel.faults.subject import Subject
from tests.kernel.faults.ways import AUTO, GROWTH, RECORD, SAMPLE, Way, best, best_and_perf

# From the first look at the target to the last change of a watch.
_STAGES = ("open /proc/", "pidfd_open", "bpf 2", "bpf 5", "bpf 28", "perf_event_open")

Event = Callable[[Subject], None]


def _killed(subject: Subject) -> None:
    os.kill(subject.pid, signal.SIGKILL)
    subject.process.wait()


def _says(word: str, answer: str | None = None) -> Event:
    def happen(subject: Subject) -> None:
        subject.be(word)
        if answer is None:
            subject.process.wait()
        else:
            subject.expect(answer)

    return happen


def _loses_its_leader(subject: Subject) -> None:
    subject.be("leader")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with open(f"/proc/{subject.pid}/task/{subject.pid}/stat") as file:  # noqa: PTH123
            if file.read().rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.001)


_HAD_ENDED = may_end(0, 3, 4, fate=Fate.ENDS)
_ANOTHER = may_end(0, 3, 4)

EVENTS: dict[str, tuple[str, Event, Expected]] = {
    "killed": ("gets SIGKILL", _killed, _HAD_ENDED),
    "crashes": ("writes to address 0", _says("fault"), _HAD_ENDED),
    "exits": ("calls exit()", _says("exit"), _HAD_ENDED),
    "execs": ("becomes another program", _says("exec", "again"), _ANOTHER),
    "leader": ("loses its first thread", _loses_its_leader, may_end(0, 3)),
    "forks": ("forks a child that goes on", _says("fork", "child"), may_end(0)),
    "storm": ("forks children for a second", _says("storm", "storm"), may_end(0)),
}
# After these the target is another one.
_LASTING = ("execs", "leader", "forks")


def _before_a_call(way: Way, event: str) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        call = stages(made.bench, way, _STAGES)[made.number]
        started = made.start_paused(way, call)
        EVENTS[event][1](made.subject)  # where the tool has ended before as well
        if started is not None:
            started[1]()
        if event in _LASTING:
            made.bench.renew_subject()
        return f"before {call}" if started else f"{call}: not reached"

    return inject


def _at_any_moment(way: Way, event: str) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        moment = any_moment(made, way)
        made.start(way)
        time.sleep(moment)
        EVENTS[event][1](made.subject)
        if event in _LASTING:
            made.bench.renew_subject()
        return f"after {moment:.2f} s"

    return inject


def _followed(made: Round) -> str:
    """A storm of children of a watch that follows them."""
    moment = any_moment(made, best())
    made.start(best(), "--follow")
    time.sleep(moment)
    EVENTS["storm"][1](made.subject)
    return f"after {moment:.2f} s"


def all_of_them() -> Iterator[Fault]:
    for event, (what, _, expected) in EVENTS.items():
        for way in (*best_and_perf(), SAMPLE, GROWTH, AUTO, RECORD):
            yield Fault(
                f"target-{event}-{way.name}",
                f"the target {what} at any moment of {way.name}",
                _at_any_moment(way, event),
                expected,
                times(20 if way == best() else 8),
            )
        if event == "storm":
            continue
        for way in best_and_perf():
            yield Fault(
                f"target-{event}-before-{way.name}",
                f"the target {what} before a chosen call of {way.name}",
                _before_a_call(way, event),
                expected,
                lambda made, way=way: len(stages(made.bench, way, _STAGES)),  # type: ignore[misc]
            )
    yield Fault(
        "target-storm-followed",
        "the target forks children for a second, which are followed",
        _followed,
        may_end(0),
        times(10),
    )
