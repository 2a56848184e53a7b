"""The prices of probes on this host: our own programs on functions of our own.

The worker has a piece of code that nobody else runs (`testbed`). Its functions stand for malloc,
realloc and free of slot 0, which belongs to no target.
"""

import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import layout
from ebpftrace.kernel.attach import request_for
from ebpftrace.kernel.backends import Backend, Placement, ProgramName
from ebpftrace.kernel.prices import STACK_DEPTH, Prices, median
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.kernel.programs import Programs
from ebpftrace.kernel.rules import RuleTable
from ebpftrace.kernel.run_time import RunTime
from ebpftrace.kernel.testbed import function
from ebpftrace.kernel.worker import Channel
from ebpftrace.model.ids import Address, FileOffset, Slot
from ebpftrace.probes.functions import Role
from ebpftrace.unwind.rules import FROM_FP, OUTERMOST, STEP, Rule

log = logging.getLogger(__name__)

SLOT = Slot(0)
# Few calls, so that the records of their blocks come from the list that the processor has at hand:
# with 64 the kernel fetches more in between, and a pair takes 2.8 us instead of 2.2.
_ROUNDS, _CALLS = 15, 32
_RUN_TIME_ROUNDS = 5  # each changes the kernel's code twice
_LESSONS = 16
_FRAME = Rule(STEP | FROM_FP, 16, -16)  # our code keeps frame pointers, and has no tables
_BASE = 0x10000000  # where the blocks are said to be
_FUNCTIONS: dict[Role, int] = {"birth": 1, "resize": 2, "death": 3}
_UNHELD = "unheld"
# The registers of the first argument and the second: rdi and rsi, or x0 and x1.
_FIRST, _SECOND = (7, 6) if platform.machine() == "x86_64" else (0, 1)
_ARGUMENTS: dict[Role, int] = {
    "birth": layout.entry_cookie(_SECOND),
    "resize": layout.entry_cookie(_SECOND, pointer=_FIRST),
    "death": layout.entry_cookie(_SECOND, pointer=_FIRST),
}


def calibrate(
    channel: Channel,
    programs: Programs,
    backend: Backend,
    trial: ProbeTrial,
    rules: RuleTable,
    run_time: RunTime,
    events: Callable[[], list[bytes]],
) -> Prices | None:
    """About 20 ms. None, and the reason in the log, where it cannot be done.

    Slot 0 must count meanwhile, and what it counted be thrown away. The probes stay until `channel`
    is closed. `events` have come since the last call.
    """
    if trial.entry_ns is None or trial.stepped_ns is None:
        return None
    try:
        bare = median([_loop(channel, "birth") for _ in range(_ROUNDS)])
        for placement in _placements(backend):
            number = channel.ask(request_for(placement, programs), [programs.uprobe(placement)])
            if number["errno"]:
                raise CannotAttach(f"calibration: error {number['errno']}")
        for role in _FUNCTIONS:
            teach(partial(_ask, channel, role), rules, events)
        costs = _costs(channel, bare)
        ran = _run_times(channel, run_time)
    except CannotAttach as error:
        log.info("no prices: %s", error)
        return None
    finally:
        rules.remove_slot(SLOT)
    return Prices(
        birth_ns=costs["birth"],
        resize_ns=costs["resize"],
        death_ns=costs["death"],
        nested_ns=trial.entry_ns,
        unheld_ns=costs[_UNHELD],
        stepped_ns=max(trial.stepped_ns - trial.entry_ns, 0.0),
        programs=ran,
    )


def _costs(channel: Channel, bare: float) -> dict[str, float]:
    """Nanoseconds of a call of each function, without the `bare` call. CannotAttach."""
    return _medians(lambda role: _loop(channel, role) - bare, _ROUNDS)


def _run_times(channel: Channel, run_time: RunTime) -> Prices | None:
    """Nanoseconds that our programs run at a call of each; None where the kernel does not measure it."""

    def ran(role: Role) -> float:
        run_time.begin()
        _loop(channel, role)
        return (run_time.end() or 0) / _CALLS

    found = _medians(ran, _RUN_TIME_ROUNDS)
    if run_time.refused:
        return None
    return Prices(
        birth_ns=found["birth"],
        resize_ns=found["resize"],
        death_ns=found["death"],
        nested_ns=0.0,
        unheld_ns=found[_UNHELD],
        stepped_ns=0.0,
    )


def _medians(reading: Callable[[Role], float], rounds: int) -> dict[str, float]:
    """Of each function."""
    found: dict[str, list[float]] = {role: [] for role in (*_FUNCTIONS, _UNHELD)}
    for _ in range(rounds):
        # Each round frees what it has allocated, and frees it again.
        for name, readings in found.items():
            readings.append(reading("death" if name == _UNHELD else cast(Role, name)))
    return {name: median(readings) for name, readings in found.items()}


def teach(
    run: Callable[[], dict[str, Any]], rules: RuleTable, events: Callable[[], list[bytes]]
) -> None:
    """Let walks find every frame of our code that `run` runs, and end where it begins."""
    for _ in range(_LESSONS):
        start, end = run()["code"]
        misses = [event for event in events() if _kind(event) == layout.EVENT_MISS]
        if not misses:
            return
        for pc in {Address(layout.MISS.unpack_from(miss)[8]) for miss in misses}:
            rules.install(SLOT, pc, (_FRAME if start <= pc < end else OUTERMOST).pack())


def _kind(event: bytes) -> int:
    kind: int = layout.EVENT.unpack_from(event)[0]
    return kind


def _loop(channel: Channel, role: Role) -> float:
    return float(_ask(channel, role)["ns"]) / _CALLS


def _ask(channel: Channel, role: Role) -> dict[str, Any]:
    request = {
        "do": "time",
        "function": _FUNCTIONS[role],
        "calls": _CALLS,
        "base": _BASE,
        "depth": STACK_DEPTH,
    }
    return channel.ask(request)


@dataclass(frozen=True, slots=True)
class _Place:
    role: Role
    program: ProgramName


def _placements(backend: Backend) -> list[Placement]:
    if backend == "session":
        places = [_Place(role, "session") for role in _FUNCTIONS]
    else:
        places = [_Place(role, "enter") for role in _FUNCTIONS]
        places += [_Place("birth", "leave"), _Place("resize", "leave")]
    return [
        Placement(
            backend,
            place.program,
            -1,
            (FileOffset(function(_FUNCTIONS[place.role])),),
            (layout.cookie(SLOT, place.role, 0, 0) | _ARGUMENTS[place.role],),
            place.role,
            returns=place.program == "leave",
        )
        for place in places
    ]
