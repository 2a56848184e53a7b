"""What a walk by unwind rules costs, beside the kernel's own by frame pointers.

On the build that has frame pointers, by the same programs: with our walk, with bpf_get_stack in its
place, and with none. A walk costs what its variant takes over the last, in the same round. Ours is
hashed and goes to `_start`; the kernel's is not hashed, and ends where libc has no frame pointers.
"""

from scripts.bench.figures import (
    Section,
    Spread,
    Target,
    as_figures,
    cell,
    median,
    ratios,
    table,
    wide,
)
from scripts.bench.pairs import DEPTHS, Effort
from scripts.bench.savings import Reading, in_turn
from scripts.bench.tracers import TracerFailed
from scripts.bench.variants import AS_IS, KERNEL_WALK, NO_WALK, WALKS
from scripts.bench.wholeness import Picture

MOST_OF_KERNELS = 1.0
_AROUND = 3
"""Frames of the loop around its `descend`: pairs, run_at, main."""


def _check(last: Picture) -> None:
    """The kernel's walks came as far as main at every depth: a short one would be cheap."""
    lengths = {int(site["id"].rpartition("-")[2], 16) for site in last["sites"]}
    for depth in DEPTHS:
        if not any(depth + _AROUND <= length < depth + 2 * _AROUND + 1 for length in lengths):
            raise TracerFailed(
                f"No walk of the kernel at depth {depth} found its {depth + _AROUND} frames: "
                f"{sorted(lengths)}."
            )


def measure(effort: Effort) -> Section:
    """Both walks at every depth, by the cheapest back end. TracerFailed where one is no walk."""
    rounds = in_turn("kernel-walk", WALKS, DEPTHS, effort)
    for one in rounds:
        _check(one[KERNEL_WALK.name][1])

    def over_none(name: str, depth: int) -> list[float | None]:
        return [_ns(one[name], depth) - _ns(one[NO_WALK.name], depth) for one in rounds]

    ours = {depth: over_none(AS_IS.name, depth) for depth in DEPTHS}
    kernels = {depth: over_none(KERNEL_WALK.name, depth) for depth in DEPTHS}
    none = {depth: Spread.of(_ns(one[NO_WALK.name], depth) for one in rounds) for depth in DEPTHS}
    share = {depth: Spread.of(ratios(ours[depth], kernels[depth])) for depth in DEPTHS}
    spreads = {
        name: {depth: Spread.of(ns for ns in found[depth] if ns is not None) for depth in DEPTHS}
        for name, found in (("ours", ours), ("kernel's", kernels))
    }
    rows = [
        (
            str(depth),
            cell(none[depth]),
            *(wide(found[depth]) for found in spreads.values()),
            wide(share[depth], 2),
        )
        for depth in DEPTHS
    ]
    head = f"A walk by {effort.back_ends[0]}, ns over the same without one, frame pointers"
    heads = ("depth", "no walk: a pair", "our walk", "bpf_get_stack", "ours/kernel's")
    targets = [
        Target(f"of the kernel's walk, depth {depth}", MOST_OF_KERNELS, median(share[depth]))
        for depth in DEPTHS
    ]
    figures = {
        "backend": effort.back_ends[0],
        "no_walk_ns": {depth: as_figures(none[depth]) for depth in DEPTHS},
        "walk_ns": {
            name: {depth: as_figures(spread) for depth, spread in found.items()}
            for name, found in spreads.items()
        },
        "ratio": {depth: as_figures(share[depth]) for depth in DEPTHS},
        "rounds": [{name: found for name, (found, _) in one.items()} for one in rounds],
    }
    return Section("kernel-walk", f"{head}\n{table(heads, rows)}", figures, targets)


def _ns(reading: Reading, depth: int) -> float:
    return reading[0][depth]
