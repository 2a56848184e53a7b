"""A call of the tool fails, once or from then on: bpf(), perf_event_open() and others, each in turn."""

import errno
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from tests.kernel.faults.fault import Fault, may_end
from tests.kernel.faults.injection import Call
from tests.kernel.faults.round import Round
from tests.kernel.faults.stages import some
from tests.kernel.faults.ways import GROWTH, RECORD, SAMPLE, Way, best, best_and_perf

_KERNEL = (
    errno.EPERM,
    errno.ENOMEM,
    errno.EINVAL,
    errno.EAGAIN,
    errno.ENOSPC,
    errno.E2BIG,
)


class Failing(NamedTuple):
    """Calls, by what their lines have behind the name of who calls, and what each can fail with."""

    name: str
    calls: tuple[str, ...]
    numbers: tuple[int, ...]
    what: str
    most: int
    """Of each line so many get every number in turn, all others one of them."""


KINDS = (
    Failing("bpf", ("bpf ",), _KERNEL, "bpf()", 3),
    Failing("event", ("perf_event_open",), _KERNEL, "perf_event_open()", 6),
    Failing("ioctl", ("ioctl 1074013192", "ioctl 9216"), (errno.ENOMEM, errno.EINVAL, errno.EIO), "ioctl() of a perf event", 3),
    Failing("fork", ("fork",), (errno.EAGAIN, errno.ENOMEM), "fork()", 9),
    Failing("thread", ("pthread_create",), (errno.EAGAIN,), "making a thread", 20),
    Failing("mmap", ("mmap",), (errno.ENOMEM,), "mmap()", 20),
    Failing("socketpair", ("socketpair",), (errno.EMFILE, errno.ENFILE, errno.ENOMEM), "socketpair()", 9),
    Failing("sendmsg", ("sendmsg",), (errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS), "sendmsg()", 3),
    Failing("pidfd", ("pidfd_open",), (errno.EMFILE, errno.ENFILE, errno.ENOMEM), "pidfd_open()", 9),
    Failing(
        "open-proc",
        ("open /proc/", "open /sys/"),
        (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO),
        "open() of a file of the kernel's",
        1,
    ),
)  # fmt: skip


def _sweep(made: Round, way: Way, kind: Failing) -> list[tuple[Call, int]]:
    """Every call of the kind that such a run makes fails once, some of them by each number.

    The first of each line comes first, and the others by chance: whoever has no time for all has some of all.
    """
    first: list[tuple[Call, int]] = []
    rest: list[tuple[Call, int]] = []
    for line, count in _counted(made, way, kind):
        all_numbers = some(count, kind.most)
        for number in range(1, count + 1):
            chosen = kind.numbers[number % len(kind.numbers)]
            for each in kind.numbers if number in all_numbers else (chosen,):
                least = number == 1 and each == chosen
                (first if least else rest).append((Call(line, number), each))
    Random(made.bench.seed).shuffle(rest)
    return first + rest


def _counted(made: Round, way: Way, kind: Failing) -> list[tuple[str, int]]:
    """The lines of the kind, and how often such a run makes each of these calls."""
    counted = Counter(made.bench.calls(way)).items()
    return [
        (line, count) for line, count in counted if line.split(" ", 1)[1].startswith(kind.calls)
    ]


def _forever(made: Round, way: Way, kind: Failing) -> list[tuple[Call, int]]:
    """From the first, the middle or the last call of each line on all of that line fail."""
    return [
        (Call(line, number, on=True), each)
        for line, count in _counted(made, way, kind)
        for number in some(count, 3)
        for each in kind.numbers
    ]


def _failing(
    way: Way, kind: Failing, chosen: Callable[[Round, Way, Failing], list[tuple[Call, int]]]
) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        call, number = chosen(made, way, kind)[made.number]
        made.start(way, env=made.injector.failing(call, number)).wait()
        met = "" if made.injector.met() else ": not reached"
        return f"{errno.errorcode[number]} of {call}{met}"

    return inject


def all_of_them() -> Iterator[Fault]:
    for kind in KINDS:
        for way in (*best_and_perf(), SAMPLE, GROWTH, RECORD):
            if way not in best_and_perf() and kind.name not in ("bpf", "event", "ioctl"):
                continue
            yield _fault(f"{kind.name}-{way.name}", "one call of", way, kind, _sweep)
    for kind in KINDS[:3]:
        way = best()
        yield _fault(f"{kind.name}-on-{way.name}", "from one on all of", way, kind, _forever)


def _fault(
    name: str,
    which: str,
    way: Way,
    kind: Failing,
    chosen: Callable[[Round, Way, Failing], list[tuple[Call, int]]],
) -> Fault:
    return Fault(
        name,
        f"{which} {kind.what} of {way.name} fails",
        _failing(way, kind, chosen),
        may_end(0, 3),
        lambda made: len(chosen(made, way, kind)),
    )
