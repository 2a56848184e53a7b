"""Many processes in few words: which of them are worth a line of their own, and what the others are."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ebpftrace.analysis.wording import many
from ebpftrace.model.picture import Target
from ebpftrace.units import format_count

_MOST_NAMES = 3


def pick(targets: Sequence[Target], most: int) -> tuple[Sequence[Target], Sequence[Target]]:
    """At most `most`, and the rest: those that live and grow come first. All in their order if they fit."""
    if len(targets) <= most:
        return targets, ()
    ordered = sorted(targets, key=_rank)
    return ordered[:most], ordered[most:]


def _rank(target: Target) -> tuple[bool, bool, int]:
    return not target.alive, target.folded, -(target.rss_growth_bytes or 0)


def counted(targets: Iterable[Target]) -> str:
    """`31 programs, 2 of them ended`; each that stands for several counts as so many."""
    known = list(targets)
    programs = sum(target.programs for target in known)
    ended = sum(target.programs for target in known if not target.alive)
    words = f", {format_count(ended)} of them ended" if ended else ""
    return many(programs, "program") + words


def names(targets: Iterable[Target]) -> str:
    """`nginx x 30, sh`: the most frequent ones."""
    found = Counter(target.comm for target in targets if not target.folded)
    said = [
        f"{comm} x {format_count(n)}" if n > 1 else comm
        for comm, n in found.most_common(_MOST_NAMES)
    ]
    return ", ".join([*said, "…"] if len(found) > _MOST_NAMES else said)


def others(targets: Sequence[Target]) -> str:
    """What has found no room: `and 23 programs, 1 of them ended: nginx x 23`."""
    known = names(targets)
    return f"and {counted(targets)}{': ' if known else ''}{known}"
