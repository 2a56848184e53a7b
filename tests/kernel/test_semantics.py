"""What a call does to the totals: realloc in all its outcomes, failures, adoption, what nests.

The known answers are in the header comments of the workloads.
"""

from collections.abc import Iterator

import pytest

from tests.kernel.harness import Ended, Tracer, Workload
from tests.kernel.pictures import Picture

Counts = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
COUNT = 100  # blocks a thread in the phases with threads


def counts(picture: Picture) -> Counts:
    """Allocated, freed and live, each as blocks and bytes."""
    return picture.allocated, picture.freed, picture.held


@pytest.fixture(scope="module")
def realloc() -> Iterator[list[Picture]]:
    """The picture after each phase of `realloc_cases`; index 0 is the one at attach."""
    with Workload("realloc_cases", COUNT) as target, Tracer(target) as tracer:
        pictures = [tracer.first]
        for _ in range(8):
            target.phases()
            pictures.append(tracer.settled())
        yield [*pictures, tracer.finish().final]


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_nothing_is_counted_before_the_first_call(realloc: list[Picture]):
    assert counts(realloc[0]) == ((0, 0), (0, 0), (0, 0))


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_failed_realloc_keeps_the_old_block(realloc: list[Picture]):
    assert counts(realloc[1]) == ((1, 1000), (0, 0), (1, 1000))
    assert realloc[1].site("keep_on_failure", "malloc").held == (1, 1000)


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_realloc_to_zero_frees_the_block(realloc: list[Picture]):
    assert counts(realloc[2]) == ((2, 3000), (1, 2000), (1, 1000))
    assert realloc[2].site("to_zero", "malloc").freed == (1, 2000)


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_realloc_of_null_to_zero_is_a_live_block_of_no_bytes(realloc: list[Picture]):
    assert counts(realloc[3]) == ((3, 3000), (1, 2000), (2, 1000))
    assert realloc[3].site("null_to_zero").held == (1, 0)


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_reallocarray_moves_the_block_to_its_own_site(realloc: list[Picture]):
    assert counts(realloc[4]) == ((5, 3900), (2, 2300), (3, 1600))
    assert realloc[4].site("new_array").freed == (1, 300)
    grown = realloc[4].site("grow_array")
    assert (grown.held, grown.allocator) == ((1, 600), "reallocarray")


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_failed_reallocarray_changes_nothing_even_if_its_product_wraps_to_zero(
    realloc: list[Picture],
):
    assert counts(realloc[5]) == counts(realloc[4])
    assert realloc[5].site("grow_array").held == (1, 600)


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_block_belongs_to_its_last_resize(realloc: list[Picture]):
    assert counts(realloc[6]) == ((8, 104_050), (4, 102_400), (4, 1650))
    assert realloc[6].site("grow").held == (0, 0)
    assert realloc[6].site("shrink").held == (1, 50)


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_realloc_by_another_thread_moves_the_block(realloc: list[Picture]):
    before, after = realloc[6], realloc[7]
    assert after.allocated[0] - before.allocated[0] == 8 * COUNT
    assert after.allocated[1] - before.allocated[1] == 768 * COUNT
    assert after.freed[0] - before.freed[0] == 6 * COUNT
    assert after.freed[1] - before.freed[1] == 512 * COUNT
    assert after.held_in("fill") == (0, 0)
    assert after.held_in("grow_neighbours") == (2 * COUNT, 256 * COUNT)


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_an_address_let_go_by_a_realloc_may_be_given_to_another_thread_at_once(
    realloc: list[Picture],
):
    before, after = realloc[7], realloc[8]
    assert after.held == before.held
    assert after.allocated[0] - before.allocated[0] == 8 * COUNT
    assert after.freed[1] - before.freed[1] == 16_800 * COUNT
    assert after.held_in("race") == (0, 0)


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_no_realloc_is_a_loss(realloc: list[Picture]):
    assert realloc[-1].faults == {}
    assert realloc[-1].loss("unmatched_free") == 0
    assert counts(realloc[-1]) == counts(realloc[8])


def test_threads_that_resize_in_one_arena_stay_exact():
    # The race needs many rounds to be met: what one thread lets go of, another is given.
    with Workload("realloc_cases", 20_000) as target, Tracer(target) as tracer:
        target.phases(8)
        final = tracer.finish().final
    assert final.allocated == (8 + 16 * 20_000, 104_050 + 17_568 * 20_000)
    assert final.held == (4 + 2 * 20_000, 1650 + 256 * 20_000)
    assert final.faults == {}


