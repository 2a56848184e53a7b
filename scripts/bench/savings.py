"""What each saving on the kernel side is worth, alone: variants of it on one loop, in turn.

Each round measures every variant on the same process, in an order that moves on by one from round to
round; what counts is the difference from the text as it is within the round.
"""

from collections.abc import Sequence
from time import sleep

from ebpftrace.kernel import sources
from scripts.bench import tracers
from scripts.bench.figures import Section, Spread, as_figures, cell, narrate, table, wide
from scripts.bench.loops import WORKLOADS, Child
from scripts.bench.pairs import SETTLE_S, Effort, wait_until_bare
from scripts.bench.variants import AS_IS, VARIANTS, Variant
from scripts.bench.wholeness import Picture

LOOP = "depthloop_fp"
_DEPTH = 10
_SLACK = 5.0
_LEAST_PAIRS = 1000

Reading = tuple[dict[int, float], Picture]
"""ns per pair by depth, and the final picture."""


def _check(variant: Variant, last: Picture) -> None:
    """It still counts: a variant that does nothing would be the cheapest of all."""
    totals = last["totals"]
    if totals["allocated_blocks"] < _LEAST_PAIRS or totals["blocks"] > 1:
        raise tracers.TracerFailed(f"Variant {variant.name} counts wrong: {totals}.")


def in_turn(
    name: str, variants: Sequence[Variant], depths: tuple[int, ...], effort: Effort
) -> list[dict[str, Reading]]:
    """Readings of each variant by the cheapest back end, on one process that goes to all `depths`."""
    for variant in variants:
        variant.applied(sources.flatten())  # a stale one is told now, not half an hour later
    rounds = []
    with Child(WORKLOADS / LOOP, *depths) as child:
        child.go()
        sleep(SETTLE_S)
        bare = child.sample(effort.seconds / 2, depths)[depths[0]]
        for number in range(effort.rounds):
            narrate("overhead", f"{name}, round {number + 1} of {effort.rounds}")
            one = {}
            first = number % len(variants)
            for variant in (*variants[first:], *variants[:first]):
                program = ("-m", "scripts.bench.run_variant", variant.name)
                options = ("--top", "0", "--backend", effort.back_ends[0])
                with tracers.tool([child.pid], *options, program=program) as run:
                    sleep(SETTLE_S)
                    found = child.sample(effort.seconds, depths)
                _check(variant, run.pictures[-1])
                one[variant.name] = found, run.pictures[-1]
                wait_until_bare(child, depths, bare, _SLACK)
            rounds.append(one)
    return rounds


def measure(effort: Effort) -> Section:
    """All variants that the cheapest back end can have."""
    backend = effort.back_ends[0]
    variants = [one for one in VARIANTS if backend == "session" or not one.session_only]
    for variant in VARIANTS:
        if variant not in variants:
            narrate("overhead", f"{variant.name} needs session programs: left out.")
    rounds = [
        {name: found[_DEPTH] for name, (found, _) in one.items()}
        for one in in_turn("savings", variants, (_DEPTH,), effort)
    ]

    def spread(name: str) -> Spread | None:
        return Spread.of(one[name] for one in rounds)

    def difference(name: str) -> Spread | None:
        return Spread.of(one[name] - one[AS_IS.name] for one in rounds)

    rows = [
        (one.name, cell(spread(one.name)), "" if one is AS_IS else wide(difference(one.name)))
        for one in variants
    ]
    head = f"Savings by {backend}, depth {_DEPTH}, ns per pair; difference: round by round"
    legend = "\n".join(f"  {one.name}: {one.says}" for one in variants)
    figures = {
        "backend": backend,
        "ns": {one.name: as_figures(spread(one.name)) for one in variants},
        "difference": {one.name: as_figures(difference(one.name)) for one in variants[1:]},
        "says": {one.name: one.says for one in variants},
        "rounds": rounds,
    }
    text = f"{head}\n{table(('variant', 'ns', 'difference'), rows)}\n{legend}"
    return Section("savings", text, figures)
