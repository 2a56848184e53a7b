"""The loop: a snapshot whenever there is cause for one, until the end, whose snapshot is the last."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timezone
from typing import NamedTuple, Protocol

from ebpftrace.analysis.history import History
from ebpftrace.model.picture import Picture, Point
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarms
from ebpftrace.recorder.arrivals import Live
from ebpftrace.recorder.endings import Endings, ending
from ebpftrace.recorder.limiter import Limiter
from ebpftrace.recorder.waiting import Seen
from ebpftrace.snapshot.storage.folder import NotWritten
from ebpftrace.units import format_bytes, format_seconds

_START_S = 0.25
"""The first snapshot: by then most of what the target does has a stack."""
_OVER = "the end of the watch"
_DRAW_S = 10.0
"""So long a picture is waited for before the one that is there is taken."""


class Kept(NamedTuple):
    """What was written: the file's name and the bytes added to it."""

    name: str
    size: int


class Keeper(Protocol):
    """Where snapshots go."""

    def keep(self, picture: Picture, trigger: Trigger, history: Sequence[Point]) -> Kept:
        """Write one. NotWritten."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in seconds; `count`: snapshots, the last one included."""

    every: float
    duration: float | None = None
    count: int | None = None


class Outcome(NamedTuple):
    """`ended`: the targets ended before the watch was over. `failure`: of the last snapshot."""

    ended: bool
    failure: str | None


class Recorder:
    """`run` once. `wait` returns what came within so many seconds."""

    def __init__(
        self,
        source: Live,
        keeper: Keeper,
        alarms: Alarms,
        wait: Callable[[float], Seen],
        plan: Plan,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._keeper = keeper
        self._alarms = alarms
        self._wait = wait
        self._plan = plan
        self._tell = tell
        self._clock = clock
        self._history = History()
        self._endings = Endings()
        self._limiter = Limiter(clock)
        self._latest: Picture | None = None
        self._ends: list[str] = []
        """Of targets that no snapshot has told of; kept for the next one where that failed."""
        self._end_is_due = False
        self._replaced: list[Trigger] = []
        """By another program, of which nothing has been seen yet."""
        self._written = self._failed = 0
        self._failure: str | None = None
        self._started = self._due = clock()

    def run(self) -> Outcome:
        """Until a signal, a limit, or the end of the last target.

        Raises what the source raises; the last picture that came is written before that.
        """
        try:
            reason, stopped = self._watch()
            final = self._source.stop()
        except Exception:
            if self._latest is not None:
                failed = Trigger("final", "the watch has failed, and this is the last picture")
                self._write(self._latest, "final", [failed])
            raise
        return self._finish(final, reason, stopped=stopped)

    def _watch(self) -> tuple[str, bool]:
        """Why it ended, and whether it was told to."""
        self._started = self._clock()
        self._due = self._started + _START_S
        while True:
            seen = self._wait(self._patience())
            if seen.picture is not None:
                self._look(seen.picture)
            self._limiter.ask(seen.fired)
            reason = self._reason_to_end(seen) or self._write_what_is_due()
            if reason is not None:
                return reason, self._reason_to_stop(seen) is not None

    def _patience(self) -> float:
        now = self._clock()
        waits = [self._due - now, self._limiter.due_in()]
        if self._plan.duration is not None:
            waits.append(self._started + self._plan.duration - now)
        return min(waits)

    def _reason_to_end(self, seen: Seen) -> str | None:
        if self._latest is not None and self._latest.final:
            return _OVER
        return self._reason_to_stop(seen)

    def _reason_to_stop(self, seen: Seen) -> str | None:
        duration = self._plan.duration
        if seen.stopped is not None:
            return f"ended by {seen.stopped}"
        if duration is not None and self._clock() >= self._started + duration:
            return f"the end of --duration {format_seconds(duration)}"
        return None

    def _look(self, picture: Picture) -> None:
        """Take notice of a picture, once; one that came before the last one is passed over."""
        latest = self._latest
        if latest is not None and picture.watch == latest.watch:
            if picture.since_attach_s <= latest.since_attach_s:
                return
        elif latest is not None:
            self._history = History()
        self._latest = picture
        self._history.add(picture)
        for target in self._endings.of(picture):
            if target.ended == "exec":  # a shell may do so many times a second
                self._replaced.append(Trigger("exec", ending(target)))
            else:
                self._ends.append(ending(target))
                self._end_is_due = True
        self._limiter.ask(self._alarms.at_picture(picture))

    def _write_what_is_due(self) -> str | None:
        """A reason to end instead, if there is one."""
        end_is_due = self._end_is_due and self._lives()
        if self._lives():
            self._limiter.ask(self._replaced)
            self._replaced = []
        reasons = self._limiter.due()
        now = self._clock()
        if now >= self._due:
            first = self._due == self._started + _START_S
            every = f"every {format_seconds(self._plan.every)}"
            reasons.append(Trigger("start", "the start") if first else Trigger("interval", every))
            self._due += self._plan.every * (1 + (now - self._due) // self._plan.every)
        if not (reasons or end_is_due):
            return None
        if self._plan.count is not None and self._written + 1 >= self._plan.count:
            self._limiter.put_back(reasons)
            return f"the last of --count {self._plan.count}"
        return self._write_now(reasons)

    def _lives(self) -> bool:
        """Else the final picture is on its way, or another program in the same process."""
        latest = self._latest
        return latest is not None and bool(
            latest.waiting_for or any(target.alive for target in latest.targets)
        )

    def _write_now(self, reasons: list[Trigger]) -> str | None:
        """What came before a picture is in the one that is drawn after it."""
        drawn = self._source.refresh(_DRAW_S) if reasons else self._latest
        if drawn is not None:
            self._look(drawn)
            if drawn.final:
                self._limiter.put_back(reasons)
                return _OVER
            reasons += self._limiter.due()
        else:
            late = f"no picture came for {format_seconds(_DRAW_S)}, this one is of before"
            reasons.append(Trigger("late", late))
        if self._latest is not None:
            self._write(self._latest, "end" if self._ends else reasons[0].kind, reasons)
        return None

    def _finish(self, final: Picture, reason: str, *, stopped: bool) -> Outcome:
        ended = self._latest is not None and self._latest.final and not stopped
        self._look(final)
        kind = "end" if ended or self._ends else "final"
        self._limiter.ask(self._replaced)
        reasons = self._limiter.rest()
        if not (ended and self._ends):
            reasons.append(Trigger(kind, reason))
        self._write(final, kind, reasons)
        return Outcome(ended, self._failure)

    def _write(self, picture: Picture, kind: str, reasons: list[Trigger]) -> None:
        sentences = [*self._ends, *(reason.sentence for reason in reasons)]
        if self._failed:
            sentences.append(f"{self._failed} before this one could not be written")
        sentence = "; ".join(sentences)
        self._end_is_due = False
        moment = f"{picture.time.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        try:
            kept = self._keeper.keep(picture, Trigger(kind, sentence), self._history.points)
        except NotWritten as error:
            self._failed += 1
            self._failure = str(error)
            self._limiter.failed(reasons, self._failed)
            if not picture.final:  # else it is the outcome
                self._tell(f"{moment} {sentence}: {error}")
        else:
            self._failed, self._failure = 0, None
            self._written += 1
            self._ends = []
            self._tell(f"{moment} {sentence}: {kept.name}, {format_bytes(kept.size)}")
