"""The format of Valgrind's massif, as ms_print and massif-visualizer read it: bytes in use over time.

A tree leads from the allocation outward. What is below its threshold is one entry, as with massif.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import BinaryIO, NamedTuple

from ebpftrace.analysis.names import bare
from ebpftrace.analysis.wording import many
from ebpftrace.export.formats.origin import command, remarks
from ebpftrace.export.formats.places import Place, Places
from ebpftrace.export.formats.subject import Subject
from ebpftrace.model.picture import Picture, Point

_SLOTS = 100  # massif's own --max-snapshots
_TREES = 10  # of them, beside the peak's and the last one's: massif's --detailed-freq
# A leak may be small beside what a program rightly holds. Of 50,000 sites that hold as much each a tree
# is 2,200 lines; ms_print itself shows what is above 1 % unless it is told otherwise.
_PER_THRESHOLD = 1000
_BELOW = f"below massif's threshold ({100 / _PER_THRESHOLD:.2f}%)"

_ROOT = "(heap allocation functions) malloc/new/new[], --alloc-fns, etc."
_ALLOCATORS = frozenset({"operator new", "operator new[]"})

_Stack = tuple[Sequence[int], int]
"""Places from the allocation outward, and bytes."""


class _Point(NamedTuple):
    """`at` in seconds since attach; `picture` is its number in the series, None of one of the history."""

    at: float
    bytes: int
    picture: int | None = None


def write(subject: Subject, out: BinaryIO) -> None:
    """The tree of each snapshot that has one is of all its bytes; what is suppressed is in none."""
    points = _chosen(subject)
    detailed = _detailed(points)
    pictures = iter(_numbered(subject, detailed))
    peak = max(point.bytes for point in points)
    out.write("\n".join([*_head(subject), ""]).encode())
    for number, point in enumerate(points):
        if point.picture not in detailed:
            tree, kind = [], "empty"
        else:
            tree = _tree(next(pictures))
            kind = "detailed" if point.bytes < peak else "peak"
            peak = peak + 1 if kind == "peak" else peak  # there is one only
        lines = (
            "#-----------",
            f"snapshot={number}",
            "#-----------",
            f"time={round(1000 * point.at)}",
            f"mem_heap_B={point.bytes}",
            "mem_heap_extra_B=0",
            "mem_stacks_B=0",
            f"heap_tree={kind}",
            *tree,
        )
        out.write("\n".join([*lines, ""]).encode())


def _head(subject: Subject) -> Iterator[str]:
    """massif-visualizer takes one line of each."""
    said = [
        f"--threshold={100 / _PER_THRESHOLD:g}",
        *remarks(subject),
        f"bytes only: at the end they are in {many(subject.counts.blocks, 'block')}",
    ]
    if len(_history(subject)) < len(subject.snapshot.history):
        said.append("pictures only: of moments between them it is not known what is suppressed")
    yield f"desc: {'; '.join(said)}"
    yield f"cmd: {command(subject)}"
    yield "time_unit: ms"


def _chosen(subject: Subject) -> list[_Point]:
    """By time, from the attach on, when nothing was held that is counted here.

    Of each hundredth of the time it is the largest picture, or what the history has for it where
    there is none; and the largest of all, and the last.
    """
    end = subject.snapshot.picture.since_attach_s
    largest: dict[int, _Point] = {}
    peak = last = _Point(0.0, 0)

    def take(point: _Point) -> None:
        nonlocal peak
        slot = min(_SLOTS - 1, int(_SLOTS * point.at / end)) if end else 0
        known = largest.get(slot)
        if known is None or known.bytes < point.bytes:
            largest[slot] = point
        if peak.bytes < point.bytes:
            peak = point

    for number, picture in enumerate(subject.series()):
        last = _Point(max(last.at, picture.since_attach_s), _held(subject, picture), number)
        take(last)
    with_pictures = dict(largest)
    for earlier in _history(subject):
        if earlier.at < end:
            take(_Point(earlier.at, max(0, earlier.tracked)))
    points = {*(largest | with_pictures).values(), peak, last}
    if all(point.at for point in points):
        points.add(_Point(0.0, 0))
    return sorted(points, key=lambda one: (one.at, -1 if one.picture is None else one.picture))


def _history(subject: Subject) -> Sequence[Point]:
    """None where something is suppressed: what of the totals of earlier moments is not known."""
    return () if subject.suppressed.sites else subject.snapshot.history


def _detailed(points: Sequence[_Point]) -> set[int | None]:
    """The numbers of the pictures whose trees are shown."""
    pictures = [point for point in points if point.picture is not None]
    step = ceil(len(pictures) / _TREES) or 1
    shown = [*pictures[::step], max(pictures, key=lambda one: one.bytes), pictures[-1]]
    return {point.picture for point in shown}


def _numbered(subject: Subject, wanted: set[int | None]) -> Iterator[Subject]:
    """Those of the series, each without what is suppressed."""
    for number, picture in enumerate(subject.series()):
        if number in wanted:
            snapshot = replace(subject.snapshot, picture=picture)
            yield Subject.of(snapshot, subject.file, subject.selection)


def _held(subject: Subject, picture: Picture) -> int:
    """Bytes in use, without what is suppressed."""
    hidden = subject.selection.hidden(picture)
    return max(0, picture.totals.bytes - sum(picture.sites[n].counts.bytes for n in hidden))


def _tree(subject: Subject) -> list[str]:
    """Its lines, the largest child first; a number in front says how many of them are children."""
    places = Places(subject.snapshot.picture)
    stacks = _stacks(subject, places)
    total = max(0, subject.counts.bytes)
    lines: list[str] = []
    pending: list[tuple[int, int, str, list[_Stack]]] = [(0, total, _ROOT, stacks)]
    while pending:
        depth, size, label, some = pending.pop()
        children: list[tuple[int, str, list[_Stack]]] = []
        small, places_below = 0, 0
        for number, (held, below) in _divided(some, depth).items():
            if held * _PER_THRESHOLD >= total:
                # What was freed on another processor may be counted a moment before its allocation.
                children.append((min(held, size), _label(places.table[number]), below))
            elif held > 0:
                small, places_below = small + held, places_below + 1
        if places_below:
            said = "in 1 place, " if places_below == 1 else f"in {places_below} places, all "
            children.append((min(small, size), said + _BELOW, []))
        children.sort(key=lambda child: (child[0], child[1]))
        lines.append(f"{' ' * depth}n{len(children)}: {size} {label}")
        pending += [(depth + 1, *child) for child in children]
    return lines


def _stacks(subject: Subject, places: Places) -> list[_Stack]:
    """Of all that is held, without the functions that the root stands for."""
    stacks: list[_Stack] = []
    allocates: list[bool] = []
    for site in subject.sites:
        size = site.counts.bytes
        if size:
            stack = places.stack(site.at)
            allocates += (
                bare(place.name) in _ALLOCATORS for place in places.table[len(allocates) :]
            )
            if allocates[stack[0]] and len(stack) > 1:
                stack = stack[1:]
            stacks.append((stack, size))
    if subject.rest.bytes:
        stacks.append((places.rest(), subject.rest.bytes))
    return stacks


def _divided(stacks: Sequence[_Stack], depth: int) -> dict[int, tuple[int, list[_Stack]]]:
    """By the place at this depth of those that are so deep, with what they hold."""
    found: dict[int, list[_Stack]] = {}
    for one in stacks:
        stack = one[0]
        if len(stack) > depth:
            number = stack[depth]
            if number in found:
                found[number].append(one)
            else:
                found[number] = [one]
    return {number: (sum([size for _, size in some]), some) for number, some in found.items()}


def _label(place: Place) -> str:
    """`0x4011E6: serve (/srv/app.c:42)`.

    ms_print takes all from a # on for a comment, and the place would be lost with it.
    massif-visualizer takes what is after the last ` (` for the place.
    """
    name = place.name.replace("#", "@")
    if place.address is None:
        return name
    at = (
        f"{place.file}:{place.line}" if place.file and place.line else f"in {place.module or '???'}"
    )
    return f"0x{place.address:X}: {name} ({at.replace('#', '@').replace(' (', '(')})"
