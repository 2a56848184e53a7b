"""What uprobes cost on this host, which kinds of them are right, and what return probes break.

Tried on machine code of our own that nobody else maps. What follows from it for a target is left to
the caller.
"""

import errno
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import btf, syscalls
from ebpftrace.kernel.instructions import IS_RETURN, RETURN_0, session
from ebpftrace.kernel.probe_bench import Bench, beside
from ebpftrace.kernel.testbed import STEPPED
from ebpftrace.kernel.trial_children import Child, Guard, guarded_child, survived

log = logging.getLogger(__name__)

LIMIT_S = 3.0  # a child ends within 2 ms; emulated processors take 25 times as long

_SESSION = syscalls.ATTACH_TYPE_UPROBE_SESSION
# EINVAL and EACCES of the verifier, or of the call itself: errors of permission are EPERM.
_UNKNOWN = (errno.EINVAL, errno.E2BIG, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES)
_GUARDS: tuple[Guard, ...] = ("filter", "strict", "shadow stack")
# One function a purpose, so that no probe is there where another is looked at.
_ENTRY, _STEPPED, _RETURN, _MULTI_ENTRY, _MULTI_RETURN, _SESSION_COST = range(2, 8)
_COUNTED, _WANTED, _UNWANTED, _GUARDED = range(8, 12)  # each guard has one from _GUARDED on
# Slots of the counters; each guard has one from _GUARD_SLOT on.
_HITS, _ENTERED, _LEFT, _GUARD_SLOT = range(4)
_STEPPED_CALLS, _COUNTED_CALLS = 25, 3


@dataclass(frozen=True, slots=True)
class ProbeTrial:
    """What was found; None stands for what could not be tried.

    Costs are in ns a hit, over the same loop without a probe: entry and return probes each alone,
    `session_ns` for the entry and the return of one program.
    """

    entry_ns: float | None = None
    stepped_ns: float | None = None
    """An entry probe on an instruction that the kernel single-steps."""
    return_ns: float | None = None
    multi_entry_ns: float | None = None
    multi_return_ns: float | None = None
    session_ns: float | None = None
    refused: dict[str, str] = field(default_factory=dict)
    """The back ends "perf", "multi", "session" that must not be used; why, as a clause."""
    survives_seccomp: bool | None = None
    """Does a process live whose filter kills at system calls that it does not know?"""
    survives_strict_seccomp: bool | None = None
    """The same in strict mode (`Seccomp: 1`)."""
    survives_shadow_stack: bool | None = None

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_object(cls, values: Mapping[str, Any]) -> "ProbeTrial":
        """The trial that `as_object` was made from."""
        return cls(**values)


def try_probes() -> ProbeTrial:
    """The trial, after which every probe of it is gone: 0.05 s, and 0.6 s for the removal."""
    with probe_trial() as trial:
        return trial


@contextmanager
def probe_trial() -> Iterator[ProbeTrial]:
    """The trial, of which the idle probes stay until the block ends.

    Their removal takes 0.6 s, and for as long the kernel lets nobody of this host open another
    perf event on a uprobe (event_mutex is held over the grace periods): leave the block when what
    is traced has been attached. Enter it while this is the only thread of the process.
    """
    with ExitStack() as held:
        try:
            bench = held.enter_context(Bench())
        except OSError as error:
            why = f"they could not be tried here: {error.strerror} ({_name(error)})"
            yield ProbeTrial(refused={"multi": why, "session": why})
            return
        yield _all(bench)


def _all(bench: Bench) -> ProbeTrial:
    trial = ProbeTrial()
    # The first probe of a while waits 20 ms for the kernel; the walk through BTF takes as long.
    with ExitStack() as at_once:
        with suppress(OSError):
            at_once.enter_context(beside(_look_into_types))
        refused = _refusal(lambda: _place_events(bench), unknown=())
    if refused:
        trial.refused["perf"] = refused
    if refused := _refusal(lambda: _place_multi(bench)) or filter_fault(bench):
        trial.refused["multi"] = trial.refused["session"] = refused
    elif refused := session_fault(bench):
        trial.refused["session"] = refused
    if "perf" not in trial.refused:
        lives = survivals(bench)
        trial = replace(
            trial,
            entry_ns=bench.hit_ns(_ENTRY),
            stepped_ns=bench.hit_ns(_STEPPED, _STEPPED_CALLS),
            return_ns=bench.hit_ns(_RETURN),
            survives_seccomp=lives["filter"],
            survives_strict_seccomp=lives["strict"],
            survives_shadow_stack=lives["shadow stack"],
        )
    if "multi" not in trial.refused:
        trial = replace(
            trial,
            multi_entry_ns=bench.hit_ns(_MULTI_ENTRY),
            multi_return_ns=bench.hit_ns(_MULTI_RETURN),
        )
    if "session" not in trial.refused:
        trial = replace(trial, session_ns=bench.hit_ns(_SESSION_COST))
    return trial


