"""Files, lines and inlined functions put into sites that were drawn with names only.

Owns for which sites they are looked up, the largest first, and which sites have to be drawn again
when some have come. Leaves the look-up to `symbols`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import nlargest
from itertools import chain

from ebpftrace.drain.space import Space
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Slot
from ebpftrace.model.picture import Site

FIRST_SITES = 50
"""As many as views show; looked up before anything else."""
_SITES_AT_ONCE = 200


class Refining:
    """Changes the list of drawn sites in place: `None` rows are sites no more, others never move."""

    def __init__(self, spaces: Mapping[int, Space]) -> None:
        self._spaces = spaces
        self._asked = bytearray()
        self._waiting: dict[tuple[Slot, Frame], list[int]] = {}
        """Rows of the sites in whose stacks a frame is, by frame as long as it has no line.

        Two processes may have frames that look the same, of files that are not.
        """
        self._next = 0

    def refine(self, drawn: list[Site | None]) -> None:
        """Put in what has come since the last call."""
        for slot, space in self._spaces.items():
            come = space.arrived()
            rows = {row for frame in come for row in self._waiting.pop((Slot(slot), frame), ())}
            for row in rows:
                site = drawn[row]
                if site is not None:
                    drawn[row] = _with_frames(site, come)

    def ask(
        self, drawn: list[Site | None], changed: Iterable[tuple[int, int]], *, idle: bool
    ) -> None:
        """Look up the lines of the sites that hold most; when `idle`, of some others, too.

        `changed`: (bytes held, row) of what was drawn anew.
        """
        self._asked.extend(bytes(len(drawn) - len(self._asked)))
        for _, row in nlargest(FIRST_SITES, changed):
            self._ask(row, drawn)
        if idle:
            end = min(self._next + _SITES_AT_ONCE, len(drawn))
            for row in range(self._next, end):
                self._ask(row, drawn)
            self._next = end

    def forget(self, row: int) -> None:
        """The site of that row has a stack only now."""
        if row < len(self._asked):
            self._asked[row] = 0
            self._next = min(self._next, row)

    def drop(self, rows: Collection[int]) -> None:
        """What is waited for does not matter to the sites in these rows any more."""
        for key, waiting in list(self._waiting.items()):
            left = [row for row in waiting if row not in rows]
            if left:
                self._waiting[key] = left
            else:
                del self._waiting[key]
        for row in rows:
            if row < len(self._asked):
                self._asked[row] = 1

    def move(self, places: Sequence[int]) -> None:
        """Each row has come to another place, or to none (-1)."""
        kept = [row for row, place in enumerate(places) if place >= 0]
        self._next = sum(row < self._next for row in kept)
        asked = bytearray(len(kept))
        for place, row in enumerate(kept):
            asked[place] = self._asked[row] if row < len(self._asked) else 1
        self._asked = asked
        self._waiting = {
            key: [places[row] for row in rows if places[row] >= 0]
            for key, rows in self._waiting.items()
        }

    def _ask(self, row: int, drawn: list[Site | None]) -> None:
        site = drawn[row]
        if site is None or self._asked[row] or not site.at.frames or not site.at.slot:
            return
        self._asked[row] = 1
        space = self._spaces[site.at.slot]
        known: dict[Frame, tuple[Frame, ...]] = {}
        for frame, better in zip(site.at.frames, space.refined(site.at.frames), strict=True):
            if better is None:
                self._waiting.setdefault((site.at.slot, frame), []).append(row)
            elif better != (frame,):
                known[frame] = better
        if known:
            drawn[row] = _with_frames(site, known)


def _with_frames(site: Site, better: Mapping[Frame, tuple[Frame, ...]]) -> Site:
    frames: Iterable[Frame] = chain.from_iterable(
        better.get(frame, (frame,)) for frame in site.at.frames
    )
    return site._replace(at=site.at._replace(frames=tuple(frames)))
