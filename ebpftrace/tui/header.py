"""What stands at the top: which processes, whether they leak and where, the totals."""

from typing import NamedTuple

from ebpftrace.analysis import wording
from ebpftrace.analysis.crowd import counted, names, others, pick
from ebpftrace.analysis.headline import Headline
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.trend import Trend
from ebpftrace.model.picture import Picture, Target
from ebpftrace.tui.lines import Line, Role, Span, line
from ebpftrace.tui.options import Recorded
from ebpftrace.units import format_seconds

_MOST_TARGETS = 4
ENDED = "every target has ended, these are the final figures; q leaves"
OVER = "these are the last figures; q leaves"


class State(NamedTuple):
    """What the header says beside the picture.

    `late_s`: how long no picture has come, if too long. `paused_s`: how much older than the newest
    picture the one that is shown is. `taken`: when it was, of one that is not live; with
    `recorded` on what it is part of.
    """

    headline: Headline
    overall: Trend
    late_s: float | None
    paused_s: float | None
    rules: Rules
    taken: str | None = None
    recorded: Recorded | None = None


def header_lines(picture: Picture, state: State, most: int) -> list[Line]:
    """At most `most` lines; where there is one only, it is the totals."""
    if state.taken is not None:
        return _recorded_lines(picture, state, most)
    tracked = _tracked(picture)
    watch = _watch(picture, state)
    if most <= 1:
        stale = picture.final or state.paused_s is not None or state.late_s is not None
        return [watch if stale else tracked]
    if most == 2:
        return [watch, tracked]
    growth = line(*_growth(state))
    calls = line(Span("calls    ", "label"), wording.traffic(picture.totals, picture.mode))
    targets = _targets(picture.targets, max(1, min(_MOST_TARGETS, most - 3)))
    return [watch, growth, tracked, *targets, calls][:most]


def _recorded_lines(picture: Picture, state: State, most: int) -> list[Line]:
    """What is not live says so in its first words, and what it holds in the line that is left last."""
    tracked = _tracked(picture)
    when = Span(f"{state.taken}  ", "strong")
    if most <= 1:
        return [(when, *tracked)]
    known = state.recorded
    host = "" if known is None or known.host is None else f"{known.host}: "
    why = "" if known is None else known.why
    first = line(Span("taken    ", "label"), when, Span(host, "label"), why)
    others = header_lines(picture, state._replace(taken=None), max(2, most - 1))
    return [first, tracked] if most == 2 else [first, *others]


def wanted(picture: Picture, *, recorded: bool = False) -> int:
    """How many lines it would like to have; `recorded`: it is not live."""
    several = len(picture.targets) if len(picture.targets) > 1 else 0
    return 4 + recorded + min(several, _MOST_TARGETS)


def opening_lines(doing: str) -> list[Line]:
    """Until there is a picture."""
    words = Span(doing or "waiting for the first picture", "strong")
    return [line(words, Span("  q leaves", "label"))]


def target_line(target: Target) -> Line:
    """One target; its path comes last, where it may be cut."""
    spans = [Span(wording.named(target), "strong")]
    spans += [Span(f"  {words}", "alarm") for words in wording.trouble(target)]
    known = [wording.resident(target)] if not target.folded else []
    known += [*wording.missed(target), "+".join(target.allocators), target.exe]
    spans.append(Span(f"  {'  '.join(known)}"))
    return tuple(spans)


def _watch(picture: Picture, state: State) -> Line:
    spans = []
    if state.recorded is not None:
        if picture.final and state.recorded.over:
            spans.append(Span(f"{state.recorded.over}  ", "alarm"))
    elif picture.final:
        over = OVER if any(target.alive for target in picture.targets) else ENDED
        spans.append(Span(f"{over}  ", "alarm"))
    elif state.late_s is not None:
        spans.append(Span(f"no picture for {format_seconds(state.late_s)}  ", "alarm"))
    if state.paused_s is not None:
        spans.append(Span(f"PAUSED, {format_seconds(state.paused_s)} behind; p goes on  ", "alarm"))
    spans += _who(picture.targets)
    gap = "  " if picture.targets else ""
    spans += [Span(f"{gap}{words}", "alarm") for words in wording.waiting(picture)]
    spans.append(Span(f"  {wording.watched(picture)}"))
    if picture.cost.target_cpu_percent is not None:
        spans.append(Span(f"  cost {picture.cost.target_cpu_percent:.1f} %"))
    spans.append(Span(f"  {wording.many(len(picture.sites), 'site')}", "label"))
    if len(picture.targets) == 1:
        target = picture.targets[0]
        spans.append(Span(f"  {'+'.join(target.allocators)}  {target.exe}", "label"))
    return tuple(spans)


def _who(targets: tuple[Target, ...]) -> list[Span]:
    if len(targets) == 1:
        trouble = [Span(f"  {words}", "alarm") for words in wording.trouble(targets[0])]
        late = [Span(f"  {words}") for words in wording.missed(targets[0])]
        return [Span(wording.named(targets[0]), "strong"), *trouble, *late]
    if not targets:
        return []
    return [Span(counted(targets), "strong"), Span(f": {names(targets)}", "label")]


def _tracked(picture: Picture) -> Line:
    spans = [Span("tracked  ", "label"), Span(wording.tracked(picture), "strong")]
    if len(picture.targets) == 1:
        spans.append(Span(f"   {wording.resident(picture.targets[0])}"))
    return tuple(spans)


def _growth(state: State) -> tuple[Span, ...]:
    """Whether it leaks, how fast, and where."""
    grows = state.overall.word == "growing" or state.headline.site is not None
    role: Role = "alarm" if grows else "good"
    spans = [Span("growth   ", "label"), Span(wording.trend(state.overall), role)]
    top = state.headline
    if top.site is not None:
        title = wording.chain(top.site, state.rules, 1).title
        share = "fastest" if top.share is None else f"{_percent(top.share)} of it"
        spans += [Span(f"   {share}: ", "label"), Span(title, "strong")]
    return tuple(spans)


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _targets(targets: tuple[Target, ...], most: int) -> list[Line]:
    """Where there are several: those that run and grow come first; what finds no room is counted."""
    if len(targets) == 1:
        return []
    if len(targets) <= most:
        return [target_line(target) for target in targets]
    if most < 2:
        return []  # how many there are stands in the first line
    shown, rest = pick(targets, most - 1)
    rows = [target_line(target) for target in shown]
    rows.append(line(others(rest), Span("  (? lists them, 4 groups by them)", "label")))
    return rows
