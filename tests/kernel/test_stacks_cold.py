"""The first moments, in which no unwind rule is known: every picture adds up, and no block is lost or moved.

The chains and the known answer are in the header comment of tests/workloads/cold_start.c.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.kernel.harness import Tracer, Workload
from tests.kernel.pictures import Picture, Site
from tests.kernel.stacks import assert_whole

CHAINS = 768
SIZES = [16 + chain % 50 for chain in range(CHAINS)]
BYTES = sum(SIZES)
BYTES_OF_EVEN = sum(SIZES[::2])
JOINED_S = 2.5  # a second after the last birth, looked for once a second
UNITS = ("blocks", "bytes")


def callers(chain: int) -> tuple[str, ...]:
    digits = (chain % 64, chain // 64, 7 * chain % 64, (13 * chain + chain // 64) % 64)
    names = [f"{bank}_{digit:02o}" for bank, digit in zip("abcd", digits, strict=True)]
    return ("leak_cold", *reversed(names), "run_chains", "main")


@dataclass
class Watch:
    """Every picture of a watch, and the first one begun after the end of each phase."""

    pictures: list[Picture]
    after: list[Picture]


def read_settled(tracer: Tracer, pictures: list[Picture]) -> Picture:
    """The picture when stumps were joined, some seconds on, keeping what is read on the way."""
    while tracer.out.lines.qsize():
        pictures.append(tracer.picture())
    end = tracer.picture().raw["since_attach_s"] + JOINED_S
    while pictures[-1].raw["since_attach_s"] < end:
        pictures.append(tracer.picture())
    return pictures[-1]


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    with (
        Workload("cold_start") as target,
        Tracer(target, options=("--top", 0), interval=0.1) as tracer,
    ):
        found = Watch([tracer.first], [])
        for _ in range(3):
            target.phases()
            found.after.append(read_settled(tracer, found.pictures))
        found.pictures.append(tracer.finish().final)
        yield found


def test_the_totals_are_the_known_answer_whatever_became_of_the_stacks(watch: Watch):
    first, second, third = watch.after
    assert (first.allocated, first.freed) == ((3 * CHAINS, 3 * BYTES), (CHAINS, BYTES))
    freed = (CHAINS + CHAINS // 2, BYTES + BYTES_OF_EVEN)
    assert (second.allocated, second.freed) == (first.allocated, freed)
    assert (third.allocated, third.freed) == ((6 * CHAINS, 6 * BYTES), freed)
    assert watch.pictures[-1].held == third.held
    assert [picture.faults for picture in watch.pictures if picture.faults] == []


def test_every_picture_adds_up(watch: Watch):
    for picture in watch.pictures:
        totals = picture.raw["totals"]
        for unit, part in itertools.product(UNITS, ("", "allocated_", "freed_")):
            summed = sum(site.raw[part + unit] for site in picture.sites)
            assert summed == totals[part + unit]
        for counts in (totals, *(site.raw for site in picture.sites)):
            for unit in UNITS:
                assert counts[unit] == counts[f"allocated_{unit}"] - counts[f"freed_{unit}"] >= 0


def test_no_block_counts_twice_on_the_way(watch: Watch):
    for picture in watch.pictures:
        assert picture.allocated[0] <= 6 * CHAINS
        assert picture.held[0] <= watch.pictures[-1].held[0]
    for early in watch.pictures[: watch.pictures.index(watch.after[0])]:
        assert early.allocated <= watch.after[0].allocated
        assert early.freed <= watch.after[0].freed


def test_no_counter_of_a_site_goes_back(watch: Watch):
    for earlier, later in itertools.pairwise(watch.pictures):
        before = {site.raw["id"]: site for site in earlier.sites}
        assert (later.allocated, later.freed) >= (earlier.allocated, earlier.freed)
        for site in later.sites:
            if was := before.get(site.raw["id"]):
                for now, then in ((site.allocated, was.allocated), (site.freed, was.freed)):
                    assert now[0] >= then[0]
                    assert now[1] >= then[1]


def by_chain(picture: Picture) -> dict[tuple[str, ...], Site]:
    found = {tuple(site.functions[:7]): site for site in picture.sites}
    assert len(found) == len(picture.sites)
    return found


def test_in_the_end_every_chain_is_one_whole_stack(watch: Watch):
    sites = by_chain(watch.pictures[-1])
    assert sites.keys() == {callers(chain) for chain in range(CHAINS)}
    for names, site in sites.items():
        assert_whole(site, *names)


def test_a_block_freed_before_its_stack_was_known_leaves_the_right_site(watch: Watch):
    sites = by_chain(watch.pictures[-1])
    for chain, size in enumerate(SIZES):
        site, freed = sites[callers(chain)], 2 - chain % 2
        assert site.allocated == (6, 6 * size)
        assert site.freed == (freed, freed * size)
