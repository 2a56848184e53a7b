"""The pane's text about what the cursor is on: a call site, or a row that stands for several."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ebpftrace.analysis import wording
from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.analysis.suppressed import NOTHING, Suppressed
from ebpftrace.analysis.trend import Trend, trend_of, trend_of_site
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Site, SiteBlocks
from ebpftrace.tui.bars import age_lines, beside, half, last_lines, size_lines
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line, Span, line
from ebpftrace.tui.rows import Part, Row
from ebpftrace.tui.stack import frame_lines, source_lines
from ebpftrace.tui.survey import Survey
from ebpftrace.tui.view import View
from ebpftrace.units import format_bytes

# From here on charts stand beside the stack.
_TWO_COLUMNS = 130
_MOST_AGES = 8


class Look(NamedTuple):
    """How to show a site: `frame` is the one that was chosen, None: the responsible one."""

    picture: Picture
    rules: Rules
    frame: int | None
    survey: Survey | None
    glyphs: Glyphs


def chosen_frame(site: Site, look: Look) -> int | None:
    """The index of the frame whose source is shown."""
    if look.frame is not None and look.frame < len(site.at.frames):
        return look.frame
    return responsible(site.at.frames, look.rules)


def site_lines(site: Site, look: Look, width: int) -> Iterator[Line]:
    """Everything about `site`; the first lines say what it holds and how that grows."""
    picture = look.picture
    several = len(picture.targets) > 1
    now = picture.since_attach_s
    yield line(Span(wording.holding(site, now, several, picture.mode), "strong"))
    yield _trend(trend_of_site(site, now))
    yield line(Span(wording.traffic_of(site, picture.mode), "label"))
    index = chosen_frame(site, look)
    text = _source(site, index, look)
    if width >= _TWO_COLUMNS:
        each = half(width)
        left = [_title("Stack"), *frame_lines(site, index, each)]
        right = [*_titled("Source", text), *_charts(site, look, each)]
        yield from beside(left, right, width, look.glyphs)
        return
    yield from frame_lines(site, index, width, source=not text)
    yield from _titled("Source", text)
    yield from _charts(site, look, width)


def group_lines(row: Row, part: Part, look: Look, width: int) -> Iterator[Line]:
    """What several sites hold together, and the largest of them."""
    now = look.picture.since_attach_s
    yield line(Span(row.title, "strong"))
    held = f"{wording.held(row.counts)} at {wording.many(part.sites, 'site')}"
    yield line(Span(f"{held}  {wording.rate(row.growth)}", "strong"))
    if row.cohorts is not None:
        yield _trend(trend_of(row.cohorts, row.counts, now))
    yield line(Span(wording.traffic(row.counts, look.picture.mode), "label"))
    if row.cohorts:
        yield _title("Held by age")
        yield from age_lines(row.cohorts, now, width, look.glyphs, _MOST_AGES)
    yield _title("Its largest sites")
    for site in part.largest:
        chain = wording.chain(site, look.rules, 3)
        callers = "".join(f" {look.glyphs.caller} {name}" for name in chain.callers)
        size = look.glyphs.fit(format_bytes(site.counts.bytes), 9, right=True)
        yield line(size, "  ", Span(chain.title, "strong"), Span(callers, "label"))


def summed_lines(count: int, size: int) -> Iterator[Line]:
    """What the pane says of boxes that are too small for a cell each."""
    yield line(Span(f"{format_bytes(size)} in {wording.many(count, 'smaller box')}", "strong"))
    yield line(Span("a wider screen, or their caller over all of it (enter), shows more", "label"))


def nothing_lines(picture: Picture, view: View, hidden: Suppressed = NOTHING) -> tuple[Line, ...]:
    """What the pane says while there is no row."""
    if view.wider() is None:
        words = wording.nothing_held(picture, hidden)
    elif view.query or view.within is not None or view.mark is None:
        words = "nothing of it holds anything that is asked for; escape shows more again"
    else:
        words = f"nothing has grown since {view.mark}; escape shows more again"
    return (line(words),)


def _trend(found: Trend) -> Line:
    return line(Span(wording.trend(found), "alarm" if found.word == "growing" else "good"))


def _source(site: Site, index: int | None, look: Look) -> list[Line]:
    survey = look.survey
    if index is None or survey is None or survey.source is None:
        return []
    frame: Frame = site.at.frames[index]
    if survey.subject.site.at.id != site.at.id or survey.subject.frame != frame:
        return []
    return list(source_lines(frame, survey.source))


def _charts(site: Site, look: Look, width: int) -> Iterator[Line]:
    blocks = _blocks(site, look)
    now = look.picture.since_attach_s
    each = half(width) if blocks is not None else width
    ages = [_title("Held by age"), *age_lines(site.cohorts, now, each, look.glyphs, _MOST_AGES)]
    if blocks is None:
        yield from ages
        return
    sizes = [_title("Held by size of block"), *size_lines(blocks, each, look.glyphs)]
    yield from beside(ages, sizes, width, look.glyphs)
    yield from _titled("Last blocks", last_lines(blocks, width))


def _blocks(site: Site, look: Look) -> SiteBlocks | None:
    survey = look.survey
    if survey is None or survey.subject.site.at.id != site.at.id:
        return None
    return survey.blocks


def _titled(words: str, lines: Iterable[Line]) -> Iterator[Line]:
    """Nothing where there is nothing to stand under the title."""
    rest = list(lines)
    if rest:
        yield _title(words)
        yield from rest


def _title(words: str) -> Line:
    return line(Span(words, "label"))
