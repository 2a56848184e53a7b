"""What the targets have mapped for themselves: intervals by what the kernel side tells, counted by site.

Owns the family mmap from its events to the counters of its sites. A range that is about to be given up is
out of the way at once, as another thread may be given it before that call returns, and counted as freed,
or put back, when the result is known. A mapping is freed as a block when its last byte is.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from ebpftrace.drain.intervals import Intervals, Mapped, Piece
from ebpftrace.drain.sites import SiteBook, Sums
from ebpftrace.kernel.layout import MAPPING, MappingStep
from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.ids import Slot, StackId
from ebpftrace.model.picture import Counts

IsOwn = Callable[[int, int], bool]
"""(slot, address): is that private memory that can be written, of no file? Asked for what was moved and
is not known."""

IsInner = Callable[[int, StackId], bool]
"""(slot, stack): is that call one of an allocator's own code?"""


class HeldPiece(NamedTuple):
    """One piece of a mapping that is held; `born_ns` monotonic."""

    address: int
    size: int
    born_ns: int
    thread: int
    stack: StackId


class _Call(NamedTuple):
    """An EVENT_MAPPING."""

    slot: int
    step: int
    thread: int
    stack: int
    address: int
    length: int
    old: int
    old_length: int
    moment: int


class _GivenUp(NamedTuple):
    """What a thread is about to unmap or move: [start, +length), and what was held of it."""

    start: int
    length: int
    pieces: list[Piece]


class _Space:
    """One slot: what is held, and what a thread is giving up, out of `held` until its call returns."""

    def __init__(self) -> None:
        self.held = Intervals()
        self.given_up: dict[int, _GivenUp] = {}
        self.suspects: set[Piece] = set()
        """Not mapped any more by the last reading of the maps."""
        self.looked_at = 0


