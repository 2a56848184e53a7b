"""What snapshots are to each other: how much time is between them, and what sets them apart."""

from collections.abc import Iterable, Iterator, Sequence

from ebpftrace.analysis.matching import Rebuilt
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.units import format_seconds

_MOST_NAMED = 5
_LEAST_S = 0.001  # of a file that may be hostile: less makes a rate that is no number
_BUILD_ID = 40  # hexadecimal digits: SHA-1, which linkers take


def same_watch(snapshots: Sequence[Snapshot]) -> bool:
    """Are all between one attach and its end? Recordings do not know their watch."""
    return bool(snapshots[0].watch) and len({one.watch for one in snapshots}) == 1


def elapsed(snapshots: Sequence[Snapshot]) -> float | None:
    """Seconds from the first to the last of one watch, by its own clock; None where that says nothing."""
    if not same_watch(snapshots):
        return None
    seconds = snapshots[-1].picture.since_attach_s - snapshots[0].picture.since_attach_s
    return seconds if seconds >= _LEAST_S else None


def differences(snapshots: Sequence[Snapshot], rebuilt: Sequence[Rebuilt]) -> Iterator[str]:
    """Sentences on what to know before the figures are compared."""
    since = [one.picture.since_attach_s for one in snapshots]
    if not same_watch(snapshots):
        yield (
            "They are of different watches; each holds what came since its own attach: "
            f"{_listed(since)}."
        )
    elif since != sorted(since):
        yield "They are not in the order of their time; they are compared as they were given."
    programs = [{target.exe for target in one.picture.targets} for one in snapshots]
    if all(programs) and not set.intersection(*programs):
        named = " and ".join(dict.fromkeys(", ".join(sorted(those)) for those in programs))
        yield f"They are of different programs: {named}."
    modes = list(dict.fromkeys(one.picture.mode for one in snapshots))
    if len(modes) > 1:
        yield f"They were taken in different modes: {' and '.join(modes)}."
    filters = list(dict.fromkeys(" ".join(one.picture.filters) for one in snapshots))
    if len(filters) > 1:
        named = " and ".join(said or "nothing" for said in filters)
        yield f"They leave out different allocations: {named}."
    yield from _rebuilt(rebuilt)


def _listed(seconds: Iterable[float]) -> str:
    return " and ".join(map(format_seconds, seconds))


def _rebuilt(modules: Sequence[Rebuilt]) -> Iterator[str]:
    for one in modules[:_MOST_NAMED]:
        builds = " and ".join(dict.fromkeys(map(_builds, one.build_ids)))
        yield (
            f"{one.module} was rebuilt (build ids {builds}): its code is matched by the names of "
            "functions, and what has no name by the module."
        )
    if len(modules) > _MOST_NAMED:
        yield f"So it is with {len(modules) - _MOST_NAMED} more modules."


def _builds(build_ids: frozenset[str | None]) -> str:
    known = sorted(one[:_BUILD_ID] for one in build_ids if one)
    return ", ".join(known) or ("not known" if build_ids else "not there")
