"""What makes call sites of different pictures one: the allocator function, and the code on the way to it.

A frame of a file is its build id and offset, so neither addresses nor restarts nor names that were
looked up since matter; without a build id the path stands for it. JIT code is its function, code of
which nothing is known is any such code. Inlined frames are part of the frame that they are in.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from os.path import basename
from typing import NamedTuple

from ebpftrace.analysis.names import original
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import CallSite, Picture

Key = tuple[str | None, tuple[int, ...]]
_Code = tuple[object, ...]
_INLINED = 0
# A legacy Rust name ends in a hash of the crate and its options, demangled or not.
_HASH = re.compile(r"(?:::|17)h[0-9a-f]{16}(?=E?$)")


class Rebuilt(NamedTuple):
    """A module of one name whose build changed; `build_ids` by picture, None for one without."""

    module: str
    build_ids: tuple[frozenset[str | None], ...]


class Matching:
    """Of the call sites of these pictures. `rebuilt` modules are matched by the names of functions.

    Code without a name in a rebuilt module is any such code of that module.
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        distinct = [_distinct(picture) for picture in pictures]
        self.rebuilt = _rebuilt([frames.values() for frames in distinct])
        changed = {one.module: frozenset.intersection(*one.build_ids) for one in self.rebuilt}
        numbers: dict[_Code, int] = {}
        self._frames = distinct  # held, so that no other frame gets the identity of one
        self._numbers = {
            identity: _INLINED
            if frame.inlined
            else numbers.setdefault(_code(frame, changed), len(numbers) + 1)
            for frames in distinct
            for identity, frame in frames.items()
        }

    def key(self, at: CallSite) -> Key:
        """Equal for the call sites that are one; `at` is of one of the pictures."""
        numbers = map(self._numbers.__getitem__, map(id, at.frames))
        return at.allocator, tuple(filter(None, numbers))


def _distinct(picture: Picture) -> dict[int, Frame]:
    """The frame objects by identity: many stacks share them."""
    frames: dict[int, Frame] = {}
    for site in picture.sites:
        stack = site.at.frames
        frames.update(zip(map(id, stack), stack, strict=True))
    return frames


def _code(frame: Frame, changed: Mapping[str, frozenset[str | None]]) -> _Code:
    if frame.offset is None or frame.module is None:
        return () if frame.function is None else (frame.function,)
    module = basename(frame.module)
    if module in changed and frame.build_id not in changed[module]:
        return (module, _lasting(frame.function), "rebuilt")
    return (frame.build_id or frame.module, frame.offset)


def _lasting(function: str | None) -> str | None:
    """What of a name stays the same from build to build."""
    return None if function is None else _HASH.sub("", original(function))


def _rebuilt(pictures: Sequence[Iterable[Frame]]) -> tuple[Rebuilt, ...]:
    """The modules of which two pictures each have a build that the other has not, by name."""
    builds: dict[str, list[set[str | None]]] = {}
    for number, frames in enumerate(pictures):
        modules = {(one.module, one.build_id) for one in frames if one.offset is not None}
        for module, build_id in modules:
            if module is not None:
                of_name = builds.setdefault(basename(module), [set() for _ in pictures])
                of_name[number].add(build_id)
    return tuple(
        Rebuilt(module, tuple(map(frozenset, of_name)))
        for module, of_name in sorted(builds.items())
        if any(one - other and other - one for one, other in combinations(of_name, 2))
    )
