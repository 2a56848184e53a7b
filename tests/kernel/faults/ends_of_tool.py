"""The tool, or a part of it, is killed or told to end: at any moment, and before chosen calls."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.kernel.faults.fault import Fault, may_end, times
from tests.kernel.faults.injection import Call
from tests.kernel.faults.round import Round, Run
from tests.kernel.faults.stages import stages
from tests.kernel.faults.ways import GROWTH, RECORD, RUN, SAMPLE, Way, best, best_and_perf, held
from tests.kernel.harness import START_LIMIT
from tests.kernel.leftovers import state_of

KILLED = -signal.SIGKILL
_WORKER = "ebpftrace-probe"
_TOLD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)
# Calls between which the tool and its worker change what is in the kernel, and what they leave elsewhere.
_STAGES = ("bpf 0", "bpf 5", "bpf 17", "bpf 28", "bpf 32", "perf_event_open", "fork")


def any_moment(made: Round, way: Way) -> float:
    """Of an undisturbed run, or a little later, in seconds from the start; to be asked before that."""
    return made.random.uniform(0.0, 1.05 * made.bench.duration(way))


def _killed(way: Way, *, compiles: bool = False) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        moment = any_moment(made, way) * (2 if compiles else 1)
        if compiles:
            made.bench.places.forget_cache()
        run = made.start(way)
        time.sleep(moment)
        run.kill()
        return f"after {moment:.2f} s"

    return inject


def _killed_worker(way: Way) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        moment = any_moment(made, way)
        run = made.start(way)
        began = time.monotonic()
        time.sleep(moment)
        end = began + START_LIMIT
        while not (workers := run.children(_WORKER)) and run.runs() and time.monotonic() < end:
            time.sleep(0.002)
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        return f"after {time.monotonic() - began:.2f} s" if workers else "ended before"

    return inject


def _killed_all(way: Way) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        moment = any_moment(made, way)
        made.start(way)
        time.sleep(moment)
        made.kill_all()
        return f"after {moment:.2f} s"

    return inject


def _told(way: Way, by: signal.Signals) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        moment = any_moment(made, way)
        run = made.start(way)
        # Before our first line it is the interpreter that ends, in its own way.
        made.until(lambda: _takes_signals(run) or not run.runs(), "the first line")
        time.sleep(moment)
        if run.runs():
            run.kill(by)
        return f"after {moment:.2f} s"

    return inject


def _takes_signals(run: Run) -> bool:
    caught = state_of(run.pid).get("SigCgt", "0")
    return bool(int(caught, 16) & 1 << signal.SIGTERM - 1)


def _killed_before(way: Way, victim: Callable[[Run, Call], int | None]) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        call = stages(made.bench, way, _STAGES)[made.number]
        started = made.start_paused(way, call)
        if started is None:
            return f"{call}: not reached"
        run, go_on = started
        pid = victim(run, call)
        if pid == run.pid:
            run.kill()
        elif pid is not None:
            os.kill(pid, signal.SIGKILL)
        go_on()
        return f"before {call}"

    return inject


def _the_tool(run: Run, _call: Call) -> int:
    return run.pid


def _who_calls(run: Run, call: Call) -> int | None:
    if call.line.startswith("tool "):
        return run.pid
    return next(iter(run.children(_WORKER)), None)


def all_of_them() -> Iterator[Fault]:
    """Every one that there is on this kernel."""
    ways = [*held(), SAMPLE, GROWTH, RECORD, RUN]
    for way in ways:
        yield Fault(
            f"kill-{way.name}",
            f"the tool ({way.name}) gets SIGKILL at any moment",
            _killed(way),
            may_end(KILLED, 0),
            times(60 if way in held() else 30),
        )
    yield Fault(
        "kill-compiling",
        "the tool gets SIGKILL at any moment, and it has to compile",
        _killed(best(), compiles=True),
        may_end(KILLED, 0),
        times(30),
    )
    for way in best_and_perf():
        yield Fault(
            f"kill-worker-{way.name}",
            "the process that holds the probes gets SIGKILL at any moment",
            _killed_worker(way),
            may_end(0, 3, 4, says="SIGKILL|was ended", leaves_breakpoints=True),
            times(40),
        )
        yield Fault(
            f"kill-all-{way.name}",
            "all processes of the tool get SIGKILL at once, at any moment",
            _killed_all(way),
            may_end(KILLED, 0, leaves_breakpoints=True),
            times(40),
        )
        yield Fault(
            f"kill-before-{way.name}",
            "the tool gets SIGKILL before a chosen call of its own or of its worker",
            _killed_before(way, _the_tool),
            may_end(KILLED, 0),
            lambda made, way=way: len(stages(made.bench, way, _STAGES)),  # type: ignore[misc]
        )
    yield Fault(
        "kill-caller",
        "whoever makes a chosen call, the tool or its worker, gets SIGKILL before it",
        _killed_before(best(), _who_calls),
        may_end(KILLED, 0, 3, 4, leaves_breakpoints=True),
        lambda made: len(stages(made.bench, best(), _STAGES)),
    )
    for way in (*best_and_perf(), RECORD):
        for by in _TOLD:
            yield Fault(
                f"{by.name.lower()}-{way.name}",
                f"the tool ({way.name}) gets {by.name} at any moment",
                _told(way, by),
                may_end(0),
                times(30),
            )
