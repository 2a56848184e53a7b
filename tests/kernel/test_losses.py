"""What does not fit is counted under its name, and the totals of what did fit stay true."""

import pytest

from tests.kernel.harness import Tracer, Workload

SITES, EACH = 200, 5
BLOCKS = SITES * EACH


def test_blocks_without_room_are_not_counted_and_the_loss_says_how_many():
    with (
        Workload("many_sites", SITES, EACH) as target,
        Tracer(target, options=("--max-blocks", "100", "--top", 0)) as tool,
    ):
        target.phases()
        final = tool.finish().final
    assert final.loss("blocks_full") > 0
    assert final.allocated[0] + final.loss("blocks_full") == BLOCKS
    assert final.held[0] == final.allocated[0]
    assert list(final.faults) == ["blocks_full"]


def test_stacks_without_room_cost_the_site_and_not_the_block():
    with (
        Workload("many_sites", SITES, EACH) as target,
        Tracer(target, options=("--max-stacks", "20", "--top", 0)) as tool,
    ):
        target.phases()
        tool.settled()  # in the first phase each walk may meet no rule, and goes by its own ticket
        target.phases()
        final = tool.finish().final
    assert final.held == (2 * BLOCKS, 128 * BLOCKS)
    named = [site for site in final.sites if site.functions]
    lumped = [site for site in final.sites if not site.functions]
    assert len(lumped) == 1
    assert final.loss("stacks_full") == lumped[0].held[0] > 0
    assert sum(site.held[0] for site in (*named, *lumped)) == 2 * BLOCKS


@pytest.mark.parametrize("depth", [1, 8])
def test_a_cut_stack_is_counted_and_its_site_is_not_complete(depth: int):
    options = ("--stack-depth", depth, "--top", 0)
    with Workload("many_sites", SITES, EACH) as target, Tracer(target, options=options) as tool:
        target.phases()
        final = tool.finish().final
    assert final.held == (BLOCKS, 64 * BLOCKS)
    assert final.loss("stack_truncated") == BLOCKS
    called = [[frame for frame in site.frames if not frame["inlined"]] for site in final.sites]
    assert {len(frames) for frames in called} == {depth}


def test_a_filter_in_the_kernel_is_counted_and_named():
    with (
        Workload("many_sites", SITES, EACH) as target,
        Tracer(target, options=("--min-size", "65", "--top", 0)) as tool,
    ):
        target.phases()
        final = tool.finish().final
    assert final.held == (0, 0)
    assert final.loss("filtered") == BLOCKS
    assert final.faults == {}
