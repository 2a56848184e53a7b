"""What each saving on the kernel side is worth, alone: variants of it on one loop, in turn.

Each round measures every variant on the same process, in an order that moves on by one from round to
round; what counts is the difference from the text as it is within the round.
"""

from time import sleep

from ebpftrace.kernel import sources
from scripts.bench import tracers
from scripts.bench.figures import Section, Spread, as_figures, cell, narrate, table, wide
from scripts.bench.loops import WORKLOADS, Child
from scripts.bench.pairs import SETTLE_S, Effort, wait_until_bare
from scripts.bench.variants import AS_IS, VARIANTS, Variant

_LOOP, _DEPTH = "depthloop_fp", 10
_SLACK = 5.0
_LEAST_PAIRS = 1000


def _check(variant: Variant, run: tracers.Tool) -> None:
    """It still counts: a variant that does nothing would be the cheapest of all."""
    totals = run.pictures[-1]["totals"]
    if totals["allocated_blocks"] < _LEAST_PAIRS or totals["blocks"] > 1:
        raise tracers.TracerFailed(f"Variant {variant.name} counts wrong: {totals}.")


def measure(effort: Effort) -> Section:
    """All variants that the cheapest back end can have."""
    backend = effort.back_ends[0]
    variants = [one for one in VARIANTS if backend == "session" or not one.session_only]
    for variant in VARIANTS:
        variant.applied(sources.flatten())  # a stale one is told now, not half an hour later
        if variant not in variants:
            narrate("overhead", f"{variant.name} needs session programs: left out.")
    rounds: list[dict[str, float]] = []
    with Child(WORKLOADS / _LOOP, _DEPTH) as child:
        child.go()
        sleep(SETTLE_S)
        bare = child.sample(effort.seconds / 2, (_DEPTH,))[_DEPTH]
        for number in range(effort.rounds):
            narrate("overhead", f"savings, round {number + 1} of {effort.rounds}")
            one = {}
            first = number % len(variants)
            for variant in variants[first:] + variants[:first]:
                program = ("-m", "scripts.bench.run_variant", variant.name)
                with tracers.tool([child.pid], "--backend", backend, program=program) as run:
                    sleep(SETTLE_S)
                    one[variant.name] = child.sample(effort.seconds, (_DEPTH,))[_DEPTH]
                _check(variant, run)
                wait_until_bare(child, (_DEPTH,), bare, _SLACK)
            rounds.append(one)

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
