"""Why two tools say something else of one program: each cause is one that a further run has shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from scripts.running.heap_use import HeapUse

SAME = "same"
VARIES = "varies"
ROOM = "room"
UNEXPLAINED = "UNEXPLAINED"

REASONS = {
    VARIES: "the program's figures change from run to run under one and the same tool (it draws "
    "random numbers, or goes by the time), and the two tools' ranges meet",
    ROOM: "it asks malloc_usable_size and uses the room that the allocator has rounded up to; under "
    "Valgrind blocks have none, so it has to call realloc more often. Shown by ebpftrace run over an "
    "allocator without such room (scripts/running/no_room.c)",
    UNEXPLAINED: "no run has shown why",
}
_AGAIN = 4


class Runs(Protocol):
    """What makes further runs of one program."""

    def by_valgrind(self) -> HeapUse: ...

    def by_ebpftrace(self) -> HeapUse: ...

    def without_room(self) -> HeapUse:
        """By ebpftrace, over an allocator that rounds no size up."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """All runs of one program by each tool, and the causes of what differs: none where all is equal."""

    valgrind: tuple[HeapUse, ...]
    ebpftrace: tuple[HeapUse, ...]
    causes: tuple[str, ...]

    @property
    def difference(self) -> HeapUse:
        """Of the first two runs: ebpftrace's less Valgrind's."""
        return self.ebpftrace[0].minus(self.valgrind[0])

    @property
    def well(self) -> bool:
        return UNEXPLAINED not in self.causes

    def text(self) -> str:
        return " and ".join(self.causes) or SAME


def compared(runs: Runs) -> Verdict:
    """Run it by both, and where they differ again until it is clear why."""
    valgrind: tuple[HeapUse, ...] = (runs.by_valgrind(),)
    ebpftrace: tuple[HeapUse, ...] = (runs.by_ebpftrace(),)
    if valgrind == ebpftrace:
        return Verdict(valgrind, ebpftrace, ())
    valgrind += _again(runs.by_valgrind)
    ebpftrace += _again(runs.by_ebpftrace)
    if _meet(valgrind, ebpftrace):
        return Verdict(valgrind, ebpftrace, (VARIES,))
    without_room = _again(runs.without_room)
    if not _meet(valgrind, without_room):
        return Verdict(valgrind, ebpftrace, (UNEXPLAINED,))
    varies = len(set(valgrind)) + len(set(without_room)) > 2
    return Verdict(valgrind, ebpftrace, (ROOM, VARIES) if varies else (ROOM,))


def _again(run: Callable[[], HeapUse]) -> tuple[HeapUse, ...]:
    return tuple(run() for _ in range(_AGAIN))


def _meet(some: Sequence[HeapUse], others: Sequence[HeapUse]) -> bool:
    """In every figure; where none has changed from run to run they have to be equal."""
    return all(
        max(min(one), min(other)) <= min(max(one), max(other))
        for one, other in zip(zip(*some, strict=True), zip(*others, strict=True), strict=True)
    )