def _look_into_types() -> None:
    """Both answers are kept for who asks."""
    btf.kernel_function(IS_RETURN)
    btf.kernel_offsets()


def _place_events(bench: Bench) -> None:
    bench.event(_ENTRY, RETURN_0)
    bench.event(_STEPPED, RETURN_0, within=STEPPED)
    bench.event(_RETURN, RETURN_0, returns=True)


def _place_multi(bench: Bench) -> None:
    bench.link(_MULTI_ENTRY, RETURN_0)
    bench.link(_MULTI_RETURN, RETURN_0, returns=True)


def _place_session(bench: Bench) -> None:
    number = btf.kernel_function(IS_RETURN)
    if number is None:
        raise OSError(errno.EOPNOTSUPP, "no such function")
    leave = bench.counting(_LEFT)
    enter, enter_only = (bench.counting(_ENTERED, answer) for answer in (0, 1))
    bench.link(_SESSION_COST, session(RETURN_0, RETURN_0, number), _SESSION)
    bench.link(_WANTED, session(enter, leave, number), _SESSION)
    bench.link(_UNWANTED, session(enter_only, leave, number), _SESSION)


def filter_fault(bench: Bench, process: int | None = None) -> str | None:
    """Why links of many uprobes (89ae89f53d20, 6.6) must not be used, as a clause.

    A link on this process (or on `process`) has to see the hits of all its threads and of no other
    process: the first kernels compared the thread (until 46ba0e49b642, 6.10).
    """

    def call() -> int:
        bench.run(_COUNTED, _COUNTED_CALLS)
        return 0

    def miscounted() -> str | None:
        bench.link(_COUNTED, bench.counting(_HITS), process=process)
        # A child forked now has the breakpoint in its memory: only the filter keeps its hits out.
        with Child(call) as child:
            child.start()
            if child.status(LIMIT_S) != 0:
                return "it could not be proven that their process filter works"
        if bench.count(_HITS):
            return "their process filter lets hits of other processes through"
        with beside(call):
            pass
        if bench.count(_HITS) != _COUNTED_CALLS:
            return "their process filter misses the hits of other threads"
        return None

    return _refusal(miscounted)


def session_fault(bench: Bench, wanted: int = _WANTED, unwanted: int = _UNWANTED) -> str | None:
    """Why session programs (535a3692ba72, 6.13) must not be used, as a clause.

    The answer of an entry has to decide about its return: on function `wanted` it asks for it, on
    `unwanted` it does not.
    """

    def unheeded() -> str | None:
        _place_session(bench)
        bench.run(unwanted, _COUNTED_CALLS)
        if (bench.count(_ENTERED), bench.count(_LEFT)) != (_COUNTED_CALLS, 0):
            return "a return comes where the entry wanted none"
        bench.run(wanted, _COUNTED_CALLS)
        if (bench.count(_ENTERED), bench.count(_LEFT)) != (2 * _COUNTED_CALLS, _COUNTED_CALLS):
            return "a return that the entry wanted does not come"
        return None

    return _refusal(unheeded)


def survivals(bench: Bench, **options: int) -> dict[Guard, bool | None]:
    """Does a child live behind each guard when a function with a return probe returns?

    `options` are those of `guarded_child`.
    """
    found: dict[Guard, bool | None] = dict.fromkeys(_GUARDS)
    with ExitStack() as children:
        try:
            waiting = []
            # Not one function for all: where this process and another one have each a return probe
            # on it, kernels up to 6.12 at least run the programs of both at the return of either.
            for number, guard in enumerate(_GUARDS):
                function, slot = _GUARDED + number, _GUARD_SLOT + number
                child = guarded_child(bench.bed, guard, bench.bed.function(function), **options)
                children.enter_context(child)
                code = bench.counting(slot)
                bench.event(function, code, returns=True, thread=child.pid)
                waiting.append((guard, child, slot))
                child.start()
            for guard, child, slot in waiting:
                found[guard] = survived(guard, child.status(LIMIT_S), bench.count(slot))
        except OSError as error:
            log.debug("return probes under guards could not be tried: %s", error)
    return found


def _refusal(trying: Callable[[], str | None], unknown: tuple[int, ...] = _UNKNOWN) -> str | None:
    """What `trying` says, or the error that it ends with, as a clause."""
    try:
        return trying()
    except CannotAttach as error:  # of `features`, which could not read the files of the events
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno != errno.ENOENT:
            return f"the kernel gives {_name(cause)}"
        return "the kernel has no uprobe events (CONFIG_UPROBE_EVENTS)"
    except OSError as error:
        name = _name(error)
        known = error.errno not in unknown
        return f"the kernel gives {name}" if known else f"the kernel does not know them ({name})"


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))
