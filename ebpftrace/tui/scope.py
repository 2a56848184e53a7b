"""The line that says what is not shown: what is suppressed, a mark, a group, a filter."""

from ebpftrace.analysis import wording
from ebpftrace.analysis.marks import Mark
from ebpftrace.analysis.suppressed import NOTHING, Suppressed
from ebpftrace.model.picture import Picture
from ebpftrace.tui.lines import Line, Span, line
from ebpftrace.tui.rows import label_of
from ebpftrace.tui.view import View
from ebpftrace.units import format_bytes, format_seconds


def scope_line(
    picture: Picture,
    view: View,
    mark: Mark | None,
    shown: int,
    problem: str | None,
    *,
    typed: bool = False,
    hidden: Suppressed = NOTHING,
) -> Line:
    """Empty where everything is shown; `shown` rows or boxes are.

    `typed`: the filter itself is on the screen. What is `hidden` comes first, where no width cuts it.
    """
    spans: list[Span] = []
    if mark is not None:
        ago = format_seconds(max(0.0, picture.since_attach_s - mark.at))
        spans.append(Span(f"grown since {mark.name}, {ago} ago  ", "strong"))
    if view.within is not None:
        spans.append(Span(f"{view.within.by} {view.within.title}  ", "strong"))
    if view.query and not typed:
        spans.append(Span(f"filter {view.query}  ", "strong"))
    if problem is not None:
        spans.append(Span(f"{problem}  ", "alarm"))
    if view.zoom and view.kind == "flame":
        spans.append(Span(f"within {label_of(view.zoom)}  ", "strong"))
    if spans or view.query:
        count = wording.many(shown, "row")
        spans.append(Span(f"{count}; escape shows more again", "label"))
    if hidden.sites:
        spans.insert(0, _hidden(hidden, short=bool(spans)))
    return line(*spans)


def _hidden(hidden: Suppressed, *, short: bool) -> Span:
    if not short:
        return Span(f"hidden {wording.suppressed(hidden)}", "strong")
    held = f"{wording.many(hidden.sites, 'site')} with {format_bytes(hidden.bytes)}"
    return Span(f"hidden {held}  ", "strong")
