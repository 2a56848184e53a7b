"""Strings, modules, frames, stacks and call sites, each once: what sites are written by.

Frames and call sites are the same objects in many stacks and pictures, so that their identity is
asked first: a million frames are 50 ms by identity and a second by value.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, count
from operator import attrgetter
from typing import Any

from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import CallSite
from ebpftrace.snapshot.format import columns
from ebpftrace.snapshot.format.limits import MOST_FRAMES
from ebpftrace.snapshot.values import MOST_COUNT
from ebpftrace.text import clean

Section = tuple[str, dict[str, Any]]

_FRAME = attrgetter(
    *("function", "file", "line", "column", "inlined"),
    *("module", "build_id", "offset", "address", "source"),
)
_BATCH = 4096  # stacks whose frames are looked at together: 5 MB


class Tables:
    """Rows get their number when they are first needed; `sections` are those since the last call."""

    def __init__(self) -> None:
        self._texts: dict[str | None, int] = {None: 0}
        self._modules: dict[tuple[str | None, str | None], int] = {(None, None): 0}
        self._frames: dict[tuple[Any, ...], int] = {}
        self._stacks: dict[tuple[int, ...], int] = {}
        self._frame_of: dict[int, int] = {}
        self._call_site_of: dict[int, int] = {}
        self._held: list[object] = []  # so that no other object gets the identity of one
        self._new_texts: list[str] = []
        self._new_modules: list[tuple[str | None, str | None]] = []
        self._new_frames: list[tuple[Any, ...]] = []
        self._new_stacks: list[tuple[int, ...]] = []
        self._new_call_sites: list[tuple[Any, ...]] = []

    def call_sites(self, given: Sequence[CallSite]) -> list[int]:
        """Their numbers."""
        known = self._call_site_of
        new = list({id(at): at for at in given if id(at) not in known}.values())
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            stacks = self._stack_numbers([at.frames[:MOST_FRAMES] for at in batch])
            self._new_call_sites += [(*at, stack) for at, stack in zip(batch, stacks, strict=True)]
        known.update(zip(map(id, new), count(len(known)), strict=False))
        self._held += new
        return list(map(known.__getitem__, map(id, given)))

    def texts(self, given: Sequence[str | None]) -> list[int]:
        """Their numbers; 0 is nil."""
        known = self._texts
        for text in dict.fromkeys(given):
            if text not in known:
                known[text] = len(known)
                self._new_texts.append(text or "")
        return list(map(known.__getitem__, given))

    def sections(self) -> Iterator[Section]:
        """Those of the new rows; strings last, for the others name them."""
        yield "callsites", self._call_site_columns()
        stacks, self._new_stacks = self._new_stacks, []
        yield (
            "stacks",
            {
                "lengths": columns.whole(list(map(len, stacks))),
                "frames": columns.whole(list(chain.from_iterable(stacks))),
            },
        )
        yield "frames", self._frame_columns()
        modules, self._new_modules = self._new_modules, []
        paths, build_ids = transposed(modules, 2)
        yield (
            "modules",
            {
                "path": columns.whole(self.texts(paths)),
                "build_id": columns.whole(self.texts(build_ids)),
            },
        )
        texts, self._new_texts = self._new_texts, []
        yield "strings", {"texts": _joined(texts)}

    def _stack_numbers(self, stacks: Sequence[tuple[Frame, ...]]) -> list[int]:
        numbers = self._frame_numbers(list(chain.from_iterable(stacks)))
        known, found = self._stacks, []
        end = 0
        for stack in stacks:
            start, end = end, end + len(stack)
            row = tuple(numbers[start:end])
            number = known.get(row)
            if number is None:
                number = known[row] = len(known)
                self._new_stacks.append(row)
            found.append(number)
        return found

    def _frame_numbers(self, frames: Sequence[Frame]) -> list[int]:
        known = self._frame_of
        keys = list(map(id, frames))
        distinct = dict(zip(keys, frames, strict=True))
        new = [frame for key, frame in distinct.items() if key not in known]
        for frame, row in zip(new, map(_FRAME, new), strict=True):
            known[id(frame)] = self._frame(row)
        self._held += new
        return list(map(known.__getitem__, keys))

    def _frame(self, row: tuple[Any, ...]) -> int:
        number = self._frames.get(row)
        if number is None:
            number = self._frames[row] = len(self._frames)
            self._new_frames.append(row)
        return number

    def _call_site_columns(self) -> dict[str, Any]:
        rows, self._new_call_sites = self._new_call_sites, []
        ids, slots, stacks, pids, families, allocators, complete, guessed, _, ends, numbers = (
            transposed(rows, 11)
        )
        spaces, names = _spaces(ids, stacks)
        return {
            "space": columns.whole(spaces),
            "hash": columns.whole(stacks),
            "id": columns.whole(self.texts(names)),
            "slot": columns.whole(slots),
            "pid": columns.whole(pids),
            "family": columns.whole(self.texts(families)),
            "allocator": columns.whole(self.texts(allocators)),
            "complete": columns.whole(complete),
            "guessed": columns.whole_or_nil(guessed),
            "end": columns.whole(self.texts(ends)),
            "stack": columns.whole(numbers),
        }

    def _frame_columns(self) -> dict[str, Any]:
        rows, self._new_frames = self._new_frames, []
        functions, files, lines, cols, inlined, paths, build_ids, offsets, addresses, sources = (
            transposed(rows, 10)
        )
        return {
            "function": columns.whole(self.texts(functions)),
            "file": columns.whole(self.texts(files)),
            "line": columns.whole_or_nil(lines),
            "column": columns.whole_or_nil(cols),
            "inlined": columns.whole(inlined),
            "module": columns.whole(self._module_numbers(paths, build_ids)),
            "offset": columns.whole_or_nil(offsets),
            "address": columns.whole(addresses),
            "source": columns.whole(self.texts(sources)),
        }

    def _module_numbers(
        self, paths: Sequence[str | None], build_ids: Sequence[str | None]
    ) -> list[int]:
        known = self._modules
        pairs = list(zip(paths, build_ids, strict=True))
        for pair in dict.fromkeys(pairs):
            if pair not in known:
                known[pair] = len(known)
                self._new_modules.append(pair)
        return list(map(known.__getitem__, pairs))


def transposed(rows: Sequence[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    """The columns of `rows`."""
    return list(zip(*rows, strict=True)) or [()] * width


def _spaces(ids: Sequence[str], stacks: Sequence[int]) -> tuple[list[int], list[str | None]]:
    """The number of the address space of each id, and the id where that and the hash are not it."""
    spaces, names = [], []
    numbers: dict[str, int | None] = {}
    for name, stack in zip(ids, stacks, strict=True):
        front = name[:-17]
        if front not in numbers:
            numbers[front] = _number(front)
        number = numbers[front]
        known = number is not None and name[-17:] == f"-{stack:016x}"
        spaces.append(number or 0)
        names.append(None if known else name)
    return spaces, names


def _number(text: str) -> int | None:
    try:
        number = int(text, 16)
    except ValueError:
        return None
    return number if f"{number:x}" == text and number <= MOST_COUNT else None


def _joined(texts: Sequence[str]) -> bytes:
    """A NUL ends each; there is none in clean text."""
    joined = "".join([f"{text}\0" for text in texts])
    try:
        packed = joined.encode()
    except UnicodeEncodeError:
        return _joined([clean(text) for text in texts])
    if packed.count(0) != len(texts):
        return _joined([clean(text) for text in texts])
    return packed
