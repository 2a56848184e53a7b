"""The price of a page fault that is watched: our own worker touches fresh pages, with the event and without."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel.calibration import SLOT, teach
from ebpftrace.kernel.faults import FaultTable
from ebpftrace.kernel.prices import STACK_DEPTH, median
from ebpftrace.kernel.rules import RuleTable
from ebpftrace.kernel.run_time import RunTime
from ebpftrace.kernel.worker import Channel
from ebpftrace.model.ids import Pid, Tid

log = logging.getLogger(__name__)

_ROUNDS, _PAGES = 31, 64


def measure(
    channel: Channel,
    worker: int,
    faults: FaultTable,
    rules: RuleTable,
    run_time: RunTime,
    events: Callable[[], list[bytes]],
) -> tuple[float, float | None] | None:
    """Nanoseconds that one takes longer, and what our program runs of that (None where the kernel does not measure
    it), in about 15 ms. None, and the reason in the log, where it fails.

    Slot 0 must count meanwhile. `worker`: the process at the other end of `channel`. `events` have come since
    the last call.
    """
    touch = partial(_touch, channel)
    watched = None
    try:
        thread = Tid(touch()["thread"])
        bare = median([_page_ns(touch) for _ in range(_ROUNDS)])
        faults.begin(Pid(worker), SLOT)
        watched = faults.events(lambda: [thread])
        teach(touch, rules, events)
        price = max(0.0, median([_page_ns(touch) for _ in range(_ROUNDS)]) - bare)
        run_time.begin()
        touch()
        ran = run_time.end()
        return price, ran and ran / _PAGES
    except CannotAttach as error:
        log.info("no price of a page fault: %s", error)
        return None
    finally:
        if watched is not None:
            watched.close()
        faults.end(Pid(worker))
        faults.forget_slot(SLOT)
        rules.remove_slot(SLOT)


def _page_ns(touch: Callable[[], dict[str, Any]]) -> float:
    return float(touch()["ns"]) / _PAGES


def _touch(channel: Channel) -> dict[str, Any]:
    return channel.ask({"do": "touch", "pages": _PAGES, "depth": STACK_DEPTH})
