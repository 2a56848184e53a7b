"""Pictures of programs that were stripped, and what they become with a directory."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture
from ebpftrace.symbols.again import Again
from tests.unit.builders import frame, picture, site
from tests.unit.debug_builders import TAIL, at, build, build_id, stripped

BIAS = 0x5555_0000_0000
LINES = [("app::Pool<int>::take(unsigned int)", 17), ("operator()", 23), ("run", 25)]
"""The functions at the jump of `debug_program.cpp`, by a part of their names, with their lines."""


class Program:
    """A stripped program in a directory of its own, and the debug file that was taken off it."""

    def __init__(self, folder: Path, *flags: str) -> None:
        folder.mkdir()
        self.path = build(folder / "program", "-g", *flags)
        self.whole = folder / "whole"
        self.whole.write_bytes(self.path.read_bytes())
        self.address = at(self.path, *TAIL)
        self.debug = folder / "debug"
        stripped(self.path, self.debug, link=False)
        name = build_id(self.path)
        assert name
        self.build_id = name

    def frame(self, call: int | None = None, **given: Any) -> Frame:
        """As a host without its debug file names it, of the call at `call`."""
        offset = (self.address if call is None else call) + 1
        values: dict[str, Any] = {
            "function": None,
            "module": "/usr/bin/program",
            "build_id": self.build_id,
            "offset": offset,
            "address": BIAS + offset,
        }
        return frame(**{**values, **given})


@contextlib.contextmanager
def again(directory: Path | None, **options: Any) -> Iterator[Again]:
    one = Again(None if directory is None else str(directory), **options)
    try:
        yield one
    finally:
        one.close()


def picture_of(*frames: Frame) -> Picture:
    return picture(site(frames=frames))


def renamed(directory: Path | None, *frames: Frame, **options: Any) -> tuple[Frame, ...]:
    """What `frames`, one stack, become."""
    with again(directory, **options) as one:
        return one.picture(picture_of(*frames)).sites[0].at.frames


def has_lines(frames: tuple[Frame, ...]) -> bool:
    """Are these the frames at the jump of `debug_program.cpp`?"""
    return [one.line for one in frames] == [line for _, line in LINES] and all(
        part in (one.function or "") for one, (part, _) in zip(frames, LINES, strict=True)
    )
