"""What is said of a search for the files of modules: found, found without lines, not found."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ebpftrace.units import format_count

_MOST_NAMED = 20


@dataclass(slots=True)
class Tally:
    """Of one module: `places` in its code were asked about, `lined` of them have lines.

    `there`: was a file with its build id found? `name` is clean.
    """

    name: str
    build_id: str
    places: int = 0
    lined: int = 0
    there: bool = False


def tallied(tallies: Iterable[Tally], without: Collection[str], where: str) -> Iterator[str]:
    """In sentences. `without`: names of modules without a build id; `where`: `in DIR`."""
    modules = sorted(tallies, key=lambda one: (-one.places, one.name))
    lined = [one.name for one in modules if one.lined]
    if lined:
        yield f"Found {where}: {_listed(lined)}."
    bare = [one.name for one in modules if one.there and not one.lined]
    if bare:
        yield (
            f"Found {where} without debug information for the places asked about, so that there "
            f"are names at most: {_listed(bare)}."
        )
    missing = [
        f"{one.name} (build id {one.build_id}, {_frames(one.places)})"
        for one in modules
        if not one.there and not one.lined
    ]
    if missing:
        yield f"Not found {where}: {_listed(missing)}."
    if without:
        yield (
            f"Without a build id, so that no file can be told to be theirs: "
            f"{_listed(sorted(without))}."
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {format_count(more)} more" if more > 0 else "")


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{format_count(count)} frames"