@pytest.fixture(scope="module")
def failures() -> Iterator[Ended]:
    with Workload("failures") as target, Tracer(target) as tracer:
        target.phases(3)
        yield tracer.finish()


def test_failed_calls_and_frees_of_null_record_nothing(failures: Ended):
    assert counts(failures.final) == ((0, 0), (0, 0), (0, 0))
    assert failures.final.sites == []


def test_failed_calls_are_no_loss(failures: Ended):
    assert failures.final.faults == {}
    assert failures.final.loss("unmatched_free") == 0


@pytest.fixture(scope="module")
def pre_attach() -> Iterator[list[Picture]]:
    with Workload("pre_attach") as target, Tracer(target) as tracer:
        pictures = [tracer.first]
        for _ in range(5):
            target.phases()
            pictures.append(tracer.settled())
        yield pictures


def test_a_free_of_a_block_from_before_attach_is_a_fact_and_no_error(pre_attach: list[Picture]):
    assert pre_attach[1].loss("unmatched_free") == 1
    assert counts(pre_attach[1]) == ((0, 0), (0, 0), (0, 0))
    assert pre_attach[1].faults == {}


def test_a_realloc_of_a_block_from_before_attach_adopts_it(pre_attach: list[Picture]):
    assert pre_attach[2].adopted == pre_attach[2].held == (1, 5000)
    assert pre_attach[2].allocated == (0, 0)
    assert pre_attach[2].site("adopt_one").adopted == (1, 5000)
    assert pre_attach[2].loss("unmatched_free") == 1


def test_an_adopted_block_is_left_out_of_growth(pre_attach: list[Picture]):
    assert not pre_attach[2].site("adopt_one").raw["growth_bytes_per_s"]


def test_a_free_of_an_adopted_block_is_counted(pre_attach: list[Picture]):
    assert pre_attach[3].held == (0, 0)
    assert pre_attach[3].freed == (1, 5000)
    assert pre_attach[3].loss("unmatched_free") == 1


def test_adopted_and_fresh_blocks_add_up(pre_attach: list[Picture]):
    assert pre_attach[4].held == (2, 2300)
    assert pre_attach[4].adopted == (2, 7000)
    assert pre_attach[4].allocated == (1, 300)
    assert pre_attach[4].loss("unmatched_free") == 3


def test_a_realloc_to_zero_of_a_block_from_before_attach_leaves_the_rest(
    pre_attach: list[Picture],
):
    assert counts(pre_attach[5]) == counts(pre_attach[4])
    assert pre_attach[5].adopted == (2, 7000)
    assert pre_attach[5].faults == {}


def test_a_large_malloc_and_a_strdup_count_once():
    with Workload("big_and_strdup") as target, Tracer(target) as tracer:
        target.phases()
        big = tracer.settled()
        target.phases()
        both = tracer.settled()
        target.phases()
        ended = tracer.finish()
    assert counts(big) == ((1, 300_000), (0, 0), (1, 300_000))
    assert big.site("big_block").held == (1, 300_000)
    assert counts(both) == ((2, 300_100), (0, 0), (2, 300_100))
    assert counts(ended.final) == ((2, 300_100), (2, 300_100), (0, 0))


@pytest.fixture(scope="module")
def wrapped() -> Iterator[Picture]:
    with Workload("nested_wrapper", preload="libwrap.so") as target, Tracer(target) as tracer:
        target.phases()
        yield tracer.finish().final


def test_the_outermost_call_owns_the_block(wrapped: Picture):
    assert counts(wrapped) == ((18, 2970), (6, 270), (12, 2700))
    assert wrapped.site("leak_through_wrapper").held == (10, 1000)
    assert wrapped.site("calloc_through_wrapper").held == (1, 1000)
    assert wrapped.site("grow_through_wrapper").held == (1, 700)
    assert wrapped.site("small_through_wrapper").held == (0, 0)


def test_inner_calls_are_counted_as_nested(wrapped: Picture):
    assert wrapped.loss("nested") == 18


def test_frees_by_an_allocator_are_not_unmatched(wrapped: Picture):
    assert wrapped.loss("nested_free") == 5
    assert wrapped.loss("unmatched_free") == 0


def test_wrapped_calls_are_no_loss(wrapped: Picture):
    assert wrapped.faults == {}
