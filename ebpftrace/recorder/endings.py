"""Which targets have ended since the last look, and how that is said."""

from ebpftrace.analysis.wording import named
from ebpftrace.model.picture import Picture, Target

_HOW = {"exec": "runs another program now", "lost": "can no longer be traced"}


class Endings:
    """Told of every picture, in their order."""

    def __init__(self) -> None:
        self._known: set[tuple[int, int]] = set()

    def of(self, picture: Picture) -> list[Target]:
        """Those that had not ended in the pictures before."""
        ended = {
            (one.pid, one.slot): one for one in picture.targets if not one.alive and not one.folded
        }
        new = [one for key, one in ended.items() if key not in self._known]
        self._known = set(ended)
        return new


def ending(target: Target) -> str:
    """`redis-server (pid 7) ended: SIGKILL, out of memory`."""
    how = _HOW.get(target.ended or "", "ended")
    by = f": {target.ended_by}" if target.ended_by is not None else ""
    return f"{named(target)} {how}{by}"
