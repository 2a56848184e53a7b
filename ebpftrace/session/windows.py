"""When births are recorded while they are sampled: in windows, one in each stretch of time.

A target that computes all the time does less in a window than in as much time outside, for its allocations
are recorded there. So what windows have their share of is not time but what the targets do, by the frees and
resizes that they call, which are probed always (and, for those that hardly do, by time).

A thread of its own places the probes of births shortly before a window and removes them after it. The
kernel side takes the window by its clock, so that it is as long as it is said to be, whenever this thread
gets a processor. Where one comes too late, or sees too little, the next ones make up for it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from random import SystemRandom

from ebpftrace import kerneltime, shortage
from ebpftrace.drain.estimating import window
from ebpftrace.errors import CannotAttach
from ebpftrace.kernel.switches import Switches
from ebpftrace.kernel.windowed import Looks, WindowProbes, close_all
from ebpftrace.threads import Thread

log = logging.getLogger(__name__)

_LENGTH_NS = 20_000_000
_STRETCH_NS = (
    1_000_000_000  # at least: to place and to remove probes takes some milliseconds of a processor
)
_LEAST_PART, _MOST_SHARE = 8, 0.8  # of what is usual, and of a stretch
DONE_PER_S = 100.0
"""What a second counts for beside the calls in it."""
_NEWEST = 0.3  # part of the newest reading in a smoothed one
_LEAD_NS = 5_000_000  # that placing is taken to last, until it is known
_GRACE_NS = 1_000_000  # for calls that began in the window
_MOST_END_S = 12.0
_S = 1e9


def lengths(scale: int) -> tuple[int, int]:
    """(a window, the stretch that it lies in), in ns, where one in `scale` is recorded."""
    stretch = max(_STRETCH_NS, scale * _LENGTH_NS)
    return stretch // scale, stretch


class Plan:
    """Which windows come next, so that what they see of all that is done is one in `scale`.

    What is done is counted in units of `DONE_PER_S` a second and one for each call.
    """

    def __init__(self, scale: int, now: int, calls: int, where: Callable[[], float]) -> None:
        """`now`: the clock in ns; `calls` until then; `where` is random in [0, 1)."""
        self._scale = scale
        self._where = where
        self._usual, self._stretch = lengths(scale)
        self._since = self._next = now
        self._calls = self._last_calls = calls
        self._last = now
        self._rate = self._rate_inside = 0.0  # a ns; 0: not known
        self._seen = 0.0

    def next(self, now: int, calls: int) -> tuple[int, int]:
        """(begin, length) of the window of the next stretch; `calls` until now."""
        done = _done(now - self._last, calls - self._last_calls)
        if now > self._last:
            self._rate = _smoothed(self._rate, done / (now - self._last))
        self._last, self._last_calls = now, calls
        self._next = begin = max(self._next, now)
        self._next += self._stretch
        all_done = _done(now - self._since, calls - self._calls) + self._rate * (self._next - now)
        wanted = all_done / self._scale - self._seen
        rate = self._rate_inside or self._rate
        length = round(wanted / rate) if rate else self._usual
        length = max(self._usual // _LEAST_PART, min(length, int(_MOST_SHARE * self._stretch)))
        at, _ = window(self._stretch, length, self._where())
        return begin + int(at), length

    def saw(self, length: int, calls: int) -> int:
        """A window of so many ns, in which there were so many calls. What it saw is done."""
        done = _done(length, calls)
        self._seen += done
        self._rate_inside = _smoothed(self._rate_inside, done / length)
        return round(done)

    def short(self, now: int, calls: int) -> float:
        """How far what was seen is off its share, as a part of that."""
        share = _done(now - self._since, calls - self._calls) / self._scale
        return abs(1 - self._seen / share) if share else 0.0

    @property
    def stretch_ends(self) -> int:
        return self._next


def _done(ns: int, calls: int) -> float:
    return DONE_PER_S * ns / _S + calls


def _smoothed(before: float, now: float) -> float:
    return before + (now - before) * _NEWEST if before else now


class Windows:
    """`begin`, `follow`, `end` and `close` are for the poller's thread."""

    def __init__(
        self, switches: Switches, calls: Callable[[], int], calls_in_windows: Callable[[], int]
    ) -> None:
        """`calls`: frees and resizes of all targets so far."""
        self._switches = switches
        self._calls = calls
        self._calls_in_windows = calls_in_windows
        self._changed = threading.Condition()
        self._wanted: tuple[WindowProbes, ...] = ()
        self._held: tuple[WindowProbes, ...] = ()
        self._plan: Plan | None = None
        self._thread: Thread | None = None
        self._looks = Looks()
        self._lead = _LEAD_NS
        self._seen, self._open = 0, False
        self.short = 0.0
        """How far what windows saw is off its share by now, as a part of that."""
        self.failed: CannotAttach | None = None
        """Why no more windows come: nothing that is born is seen any more."""

    def begin(self, scale: int) -> None:
        """One in `scale` births is recorded from now on."""
        with self._changed:
            self._plan = Plan(scale, kerneltime.now_ns(), self._calls(), SystemRandom().random)
            self._changed.notify()
        if self._thread is None:
            self._thread = Thread(self._run, "windows")
            self._thread.start()

    def take_seen(self) -> int:
        """How much windows have seen of what is done since the last call; 0 while one is open."""
        with self._changed:
            if self._open:
                return 0
            seen, self._seen = self._seen, 0
            if self._plan is not None:
                self.short = self._plan.short(kerneltime.now_ns(), self._calls())
            return seen

    def follow(self, probes: Sequence[WindowProbes]) -> None:
        """These are placed from the next window on; others are closed."""
        with self._changed:
            self._wanted = tuple(probes)
        if self._thread is None:
            self._take()

    def end(self) -> None:
        """No more windows; the last one is over, and its probes are gone."""
        with self._changed:
            self._plan = None
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_MOST_END_S)  # then a process is stuck, and it goes on by itself
            self._thread = None

    def close(self) -> None:
        """And no probes any more."""
        self.end()
        self.follow(())

    def _take(self) -> Plan | None:
        """What is wanted by now; what is not is closed."""
        with self._changed:
            plan, before, self._held = self._plan, self._held, self._wanted
        close_all([one for one in before if one not in self._held])
        return plan

    def _run(self) -> None:
        try:
            while (plan := self._take()) is not None:
                begin, length = plan.next(kerneltime.now_ns(), self._calls())
                if self._wait_until(begin - self._lead, plan):
                    self._visit(plan, self._held, begin, length)
                    self._wait_until(plan.stretch_ends - self._lead, plan)
        except CannotAttach as error:
            log.debug("no more windows", exc_info=True)
            self.failed = error
        except (OSError, MemoryError) as error:
            log.debug("no more windows", exc_info=True)
            told = shortage.told(error)
            self.failed = CannotAttach(" ".join(told) if told else f"{error}.")

    def _visit(self, plan: Plan, wanted: Sequence[WindowProbes], begin: int, length: int) -> None:
        began = time.monotonic()
        if wanted and self._looks.due():
            wanted[0].look()
            self._looks.looked(began)
        placing = kerneltime.now_ns()
        for one in wanted:
            one.place()
        for one in wanted:
            one.placed()
        self._lead += (kerneltime.now_ns() - placing - self._lead) // 4
        before = self._calls_in_windows()
        _, end = self._switches.open_window(begin, length)
        with self._changed:
            self._open = True
        _sleep_until(end + _GRACE_NS)
        self._switches.close_window()
        calls = self._calls_in_windows() - before
        with self._changed:
            self._seen, self._open = self._seen + plan.saw(length, calls), False
        for one in wanted:
            one.remove()
        for one in wanted:
            one.removed()

    def _wait_until(self, moment: int, plan: Plan) -> bool:
        """False where that plan is over."""
        with self._changed:
            while self._plan is plan and (left := moment - kerneltime.now_ns()) > 0:
                self._changed.wait(left / _S)
            return self._plan is plan


def _sleep_until(moment: int) -> None:
    time.sleep(max(0, moment - kerneltime.now_ns()) / _S)
