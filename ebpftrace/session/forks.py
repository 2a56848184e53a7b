"""When to care about the forks of one target whose probes are held by links. Pure: times come in.

A child that was forked off keeps the breakpoints, which do nothing for us and slow it down, until
the link is renewed. A child that shares the target's memory belongs to its heap, and links do not
see it: one that lives for more than a moment (a vfork before an exec does not) wants perf events.
"""

CLONE_VM = 0x100  # include/uapi/linux/sched.h

_LEAST_GAP_S, _MOST_GAP_S = 0.08, 1.0
_SHARE = 2  # at most every second moment goes into renewing, however many processes map the file
_MOMENT_S = 0.05


class Forks:
    """Seconds of one clock throughout."""

    def __init__(self) -> None:
        self._renewed = float("-inf")
        self._gap = _LEAST_GAP_S
        self._renew_at: float | None = None
        self._look_at: float | None = None

    def forked(self, flags: int, now: float) -> None:
        """A child has come, by clone with these flags."""
        if flags & CLONE_VM:
            self._look_at = self._look_at or now + _MOMENT_S
        elif self._renew_at is None:
            self._renew_at = max(now, self._renewed + self._gap)

    def due_in(self, now: float) -> float:
        """How long nothing is to be done for it, if no child comes."""
        due = [moment for moment in (self._renew_at, self._look_at) if moment is not None]
        return max(min(due) - now, 0.0) if due else float("inf")

    def renewal_due(self, now: float) -> bool:
        """Renew the links now? True only once for all forks so far."""
        if self._renew_at is None or now < self._renew_at:
            return False
        self._renewed, self._renew_at = now, None
        return True

    def renewed(self, seconds: float) -> None:
        """That took so long: the next one waits in proportion."""
        self._gap = min(max(_LEAST_GAP_S, _SHARE * seconds), _MOST_GAP_S)

    def look_due(self, now: float) -> bool:
        """See now whether a child still shares the memory? True only once."""
        if self._look_at is None or now < self._look_at:
            return False
        self._look_at = None
        return True
