"""Frames of a picture that was kept, and what takes their place once more is known of their code. Pure.

Frames stand in groups: those of inlined functions, then that of the function with the code, all at one
place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import ImageAddress
from ebpftrace.symbols.file_lines import Line, expanded

_MOST_ADDRESS = (1 << 64) - 1


class Known(NamedTuple):
    """Of one place: the name by a symbol table, and what debug information says."""

    name: str | None
    lines: tuple[Line, ...]


def call_of(frame: Frame) -> ImageAddress | None:
    """Where its call is, as its module's file states it; None where no file can say more of it.

    That is of frames that are inlined, have a name and a file, or are of no file: of JIT code, of
    the kernel's [vdso].
    """
    if frame.inlined or (frame.file is not None and frame.function is not None):
        return None
    if frame.offset is None or not 0 < frame.offset <= _MOST_ADDRESS:
        return None
    if frame.module is None or not frame.module.startswith("/"):
        return None
    return ImageAddress(frame.offset - 1)


class Renaming:
    """Of stacks that share most of their frames, which must outlive it: it tells them by identity."""

    def __init__(self, known: Mapping[int, Known]) -> None:
        """`known`: of frames with code of their own, by `id`."""
        self._known = known
        self._better: dict[tuple[int, ...], tuple[Frame, ...]] = {}
        self._equal: dict[tuple[Frame, ...], tuple[bool, tuple[Frame, ...]]] = {}

    def renamed(self, stack: tuple[Frame, ...]) -> tuple[Frame, ...]:
        """`stack` by what is known of its frames; itself where that is nothing more."""
        if self._known.keys().isdisjoint(map(id, stack)):
            return stack
        now: list[Frame] = []
        changed = False
        for group in groups(stack):
            key = tuple(map(id, group))
            better = self._better.get(key)
            if better is None:
                better = self._better[key] = self._improved(group, self._known.get(key[-1]))
            changed = changed or better[-1] is not group[-1]
            now += better
        return tuple(now) if changed else stack

    def _improved(self, group: tuple[Frame, ...], known: Known | None) -> tuple[Frame, ...]:
        """The same for equal groups: who read them may have made each anew."""
        if known is None:
            return group
        found = self._equal.get(group)
        if found is None:
            better = improved(group, known)
            found = self._equal[group] = better is not group, better
        is_more, better = found
        return better if is_more else group


def groups(frames: Sequence[Frame]) -> Iterator[tuple[Frame, ...]]:
    """`frames` in groups. What is inlined in nothing at its place stands for itself."""
    start = 0
    for at, frame in enumerate(frames):
        if not frame.inlined:
            inside = at
            while inside > start and _same_place(frames[inside - 1], frame):
                inside -= 1
            if inside > start:
                yield tuple(frames[start:inside])
            yield tuple(frames[inside : at + 1])
            start = at + 1
    if start < len(frames):
        yield tuple(frames[start:])


def improved(group: tuple[Frame, ...], known: Known) -> tuple[Frame, ...]:
    """What is known of the group's place now, where that is more; else `group` itself."""
    last = group[-1]
    if known.lines:
        # The symbols of the debug file are more than what was left on the host.
        named = replace(last, function=known.name or last.function)
        found = expanded(named, known.lines)
    else:
        found = (*group[:-1], replace(last, function=last.function or known.name))
    return found if _says_more(found, group) else group


def _says_more(now: tuple[Frame, ...], before: tuple[Frame, ...]) -> bool:
    merits, had = _merits(now), _merits(before)
    return now != before and all(map(bool.__ge__, merits, had)) and merits != had


def _merits(group: tuple[Frame, ...]) -> tuple[bool, bool, bool]:
    return (
        any(frame.file is not None for frame in group),
        len(group) > 1,
        group[-1].function is not None,
    )


def _same_place(one: Frame, other: Frame) -> bool:
    return (one.offset, one.address, one.build_id, one.module) == (
        other.offset,
        other.address,
        other.build_id,
        other.module,
    )
