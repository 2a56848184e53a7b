import pytest

from ebpftrace.kernel import sources
from scripts.bench.families import Subject, compared
from scripts.bench.tracers import TracerFailed
from scripts.bench.variants import VARIANTS, WALKS
from scripts.bench.warm_up import Count, percent_cut
from scripts.bench.wholeness import check_loop


@pytest.mark.parametrize(
    "variant", dict.fromkeys((*VARIANTS, *WALKS)), ids=lambda variant: variant.name
)
def test_every_variant_of_the_kernel_side_still_fits_it(variant):
    changed = variant.applied(sources.flatten()) != sources.flatten()
    assert changed == bool(variant.replaced)


def picture(born=0, cut=0, depth=10, complete=True, site="1"):
    names = ["pairs", *["descend"] * depth, "run_at", "main", None, "__libc_start_main", "_start"]
    counts = {"allocated_blocks": born, "adopted_blocks": 0}
    frames = [{"function": name} for name in names]
    losses = dict.fromkeys(("stack_cut", "stack_guessed", "stack_truncated"), 0)
    return {
        "totals": counts,
        "losses": {**losses, "stack_unreadable": cut},
        "sites": [{"id": site, "complete": complete, "frames": frames, **counts}],
    }


def test_whole_stacks_of_the_expected_depth_pass():
    check_loop(picture(5), picture(50), (1, 10))


def test_what_was_cut_before_the_first_picture_does_not_count():
    check_loop(picture(5, cut=5), picture(50, cut=5), (10,))


@pytest.mark.parametrize(
    "after",
    [
        picture(50, cut=1),
        picture(50, complete=False),
        picture(50, depth=9),
        picture(5),
    ],
    ids=["cut", "incomplete", "of another depth", "none"],
)
def test_stacks_that_are_not_the_whole_loop_end_the_measurement(after):
    with pytest.raises(TracerFailed):
        check_loop(picture(5), after, (10,))


def test_a_window_between_pictures_gets_its_share_by_the_worse_account():
    counts = [Count(0, 0, 0, 0), Count(0.2, 200, 20, 10), Count(1.0, 1000, 20, 90)]
    assert percent_cut(counts, 0.0, 0.1) == pytest.approx(10)
    assert percent_cut(counts, 0.2, 1.0) == pytest.approx(10)


def test_a_window_without_allocations_has_no_share():
    assert percent_cut([Count(0, 5, 0, 0), Count(2, 5, 0, 0)], 0.5, 1.0) is None


def test_a_window_after_the_last_picture_is_no_measurement():
    with pytest.raises(TracerFailed):
        percent_cut([Count(0, 0, 0, 0), Count(1, 5, 0, 0)], 1.0, 2.0)


def test_a_family_is_compared_with_glibc_form_by_form_and_round_by_round():
    subjects = (Subject("glibc", "glibc"), Subject("musl", "musl", forms=(1,)))
    glibc = {2: (20.0, 2020.0), 3: (20.0, 2020.0)}
    rounds = [
        {"glibc": glibc | {1: (10.0, 1010.0)}, "musl": {1: (100.0, 1600.0)}},
        {"glibc": glibc | {1: (10.0, 2010.0)}, "musl": {1: (100.0, 2500.0)}},
    ]
    found = list(compared(subjects, rounds))
    assert [(one.subject.name, one.form) for one in found] == [
        ("glibc", 1),
        ("glibc", 2),
        ("glibc", 3),
        ("musl", 1),
    ]
    musl = found[-1]
    assert musl.added == (1500.0, 2400.0)
    assert musl.ratio is not None
    assert [musl.ratio.least, musl.ratio.most] == pytest.approx([1.2, 1.5])
