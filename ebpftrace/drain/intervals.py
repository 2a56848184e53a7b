"""Which address belongs to which mapping, to the byte. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ebpftrace.model.ids import StackId


class Mapped:
    """One mapping as it was taken: by a call under `stack`, in `epoch`; of it `held` bytes are left."""

    __slots__ = ("born_ns", "epoch", "held", "stack", "thread")

    def __init__(self, stack: StackId, epoch: int, born_ns: int, thread: int, held: int) -> None:
        self.stack = stack
        self.epoch = epoch
        self.born_ns = born_ns
        self.thread = thread
        self.held = held


class Piece(NamedTuple):
    """Addresses [start, end) of one mapping."""

    start: int
    end: int
    owner: Mapped

    @property
    def size(self) -> int:
        return self.end - self.start


class Intervals:
    """Disjoint pieces, ascending; those that touch stay apart, also of one mapping."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[Piece] = []

    def __len__(self) -> int:
        return len(self._pieces)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._pieces)

    def take(self, start: int, end: int) -> list[Piece]:
        """Take out what lies in [start, end), and cut off there what reaches beyond."""
        if start >= end:
            return []
        first = bisect_right(self._starts, start)
        if first and self._pieces[first - 1].end > start:
            first -= 1
        last = bisect_left(self._starts, end, first)
        met = self._pieces[first:last]
        if not met:
            return []
        kept = []
        if met[0].start < start:
            kept.append(Piece(met[0].start, start, met[0].owner))
        if met[-1].end > end:
            kept.append(Piece(end, met[-1].end, met[-1].owner))
        self._pieces[first:last] = kept
        self._starts[first:last] = [piece.start for piece in kept]
        return [Piece(max(one.start, start), min(one.end, end), one.owner) for one in met]

    def put(self, piece: Piece) -> list[Piece]:
        """Put `piece` there; what lay in its place, which is taken out."""
        if piece.start >= piece.end:
            return []
        covered = self.take(piece.start, piece.end)
        at = bisect_left(self._starts, piece.start)
        self._starts.insert(at, piece.start)
        self._pieces.insert(at, piece)
        return covered

    def outside(self, known: Sequence[tuple[int, int]]) -> list[Piece]:
        """The parts of them that no range [start, end) of `known`, which ascend, has."""
        return list(_outside(self._pieces, known))


def _outside(pieces: Iterable[Piece], known: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    at = 0
    for start, end, owner in pieces:
        while at < len(known) and known[at][1] <= start:
            at += 1
        left, here = start, at
        while here < len(known) and known[here][0] < end:
            if left < known[here][0]:
                yield Piece(left, known[here][0], owner)
            left = max(left, known[here][1])
            here += 1
        if left < end:
            yield Piece(left, end, owner)
