"""Which frame of a stack is to blame: the first that is no wrapper of an allocator or a run time."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from ebpftrace.analysis import wrappers
from ebpftrace.analysis.names import bare
from ebpftrace.model.frames import Frame

_KNOWN = 1 << 14


class _Blame(IntEnum):
    """What speaks against a frame, the least first."""

    NOTHING = 0
    WRAPPER = 1
    ENTRY = 2
    NAMELESS = 3
    SKIPPED = 4


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.DOTALL)


_FUNCTIONS = _any_of(wrappers.FUNCTIONS)
_ENTRIES = _any_of(wrappers.ENTRIES)
_FILES = _any_of(wrappers.FILES)
_MODULES = _any_of(wrappers.MODULES)
_HOSTS = _any_of(wrappers.HOSTS)
_JIT = "[JIT]"


@dataclass(frozen=True, slots=True)
class Rules:
    """Which frames are not to blame: those of `wrappers`, and what the user wants skipped."""

    skipped: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def standard(cls) -> "Rules":
        return cls()

    def with_skipped(self, patterns: Sequence[str]) -> "Rules":
        """These rules, and no function in which one of the `patterns` is found. re.error is raised."""
        return Rules(self.skipped + tuple(re.compile(pattern) for pattern in patterns))


_STANDARD = Rules()


def responsible(frames: Sequence[Frame], rules: Rules) -> int | None:
    """The index of the frame to blame; None where there is none, or all of them are skipped.

    Where all are wrappers it is the outermost one, for that was asked by nobody else: one with a
    name if possible, and not what only starts programs and threads.
    """
    outermost: dict[_Blame, int] = {}
    for index, frame in enumerate(frames):
        blame = _blame(rules.skipped, frame.function, frame.file, frame.module)
        if blame is _Blame.NOTHING and _is_within_a_wrapper(frames, index, rules):
            blame = _Blame.NAMELESS
        if blame is _Blame.NOTHING:
            return _hosted(frames, index, rules)
        outermost[blame] = index
    outermost.pop(_Blame.SKIPPED, None)
    return outermost[min(outermost)] if outermost else None


def wrapping(frames: Sequence[Frame]) -> int:
    """How many of the innermost frames are wrappers, up to the first that is none."""
    for index, frame in enumerate(frames):
        blame = _blame((), frame.function, frame.file, frame.module)
        if blame is _Blame.NOTHING and not _is_within_a_wrapper(frames, index, _STANDARD):
            return index
    return len(frames)


def _is_within_a_wrapper(frames: Sequence[Frame], index: int, rules: Rules) -> bool:
    """Has it no name, and is its caller in the same module a wrapper? Then it is a part of that one.

    Stripped libraries keep the names of what they export only.
    """
    if frames[index].function is not None or index + 1 >= len(frames):
        return False
    caller = frames[index + 1]
    blame = _blame(rules.skipped, caller.function, caller.file, caller.module)
    return blame is _Blame.WRAPPER and caller.module == frames[index].module


def _hosted(frames: Sequence[Frame], first: int, rules: Rules) -> int:
    """`first`, or the code that it runs if that is of a virtual machine and its names are known."""
    for index in range(first, len(frames)):
        frame = frames[index]
        if frame.module == _JIT:
            return index if frame.function is not None else first
        if not _is_host(frame.module):
            blame = _blame(rules.skipped, frame.function, frame.file, frame.module)
            if blame is _Blame.NOTHING:
                return index
    return first


@lru_cache(maxsize=_KNOWN)
def _is_host(module: str | None) -> bool:
    return _HOSTS.fullmatch(os.path.basename(module or "")) is not None


@lru_cache(maxsize=_KNOWN)
def _blame(
    skipped: tuple[re.Pattern[str], ...], function: str | None, file: str | None, module: str | None
) -> _Blame:
    """Code without a name is judged by where it lies."""
    name = bare(function) if function is not None else None
    if function is not None and any(pattern.search(function) for pattern in skipped):
        return _Blame.SKIPPED
    if name is not None and _ENTRIES.fullmatch(name):
        return _Blame.ENTRY
    if (
        (name is not None and _FUNCTIONS.fullmatch(name))
        or (file is not None and _FILES.fullmatch(file))
        or (module is not None and _MODULES.fullmatch(os.path.basename(module)))
    ):
        return _Blame.WRAPPER if name is not None else _Blame.NAMELESS
    return _Blame.NOTHING
