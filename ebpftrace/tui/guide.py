"""The help: every command with its keys, every target, every loss with its sentence, what is hidden, notes."""

import textwrap
from collections.abc import Iterable, Iterator

from ebpftrace.analysis import costs, wording
from ebpftrace.analysis.suppressed import NOTHING, Suppressed
from ebpftrace.model.picture import Picture
from ebpftrace.tui.commands import FILTERS, MOVES, SECTIONS
from ebpftrace.tui.header import target_line
from ebpftrace.tui.lines import Line, Span, line, wrapped

_MOST_LINES = 8
# Columns of the keys; what they do stands beside them.
_KEYS = 28
_LEAST_WORDS = 20
_SIGNS = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "full_stop": ".",
    "comma": ",",
    "apostrophe": "'",
}


def keys_of(keys: str) -> str:
    """`question_mark,h,f1` as people say it: `? h f1`."""
    return " ".join(_SIGNS.get(key, key) for key in keys.split(","))


def guide_lines(
    picture: Picture | None, notes: Iterable[str], width: int, hidden: Suppressed = NOTHING
) -> Iterator[Line]:
    """All of it, for the pane that scrolls."""
    for section in SECTIONS:
        yield _title(section.title)
        for command in section.commands:
            yield from _key(keys_of(command.keys), f"{command.title}: {command.help}", width)
    yield _title("Moving")
    for keys, does in MOVES:
        yield from _key(keys, does, width)
    yield _title("Filters: words that must all be found, as you type them")
    for words, does in FILTERS:
        yield from _key(words, does, width)
    if picture is not None:
        yield from _facts(picture, width)
    if hidden.by:
        yield _title("Hidden by suppressions, and counted in the totals")
    for by in hidden.by:
        yield from wrapped(f"  {wording.suppressed_by(by)}", width, _MOST_LINES)
    yield _title("Notes")
    naming = picture.naming.notes if picture is not None else ()
    for note in (*notes, *dict.fromkeys(naming)) or ("none",):
        yield from wrapped(f"  {note}", width, _MOST_LINES)


def _facts(picture: Picture, width: int) -> Iterator[Line]:
    yield _title("Targets")
    for target in picture.targets:
        yield line("  ", *target_line(target))
    yield _title("Lost")
    faults = picture.losses.faults()
    if not faults:
        yield line("  nothing")
    for loss, count in faults:
        yield from wrapped(f"  {wording.counted(loss, count)}: {loss.sentence}", width, 4)
    yield _title("Seen, and no loss")
    for loss, count in picture.losses.facts():
        yield from wrapped(f"  {wording.counted(loss, count)}: {loss.sentence}", width, 4)
    yield _title("Cost")
    yield from wrapped(f"  {costs.price(picture)}", width, 4)
    for name, percent in picture.cost.map_fill_percent.items():
        yield line(f"  the map of {name} is {percent:.1f} % full")


def _key(keys: str, does: str, width: int) -> Iterator[Line]:
    first, *others = textwrap.wrap(does, max(_LEAST_WORDS, width - _KEYS))
    yield line(Span(f"  {keys:<{_KEYS - 3}} ", "key"), first)
    for words in others:
        yield line(" " * _KEYS, words)


def _title(words: str) -> Line:
    return line(Span(words, "strong"))
