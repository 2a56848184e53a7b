"""The pane's text about one site: what it holds, what went through it, its whole stack."""

from collections.abc import Iterator

from ebpftrace.analysis import wording
from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.model.picture import Picture, Site
from ebpftrace.tui.lines import Line, Span, line, wrapped

# A name of a C++ template may have thousands of characters, one of a hostile target more.
_MOST_LINES_PER_FRAME = 6
_MOST_LINES_OF_SOURCE = 2


def stack_lines(site: Site, picture: Picture, rules: Rules, width: int) -> Iterator[Line]:
    """Everything about `site`; the first line is what it holds, the responsible frame is marked."""
    several = len(picture.targets) > 1
    yield line(Span(wording.holding(site, picture.since_attach_s, several), "strong"))
    yield line(Span(wording.traffic(site.counts), "label"))
    blamed = responsible(site.at.frames, rules)
    for index, frame in enumerate(site.at.frames):
        place, most = wording.place(frame), _MOST_LINES_PER_FRAME
        if index != blamed:
            yield from wrapped(f"  {place}", width, most)
            continue
        yield from wrapped(f"▸ {place}", width, most, role="strong")
        if frame.source:
            source = f"    │ {frame.source}"
            yield from wrapped(source, width, _MOST_LINES_OF_SOURCE, "    │ ")
    end = wording.stack_end(site)
    if end is not None:
        yield line(Span(f"  {end}", "label"))


def nothing_lines(picture: Picture) -> Iterator[Line]:
    """What the pane says while there is no site."""
    yield line("no site holds anything" if picture.sites else "no allocation since the attach")
