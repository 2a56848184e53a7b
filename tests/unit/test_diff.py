"""What changed from picture to picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpftrace.analysis.between import differences, elapsed, same_watch
from ebpftrace.analysis.diff import KINDS, Held, beyond, diff, largest
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.snapshot_builders import snapshot


def holding(**sizes):
    """A site for each function, with as many bytes in one block, none for 0."""
    return picture(*(of(name, size) for name, size in sizes.items()))


def of(name, size, **given):
    code = frame(name, offset=sum(map(ord, name)))
    values = {"frames": (code,), "counts": counts(min(size, 1), size), **given}
    return site(name, **values)


def kinds_of(*pictures):
    return {one.largest.at.frames[0].function: one.kind for one in diff(pictures).changes}


def test_each_site_has_one_of_five_kinds():
    before = holding(a=0, b=100, c=100, d=100, e=100)
    after = holding(a=100, b=200, c=50, d=0, e=100, f=1)
    assert kinds_of(before, after) == {
        "a": "new",
        "b": "grown",
        "c": "shrunk",
        "d": "gone",
        "e": "same",
        "f": "new",
    }


def test_a_site_that_is_missing_is_as_one_that_holds_nothing():
    assert kinds_of(holding(a=100), holding(b=100)) == {"a": "gone", "b": "new"}


def test_sites_that_hold_nothing_are_counted_and_not_listed():
    found = diff([holding(a=0, b=0), holding(a=0)])
    assert (found.changes, found.empty) == ((), 2)


def test_blocks_of_no_bytes_are_something():
    one = picture(of("a", 0, counts=counts(3, 0)))
    assert kinds_of(holding(a=0), one) == {"a": "new"}


def test_counts_that_cannot_be_are_compared_all_the_same():
    less = picture(of("a", 0, counts=counts(-3, -100)), of("b", 5))
    assert kinds_of(less, holding(a=1, b=5)) == {"a": "grown", "b": "same"}
    assert kinds_of(holding(a=1), less) == {"a": "shrunk", "b": "new"}


def test_equal_bytes_in_more_blocks_have_grown():
    one, two = (picture(of("a", 100, counts=counts(blocks, 100))) for blocks in (1, 2))
    assert kinds_of(one, two) == {"a": "grown"}


def test_equal_stacks_of_several_processes_are_summed():
    workers = [of("a", 100, pid=pid, slot=pid, id=f"{pid}-1") for pid in (1, 2, 3)]
    found = diff([picture(*workers[:1]), picture(*workers)])
    (change,) = found.changes
    assert change.held == (Held(100, 1), Held(300, 3))
    assert [len(sites) for sites in change.sites] == [1, 3]


def test_the_stack_that_is_shown_is_of_the_largest_in_the_last_picture_that_holds_any():
    small, large = of("a", 1, pid=1), of("a", 9, pid=2)
    assert diff([picture(of("a", 99)), picture(small, large)]).changes[0].largest is large
    assert diff([picture(small, large), picture()]).changes[0].largest is large


def test_the_kind_is_by_the_first_and_the_last_and_steps_are_counted():
    found = diff([holding(a=1), holding(a=5), holding(a=2), holding(a=3)])
    assert (found.changes[0].kind, found.changes[0].grew_in) == ("grown", 2)


def test_what_came_and_went_in_between_is_the_same():
    assert kinds_of(holding(a=0), holding(a=9), holding(a=0)) == {"a": "same"}


def test_equal_pictures_have_nothing_that_changed():
    found = diff([holding(a=1, b=0), holding(a=1, b=0)])
    assert found.nothing_changed
    assert not diff([holding(a=1, b=2), holding(a=2, b=1)]).nothing_changed


def test_what_no_site_holds_is_unlisted():
    drawn = picture(of("a", 100), totals=counts(3, 150))
    assert diff([holding(a=100), drawn]).unlisted == (Held(0, 0), Held(50, 2))


def test_what_is_hidden_is_in_no_list_and_in_the_totals():
    def hidden(at):
        return "known" if at.frames[0].function == "a" else None

    found = diff([holding(a=100, b=1), holding(a=300, b=2)], hidden)
    assert [one.largest.at.frames[0].function for one in found.changes] == ["b"]
    assert found.hidden["known"].change == Held(200, 0)
    assert found.change == Held(201, 0)
    assert beyond(found, 0).total == 1


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 5)), min_size=2))
def test_kinds_hidden_and_unlisted_are_all_there_is(held):
    pictures = [holding(**sizes) for sizes in held]
    found = diff(pictures, lambda at: "x" if at.frames[0].function in {"a", "b"} else None)
    for number, total in enumerate(found.totals):
        parts = [one.held[number] for one in (*found.kinds.values(), *found.hidden.values())]
        parts.append(found.unlisted[number])
        assert total == tuple(map(sum, zip(*parts, strict=True)))
    assert set(found.kinds) == set(KINDS)
    assert sum(one.sites for one in found.kinds.values()) == len(found.changes)


@pytest.mark.parametrize("sort,first", [("growth", "c"), ("bytes", "a"), ("blocks", "b")])
def test_each_order_has_its_own_first(sort, first):
    before = picture(of("a", 1000), of("b", 10), of("c", 700))
    after = picture(of("a", 1010), of("b", 20, counts=counts(9, 20)), of("c", 100))
    shown = largest(diff([before, after]).changes, sort, 1)
    assert [one.largest.at.frames[0].function for one in shown] == [first]


def test_top_zero_is_all():
    assert len(largest(diff([holding(a=1), holding(b=1)]).changes, "growth", 0)) == 2


def test_a_threshold_is_passed_by_more_than_it_only():
    found = diff([holding(a=0, b=10), holding(a=100, b=0)])
    assert not beyond(found, 100)
    passed = beyond(found, 99)
    assert passed.total is None
    assert [one.change.bytes for one in passed.sites] == [100]
    assert beyond(found, 89).total == 90


# --- between snapshots ----------------------------------------------------------------------------


def at(seconds, **given):
    return snapshot(picture(since_attach_s=seconds), **given)


def said(*snapshots):
    found = diff([one.picture for one in snapshots])
    return "\n".join(differences(snapshots, found.rebuilt))


def test_the_time_between_is_known_within_one_watch_only():
    assert elapsed([at(10.0), at(70.0)]) == 60.0
    assert elapsed([at(10.0, watch="a"), at(70.0, watch="b")]) is None
    assert not same_watch([at(10.0, watch=""), at(70.0, watch="")])


def test_of_different_watches_the_time_of_each_is_said():
    assert "its own attach: 1h 02m and 3h 00m." in said(
        at(3720.0, watch="a"), at(10_800.0, watch="b")
    )


def test_a_wrong_order_is_said_and_has_no_rate():
    assert "not in the order of their time" in said(at(70.0), at(10.0))
    assert elapsed([at(70.0), at(10.0)]) is None
    assert said(at(10.0), at(70.0)) == ""


def test_two_of_one_moment_have_no_rate():
    assert elapsed([at(10.0), at(10.0)]) is None
    assert elapsed([at(0.0), at(1e-300)]) is None


def test_another_build_is_said_with_both_build_ids():
    before, after = (picture(site(frames=(frame(build_id=one),))) for one in ("ab12", "cd34"))
    assert "app was rebuilt (build ids ab12 and cd34)" in said(snapshot(before), snapshot(after))


def test_of_many_rebuilt_modules_a_few_are_named():
    def drawn(build_id):
        frames = [frame(module=f"/lib/lib{n}.so", build_id=build_id) for n in range(60)]
        return snapshot(picture(site(frames=tuple(frames))))

    sentences = said(drawn("ab12"), drawn("cd34"))
    assert sentences.count("was rebuilt") == 5
    assert "55 more modules" in sentences


def test_what_keeps_figures_from_being_compared_is_said():
    one = picture(targets=(target(exe="/a"),), filters=("--min-size 4096",))
    two = picture(targets=(target(exe="/b"),), mode="sample")
    sentences = said(snapshot(one), snapshot(two))
    assert "different programs: /a and /b." in sentences
    assert "different modes: full and sample." in sentences
    assert "different allocations: --min-size 4096 and nothing." in sentences
