"""A call stack as lines: every frame, the chosen one marked, with the text of the source around it."""

from collections.abc import Iterator

from ebpftrace.analysis import wording
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Site, SourceLines
from ebpftrace.text import clean
from ebpftrace.tui.lines import Line, Span, line, wrapped

# A name of a C++ template may have thousands of characters, one of a hostile target more.
_MOST_LINES_PER_FRAME = 6


def frame_lines(
    site: Site, chosen: int | None, width: int, *, source: bool = True
) -> Iterator[Line]:
    """From the allocation outward; below the frame `chosen` the text of its line, if `source`."""
    for index, frame in enumerate(site.at.frames):
        place, most = wording.place(frame), _MOST_LINES_PER_FRAME
        if index != chosen:
            yield from wrapped(f"  {place}", width, most)
            continue
        yield from wrapped(f"▸ {place}", width, most, role="strong")
        if frame.source and source:
            yield from wrapped(f"    │ {frame.source}", width, 2, "    │ ")
    end = wording.stack_end(site)
    if end is not None:
        yield line(Span(f"  {end}", "label"))


def source_lines(frame: Frame, text: SourceLines) -> Iterator[Line]:
    """The text around the line of `frame`, with its numbers; that line is marked."""
    digits = len(str(text.first + len(text.lines) - 1))
    for number, words in enumerate(text.lines, text.first):
        if number == frame.line:
            yield line(Span(f"▸ {number:>{digits}} │ {words}", "strong"))
        else:
            yield line(Span(f"  {number:>{digits}} │ ", "label"), words)


def as_text(site: Site, picture_words: str) -> str:
    """For a clipboard: what the site holds, then a frame a line, and nothing but printable text."""
    frames = [f"  {wording.place(frame)}" for frame in site.at.frames]
    end = wording.stack_end(site)
    lines = (picture_words, *frames, *([f"  {end}"] if end else []))
    return "".join(f"{clean(one)}\n" for one in lines)
