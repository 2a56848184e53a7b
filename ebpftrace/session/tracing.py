"""Every call of a watch into a log, as they come: one thread from the ring buffer to the file."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import Protocol

from ebpftrace.drain.calls import CallOrder, of_slot, slots
from ebpftrace.kernel import layout
from ebpftrace.kernel.calibration import SLOT as CALIBRATION
from ebpftrace.kernel.callring import STRIDE, CallRing
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.calls import CallRecord
from ebpftrace.session.callers import Callers
from ebpftrace.session.linefile import LineFile
from ebpftrace.session.traced import Traced
from ebpftrace.threads import Thread

log = logging.getLogger(__name__)

_REST_S = 0.02
_AT_ONCE = 1 << 14  # calls; 1 MB of text
_LOST = "they came faster than this log is written. What it shows as not freed may be freed."
_ATTACHING_S = 1.0  # between its first call and that the session knows it

Locate = Callable[[int], tuple[str, int] | None]


class Lines(Protocol):
    """What makes text of calls: `export.mtrace.Lines` is one."""

    def of(self, calls: Iterable[CallRecord]) -> bytes:
        """The lines of these calls, whole ones."""

    def forget(self, start: int, end: int) -> None:
        """Other code is at these addresses from now on."""


@dataclass(frozen=True, slots=True)
class LogText:
    """The text of a log: its first and its last line, what is between them, and a remark."""

    start: bytes
    end: bytes
    lines: Callable[[Locate], Lines]
    remark: Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Calls:
    """What a session has for `TraceLog`: the kernel side, and the targets, which become more."""

    tracer: Tracer
    targets: Sequence[Traced]

    def target(self, slot: int) -> Traced | None:
        """What runs in `slot`; of one that is attached to just now, as soon as that is known."""
        end = time.monotonic() + _ATTACHING_S
        while True:
            for traced in reversed(tuple(self.targets)):
                if traced.slot == slot:
                    return traced
            if time.monotonic() >= end:
                return None
            time.sleep(_REST_S)

    def lost(self) -> int:
        """Calls that found the ring buffer full."""
        return self.tracer.losses()[layout.TRACE_FULL] or 0


@dataclass(frozen=True, slots=True)
class Logged:
    """What became of the calls: handed on, left out since they came too fast, lines not written."""

    calls: int
    lost: int
    unwritten: int
    files: int


class TraceLog:
    """From its making to `finish`, which comes after the session's `stop` and before its `close`.

    The order of the lines is one in which each address is free when it is given: see bpf/trace.h.
    """

    def __init__(self, calls: Calls, text: LogText, opened: Callable[[int], FileIO]) -> None:
        """`calls`: of a session with `CaptureOptions.trace_log`.

        `opened(n)` is the file for the n-th program, from 1 on, unbuffered and nobody else's: after an
        exec the same addresses are other blocks. They are opened when their first call comes, but
        the first one now, and closed here. What `opened` raises the first time goes to the caller.
        """
        ring = calls.tracer.calls
        assert ring is not None, "the session was opened without trace_log"
        self._calls = calls
        self._ring: CallRing = ring
        self._text = text
        self._opened = opened
        self._spare: LineFile | None = LineFile(opened(1))
        self._logs: dict[Traced, _Log | None] = {}
        self._handed = self._homeless = 0
        self._stopping = threading.Event()
        self._thread = Thread(self._run, "trace log")
        self._thread.start()

    def finish(self) -> Logged:
        """Write what has come, and the end of each log. Once."""
        self._stopping.set()
        self._thread.join()
        lost = self._calls.lost()
        logs = [each for each in self._logs.values() if each is not None]
        unwritten = self._homeless + sum(each.finish(lost) for each in logs)
        if self._spare is not None:  # there was no call
            self._spare.write(self._text.start + self._text.end)
            self._spare.close()
        return Logged(self._handed, lost, unwritten, max(len(logs), 1))

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._drain():
                    self._stopping.wait(_REST_S)
            while self._drain():  # counting has stopped: there is an end
                pass
        except Exception:
            log.debug("trace log", exc_info=True)
            log.error("The trace log ends here, by a mistake of this tool; the watch goes on.")

    def _drain(self) -> bool:
        """Hand on what has come, up to a limit; was there anything?"""
        taken = self._ring.take(_AT_ONCE)
        here = slots(taken)
        for slot in here - {CALIBRATION}:
            mine = taken if len(here) == 1 else of_slot(taken, slot)
            count = len(mine) // STRIDE
            self._handed += count
            each = self._log(slot)
            if each is None:
                self._homeless += count
            else:
                each.put(mine)
        return bool(taken)

    def _log(self, slot: int) -> "_Log | None":
        target = self._calls.target(slot)
        if target is None:
            return None
        if target not in self._logs:
            file, self._spare = self._spare or self._next_file(), None
            self._logs[target] = None if file is None else _Log(target, file, self._text)
        return self._logs[target]

    def _next_file(self) -> LineFile | None:
        try:
            return LineFile(self._opened(len(self._logs) + 1))
        except OSError as error:
            log.error("The calls of the next program are not logged: %s.", error.strerror)
            return None


class _Log:
    """Of one program."""

    def __init__(self, target: Traced, file: LineFile, text: LogText) -> None:
        self._file = file
        self._text = text
        self._order = CallOrder()
        self._lines = text.lines(self._locate)
        self._callers = Callers(target, self._lines.forget)
        file.write(text.start)

    def _locate(self, address: int) -> tuple[str, int] | None:
        return self._callers.locate(address)

    def put(self, taken: bytes) -> None:
        self._callers.look()
        self._file.write(self._lines.of(self._order.put(taken)))

    def finish(self, lost: int) -> int:
        """The lines that its file could not take."""
        self._file.write(self._lines.of(self._order.rest()))
        if lost:
            self._file.write(self._text.remark(f"{lost} calls are missing: {_LOST}"))
        self._file.write(self._text.end)
        self._file.close()
        self._callers.close()
        return self._file.unwritten
