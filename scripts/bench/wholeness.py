"""Whether the stacks that the tool recorded are whole: of a figure taken under cut ones no word is true.

A picture's counters are since attach, so two pictures are compared: what was born between them.
"""

from collections.abc import Collection, Iterator
from typing import Any

from scripts.bench.tracers import TracerFailed

Picture = dict[str, Any]
Site = dict[str, Any]

CUT = ("stack_cut", "stack_guessed", "stack_truncated", "stack_unreadable")
"""The losses that say that a stack is not whole, or not known to be."""


def births(counts: dict[str, int]) -> int:
    """Blocks that got a stack: of a picture's totals, or of a site."""
    return counts["allocated_blocks"] + counts["adopted_blocks"]


def cut(picture: Picture) -> int:
    """Allocations without a whole stack, by the losses."""
    return sum(picture["losses"][name] or 0 for name in CUT)


def grown(before: Picture, after: Picture) -> Iterator[tuple[Site, int]]:
    """The listed sites under which blocks were born between two pictures, and how many."""
    known = {site["id"]: births(site) for site in before["sites"]}
    for site in after["sites"]:
        count = births(site) - known.get(site["id"], 0)
        if count:
            yield site, count


def of_process(picture: Picture, pid: int) -> Picture:
    """`picture` with the sites of one process only; its losses and totals are still of all."""
    return {**picture, "sites": [site for site in picture["sites"] if site["pid"] == pid]}


def check_loop(before: Picture, after: Picture, depths: Collection[int]) -> None:
    """TracerFailed unless all stacks of tests/workloads/depthloop.c between the two are its own.

    Each is pairs, one of `depths` times descend, run_at, main, and leads to the start of the thread.
    """
    sites = list(grown(before, after))
    born = births(after["totals"]) - births(before["totals"])
    missed = cut(after) - cut(before)
    if not sites or missed > 0:
        raise TracerFailed(f"{missed} of {born} stacks are not whole: nothing can be measured.")
    for site, count in sites:
        names = [frame["function"] for frame in site["frames"]]
        if not site["complete"] or not any(_is_loop(names, depth) for depth in depths):
            shown = ", ".join(map(str, names))
            raise TracerFailed(f"{count} stacks of {born} are not the loop's: {shown or 'empty'}.")


def _is_loop(names: list[str | None], depth: int) -> bool:
    expected = ["pairs", *["descend"] * depth, "run_at", "main"]
    return names[: len(expected)] == expected
