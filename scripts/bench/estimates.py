"""Estimates of sampled allocations against every one of them, of one process at one time."""

import argparse
import time
from contextlib import ExitStack
from typing import NamedTuple

from scripts.bench.real_loads import LOADS
from tests.kernel.harness import Tracer
from tests.kernel.pictures import Picture

_TOP = 10
_BUDGETS = {4: 10_000.0, 64: 0.001}
"""Of a percent of a processor: what leads to the first level of sampling, and to the last."""


class Found(NamedTuple):
    """Of one run: how many of the largest sites are inside, of how many; and the same of the totals."""

    inside: int
    sites: int
    total_inside: bool
    relative_error: float


def main() -> int:
    given = _arguments()
    print(
        f"{given.runs} runs of {given.seconds:g} s each; 95 % of the estimates should be inside\n"
    )
    print("program   scale   top sites inside        totals inside   ± of totals")
    worst = 1.0
    for name in given.only or LOADS:
        for scale in given.scales:
            found = [_run(name, scale, given.seconds) for _ in range(given.runs)]
            inside, sites = sum(one.inside for one in found), sum(one.sites for one in found)
            totals = sum(one.total_inside for one in found)
            error = sorted(one.relative_error for one in found)[len(found) // 2]
            worst = min(worst, inside / max(sites, 1))
            print(
                f"{name:9} 1:{scale:<5} {inside:4} of {sites:4} = {inside / max(sites, 1):6.1%}"
                f"    {totals:3} of {len(found):3}        {error:6.1%}",
                flush=True,
            )
    return 0 if worst >= given.least else 1


def _run(name: str, scale: int, seconds: float) -> Found:
    with ExitStack() as opened:
        load = opened.enter_context(LOADS[name](opened))
        time.sleep(1.0)
        full = opened.enter_context(Tracer(load.pid, options=("--top", 0), interval=1.0))
        options = ("--top", 0, "--mode", "sample", "--budget", _BUDGETS[scale])
        sample = opened.enter_context(Tracer(load.pid, options=options, interval=1.0))
        load.start()
        time.sleep(seconds)
        load.stop()
        time.sleep(1.0)
        truth, estimate = full.finish().final, sample.finish().final
    assert estimate.raw["scale"] == scale, estimate.raw["mode_changes"]
    return _compared(truth, estimate)


def _compared(truth: Picture, estimate: Picture) -> Found:
    def key(site: dict[str, object]) -> str:
        return str(site["id"]).partition("-")[2]

    true = {key(site): site["bytes"] for site in truth.raw["sites"] if not site["adopted_blocks"]}
    adopted = {key(site) for site in truth.raw["sites"] if site["adopted_blocks"]}
    largest = sorted(estimate.raw["sites"], key=lambda site: -site["bytes"])[:_TOP]
    inside = sites = 0
    for site in largest:
        # What is not held when it is resized is adopted by the one, and not by the other.
        if site["family"] == "mmap" or not site["bytes"] or key(site) in adopted:
            continue
        sites += 1
        inside += abs(true.get(key(site), 0) - site["bytes"]) <= site["error_bytes"]
    off = estimate.raw["totals"]["error_bytes"]
    difference = abs(estimate.held[1] - truth.held[1])
    return Found(inside, sites, difference <= off, off / max(estimate.held[1], 1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/estimates", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--scales", type=int, nargs="+", choices=sorted(_BUDGETS), default=[4, 64])
    parser.add_argument("--only", nargs="+", choices=sorted(LOADS))
    parser.add_argument("--least", type=float, default=0.9, help="share that has to be inside")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
