"""The frames of one process with what comes later: files, lines, inlined functions, names of JITs.

A frame that is named by a symbol table gives way to one for each function that covers its place.
Leaves the look-up to `lines` and names to `symbolizer`.
"""

from collections.abc import Callable, Collection, Sequence

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, ImageAddress
from ebpftrace.symbols.code_file import CodeFile, Identity
from ebpftrace.symbols.file_lines import expanded
from ebpftrace.symbols.lines import Lines
from ebpftrace.symbols.symbolizer import Symbolizer
from ebpftrace.target.modules import Module
from ebpftrace.target.root import TargetRoot
from ebpftrace.target.space import AddressSpace

Place = tuple[Identity, ImageAddress]

_MOST_ANSWERS = 100_000


class LineFrames:
    """Not for two threads at once. `root` stays the caller's, and open as long as this is used."""

    def __init__(
        self,
        symbolizer: Symbolizer,
        space: AddressSpace,
        lines: Lines,
        root: TargetRoot | None,
        users: Collection[int],
    ) -> None:
        """`users`: whose source files may be shown although not everybody may read them."""
        self._symbolizer = symbolizer
        self._space = space
        self._lines = lines
        self._root = root
        self._users = users
        self._identities: dict[int, tuple[Module, Identity | None]] = {}
        self._answers: dict[int, tuple[Frame, tuple[Frame, ...]]] = {}
        """By address: a frame, and what takes its place for good."""
        self._waiting: dict[Place, set[Frame]] = {}
        self._seen = 0

    def refined(self, frames: Sequence[Frame]) -> list[tuple[Frame, ...] | None]:
        """What takes the place of each: itself where nothing will come, None what is not there yet.

        What is not there yet is looked up from now on.
        """
        answers = [self._answer(frame) for frame in frames]
        asked = [frame for frame, answer in zip(frames, answers, strict=True) if answer is None]
        if not asked:
            return answers
        looked_up = dict(zip(map(id, asked), self._look_up(asked), strict=True))
        return [
            looked_up[id(frame)] if answer is None else answer
            for frame, answer in zip(frames, answers, strict=True)
        ]

    def _answer(self, frame: Frame) -> tuple[Frame, ...] | None:
        """What was the last word on this frame. The same few are in the stacks of most sites."""
        known = self._answers.get(frame.address)
        return known[1] if known is not None and known[0] is frame else None

    def _look_up(self, frames: Sequence[Frame]) -> list[tuple[Frame, ...] | None]:
        places = [self._place(frame) for frame in frames]
        wanted: dict[Identity, tuple[Module, list[ImageAddress]]] = {}
        for found in places:
            if found is not None:
                (identity, address), module = found
                wanted.setdefault(identity, (module, []))[1].append(address)
        for identity, (module, addresses) in wanted.items():
            self._lines.want(identity, addresses, self._maker(module, identity))
        answers = [
            self._now(frame, found[0]) if found is not None else self._as_it_is(frame)
            for frame, found in zip(frames, places, strict=True)
        ]
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.clear()
        for frame, answer in zip(frames, answers, strict=True):
            if answer is not None:
                self._answers[frame.address] = frame, answer
        return answers

    def _as_it_is(self, frame: Frame) -> tuple[Frame, ...] | None:
        return None if self._symbolizer.awaits_name(frame) else (frame,)

    def arrived(self) -> dict[Frame, tuple[Frame, ...]]:
        """What takes the place of frames that were answered with None before."""
        come = self._lines.arrived(self._seen)
        self._seen += len(come)
        found: dict[Frame, tuple[Frame, ...]] = {}
        for frame, better in self._symbolizer.named().items():
            found[frame] = (better,)
        for place in come:
            for frame in self._waiting.pop(place, ()):
                found[frame] = expanded(frame, self._lines.find(*place) or ())
        return found

    def _now(self, frame: Frame, place: Place) -> tuple[Frame, ...] | None:
        lines = self._lines.find(*place)
        if lines is not None:
            return expanded(frame, lines)
        self._waiting.setdefault(place, set()).add(frame)
        return None

    def _maker(self, module: Module, identity: Identity) -> Callable[[], CodeFile]:
        return lambda: CodeFile(module, identity, self._root, self._users)

    def _place(self, frame: Frame) -> tuple[Place, Module] | None:
        """Where its call is in which file; None where it has lines already, or is of no file."""
        if frame.offset is None or frame.file is not None:
            return None
        call = Address(frame.address - 1)
        mapping = self._space.find(call)
        module = self._space.module_of(mapping) if mapping is not None else None
        located = self._space.locate(call)
        # Another file may have been mapped there since the frame was named.
        if module is None or located is None or located[1] + 1 != frame.offset:
            return None
        if (module.name, module.build_id) != (frame.module, frame.build_id):
            return None
        identity = self._identity(module)
        return None if identity is None else ((identity, located[1]), module)

    def _identity(self, module: Module) -> Identity | None:
        known = self._identities.get(id(module))
        if known is None:
            known = self._identities[id(module)] = module, module.identity
        return known[1]