class Mappings:
    """Of all slots. `unmatched` and `missed` are the losses unmatched_unmap and missed_unmap, `inner`
    calls of allocators are `nested` besides those that the kernel side leaves out.
    """

    def __init__(
        self,
        book: SiteBook,
        start_ns: Callable[[], int],
        is_own: IsOwn,
        is_inner: IsInner,
        records: Callable[[int], bool],
        *,
        in_totals: bool = True,
    ) -> None:
        """`start_ns`: monotonic, from which epochs count. `records`: is what is taken at that moment
        counted, unless it takes the place of what is held? `in_totals`: are mappings part of the book's?
        """
        self._in_totals = in_totals
        self._book = book
        self._start_ns = start_ns
        self._is_own = is_own
        self._is_inner = is_inner
        self._records = records
        self._spaces: dict[int, _Space] = {}
        self._ended: set[int] = set()
        self._counts: Sums = (0, 0, 0, 0, 0, 0)
        self.unmatched = self.missed = self.inner = 0

    def counts(self) -> Counts:
        """The sum over all sites of the family."""
        return Counts._make(self._counts)

    def begin(self, slot: Slot) -> None:
        """A program is traced in `slot` from now on; what was mapped before is not known."""
        self._spaces[slot] = _Space()
        self._ended.discard(slot)

    def end(self, slot: Slot) -> None:
        """It counts no longer; what it held can still be read, until another one is in its slot."""
        self._ended.add(slot)

    def on_events(self, events: Iterable[bytes]) -> None:
        """Take EVENT_MAPPINGs, in their order."""
        for event in events:
            _, step, _, slot, thread, _, *rest = MAPPING.unpack_from(event)
            self._on_call(_Call(slot, step, thread, *rest))

    def look(self, slot: int, mapped: Sequence[tuple[int, int]], read_ns: int) -> None:
        """End what is not in `mapped`, twice in a row: somebody has unmapped it by other means.

        `mapped` are all mappings, ascending, by a reading that began at `read_ns` (monotonic). What was
        told up to its end has been taken; what was taken since its begin is not judged by it.
        """
        space = self._spaces.get(slot)
        if space is None or slot in self._ended or read_ns == space.looked_at:
            return
        space.looked_at = read_ns
        lost = {piece for piece in space.held.outside(mapped) if piece.owner.born_ns < read_ns}
        for piece in lost & space.suspects:
            self._free(slot, space.held.take(piece.start, piece.end))
            self.missed += 1
        space.suspects = lost - space.suspects

    def disown(self, slot: int, stack: StackId) -> None:
        """What calls under `stack` have mapped is an allocator's own: it counts as freed."""
        space = self._spaces.get(slot)
        if space is None or slot in self._ended:
            return
        own = [piece for piece in space.held if piece.owner.stack == stack]
        for piece in own:
            self._free(slot, space.held.take(piece.start, piece.end))
        self.inner += len({piece.owner for piece in own})

    def pieces(self, slot: int, stacks: Collection[StackId] | None = None) -> Iterator[HeldPiece]:
        """What is held in `slot`, of the calls under `stacks` or of all. Any thread may ask."""
        space = self._spaces.get(slot)
        for start, end, owner in list(space.held) if space is not None else ():
            if stacks is None or owner.stack in stacks:
                yield HeldPiece(start, end - start, owner.born_ns, owner.thread, owner.stack)

    def slots(self) -> list[int]:
        """Those of which anything is known. Any thread may ask."""
        return list(self._spaces)

    # --- one call -----------------------------------------------------------------------------------

    def _on_call(self, call: _Call) -> None:
        space = self._spaces.get(call.slot)
        if space is None or call.slot in self._ended:
            return
        given_up = space.given_up.pop(call.thread, None)
        if call.step == MappingStep.GIVEN_UP:
            self._free_unanswered(call.slot, given_up)
            pieces = space.held.take(call.old, call.old + call.old_length)
            space.given_up[call.thread] = _GivenUp(call.old, call.old_length, pieces)
            return
        if given_up is not None and given_up[:2] == (call.old, call.old_length):
            before = given_up.pieces
        else:
            self._free_unanswered(call.slot, given_up)
            before = space.held.take(call.old, call.old + call.old_length)
        if call.step == MappingStep.KEPT:
            for piece in before:
                self._free(call.slot, space.held.put(piece))
        elif call.step == MappingStep.GONE:
            self.unmatched += not before
            self._free(call.slot, before)
        else:
            self._take(space, call, before)

    def _free_unanswered(self, slot: int, given_up: _GivenUp | None) -> None:
        """Of a call of which the result was not told: unmapping hardly ever fails."""
        if given_up is not None:
            self._free(slot, given_up.pieces)

    def _take(self, space: _Space, call: _Call, before: list[Piece]) -> None:
        """[address, +length) is there, in the place of `before` where the call has moved that."""
        moves = bool(call.old_length)
        counted = call.step == MappingStep.TAKEN and (bool(before) or self._records(call.moment))
        if counted and moves and not before:
            counted = self._is_own(call.slot, call.address)
        if counted and self._is_inner(call.slot, StackId(call.stack)):
            self.inner += 1
            counted = False
        end = call.address + call.length
        if counted:
            owner = self._mapped(call, before)
            self._free(call.slot, before)
            self._free(call.slot, space.held.put(Piece(call.address, end, owner)))
            size = call.length
            adopted = moves and not before
            born = (0, 0, 0, 0, 1, size) if adopted else (1, size, 0, 0, 0, 0)
            self._count(call.slot, owner, born)
        else:
            self._free(call.slot, before)
            self._free(call.slot, space.held.take(call.address, end))

    def _mapped(self, call: _Call, before: list[Piece]) -> Mapped:
        """As of a block: its age survives a move, its site and epoch are those of the move."""
        born = min([call.moment, *(piece.owner.born_ns for piece in before)])
        since = max(0, call.moment - self._start_ns())
        epoch = epoch_at(since / 1e9) if call.stack else 0
        return Mapped(StackId(call.stack), epoch, born, call.thread, call.length)

    def _free(self, slot: int, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            owner = piece.owner
            owner.held -= piece.size
            self._count(slot, owner, (0, 0, int(not owner.held), piece.size, 0, 0))

    def _count(self, slot: int, owner: Mapped, change: Sums) -> None:
        t0, t1, t2, t3, t4, t5 = self._counts
        c0, c1, c2, c3, c4, c5 = change
        self._counts = (t0 + c0, t1 + c1, t2 + c2, t3 + c3, t4 + c4, t5 + c5)
        self._book.add(Slot(slot), owner.stack, owner.epoch, change, in_totals=self._in_totals)
