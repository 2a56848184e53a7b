"""How often a trigger of one kind may take a snapshot."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ebpftrace.model.snapshot import Trigger

LEAST_GAP_S = 10.0
"""memory.high is passed thousands of times a second, and each snapshot takes a part of a second of
a processor and a place in the folder from those of the hours before."""
_GAPS_S = {"asked": 1.0}
"""A person asks, and waits for it."""
_TRY_AGAIN_S = 1.0


@dataclass(slots=True)
class _Waiting:
    sentence: str
    count: int = 0


class Limiter:
    """Of each kind at most one in `LEAST_GAP_S`: the others are counted, and one more stands for them.

    One that is asked for comes within a second.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}
        self._from: dict[str, float] = {}

    def ask(self, triggers: Iterable[Trigger]) -> None:
        """One that waits already is counted, and its last sentence is kept."""
        for trigger in triggers:
            waiting = self._waiting.setdefault(trigger.kind, _Waiting(trigger.sentence))
            waiting.sentence = trigger.sentence
            waiting.count += 1

    def due_in(self) -> float:
        """Seconds until `due` gives something; infinite where nothing waits."""
        now = self._clock()
        return min(
            (max(self._free(kind) - now, 0.0) for kind in self._waiting), default=float("inf")
        )

    def due(self) -> list[Trigger]:
        """What may be taken now, each kind once; its time is counted from here."""
        now = self._clock()
        return [self._take(kind, now) for kind in list(self._waiting) if self._free(kind) <= now]

    def put_back(self, triggers: Iterable[Trigger]) -> None:
        """Those of `due` whose snapshot was not taken."""
        for trigger in triggers:
            self._waiting.setdefault(trigger.kind, _Waiting(trigger.sentence, 1))

    def failed(self, triggers: Iterable[Trigger], in_a_row: int) -> None:
        """Their snapshot could not be written, nor `in_a_row` - 1 before it: the next need not wait as long.

        A second the first time, another one each time: a full disk is no cause for a storm.
        """
        soon = self._clock() + _TRY_AGAIN_S * in_a_row
        for trigger in triggers:
            if trigger.kind in self._from:
                self._from[trigger.kind] = min(self._from[trigger.kind], soon)

    def rest(self) -> list[Trigger]:
        """All that waits, whether it is time or not: for the last snapshot."""
        return [self._take(kind, self._clock()) for kind in list(self._waiting)]

    def _free(self, kind: str) -> float:
        return self._from.get(kind, float("-inf"))

    def _take(self, kind: str, now: float) -> Trigger:
        self._from[kind] = now + _GAPS_S.get(kind, LEAST_GAP_S)
        waiting = self._waiting.pop(kind)
        more = f" ({waiting.count} times since the last one)" if waiting.count > 1 else ""
        return Trigger(kind, waiting.sentence + more)
