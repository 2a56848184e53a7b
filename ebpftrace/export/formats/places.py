"""The frames of many stacks as one table, each once, and the stacks as indexes into it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ebpftrace.analysis.wording import function, named, no_stack
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Slot
from ebpftrace.model.picture import CallSite, Picture

ENDS_EARLY = "[the stack ends early]"
REST = "[call sites that were not recorded]"


class Place(NamedTuple):
    """A frame, or in its stead what is not known or which process it is: then it has a name only.

    `name` is the function, or where the code lies if that has no name. The rest is as in `Frame`.
    """

    name: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    inlined: bool = False
    module: str | None = None
    build_id: str | None = None
    offset: int | None = None
    address: int | None = None


class Places:
    """Filled by asking for stacks."""

    def __init__(self, picture: Picture, processes: Mapping[Slot, str] | None = None) -> None:
        """Where there are several targets, each stack starts in one.

        `processes` are other names for that, by slot, of those targets that shall have one.
        """
        self.table: list[Place] = []
        self._numbers: dict[Place, int] = {}
        self._known: dict[int, int] = {}
        self._frames: list[Frame] = []  # held, so that no other frame gets the identity of one
        if processes is None:
            several = len(picture.targets) > 1
            processes = {target.slot: named(target) for target in picture.targets if several}
        self._processes = {slot: self.number(Place(name)) for slot, name in processes.items()}

    def stack(self, at: CallSite) -> Sequence[int]:
        """Places from the allocation outward, never none; inlined ones before what they are in."""
        known = self._known
        numbers: list[int] = []
        for frame in at.frames:
            number = known.get(id(frame))
            numbers.append(self._first_seen(frame) if number is None else number)
        if not at.frames:
            numbers.append(self.number(Place(f"[{no_stack(at).strip('()')}]")))
        elif not at.complete:
            numbers.append(self.number(Place(ENDS_EARLY)))
        process = self._processes.get(at.slot)
        if process is not None:
            numbers.append(process)
        return numbers

    def rest(self) -> Sequence[int]:
        """The stack of what has no call site."""
        return [self.number(Place(REST))]

    def number(self, place: Place) -> int:
        """Its index in the table."""
        number = self._numbers.setdefault(place, len(self.table))
        if number == len(self.table):
            self.table.append(place)
        return number

    def _first_seen(self, frame: Frame) -> int:
        self._frames.append(frame)
        number = self._known[id(frame)] = self.number(
            Place(
                function(frame),
                frame.file,
                frame.line,
                frame.column,
                frame.inlined,
                frame.module,
                frame.build_id,
                frame.offset,
                frame.address,
            )
        )
        return number
