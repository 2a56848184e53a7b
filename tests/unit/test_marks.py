"""What grew since a moment, whatever happened to the sites."""

import pytest

from ebpftrace.analysis.marks import Mark, Marks
from ebpftrace.model.picture import Cohort, Counts
from tests.unit.builders import counts, picture, site


def named(name, blocks=1, size=100, **given):
    return site(name, id=name, counts=counts(blocks, size), **given)


def held(sites, at=12.0):
    """A picture of sites that are given as {name: bytes}."""
    return picture(*(named(name, size=size) for name, size in sites.items()), since_attach_s=at)


def since(mark, shown):
    """The bytes that each site holds more than at the mark, by name."""
    return {
        one.at.id: mark.since(one, index, shown).counts.bytes
        for index, one in enumerate(shown.sites)
    }


def grown(mark, shown):
    return [shown.sites[index].at.id for index in mark.grown(shown)]


def test_counts_are_less_those_at_the_mark():
    mark = Mark("m", picture(site(counts=Counts(10, 1000, 4, 400, 2, 20))))
    now = site(counts=Counts(17, 1700, 5, 500, 2, 20), growth=3.0)
    after = mark.since(now, 0, picture(now))
    assert after.counts == Counts(7, 700, 1, 100, 0, 0)
    assert (after.growth, after.at) == (3.0, now.at)


def test_a_site_that_came_later_is_all_since():
    mark = Mark("m", held({"a": 5}))
    assert since(mark, held({"a": 5, "b": 7})) == {"a": 0, "b": 7}


def test_more_bytes_or_more_blocks_are_growth():
    before = [named("a"), named("b"), named("c"), named("d", blocks=3)]
    now = [named("a", size=101), named("b", blocks=2), named("c"), named("d", size=99)]
    empty = site("e", id="e", counts=counts(blocks=0, size=0, freed=3))
    mark = Mark("m", picture(*before))
    assert grown(mark, picture(*now, empty, named("f"))) == ["a", "b", "f"]


@pytest.mark.parametrize("gone", ["a", "b", "c", "d"])
def test_a_site_that_was_merged_away_leaves_the_others_right(gone):
    before = {"a": 1, "b": 20, "c": 300, "d": 4000}
    mark = Mark("m", held(before))
    left = {name: size + 1 for name, size in before.items() if name != gone}
    for more in ({}, {"e": 9}, {"e": 9, "f": 9}):
        now = {**left, **more}
        expected = {name: now[name] - before.get(name, 0) for name in now}
        assert since(mark, held(now)) == expected
        assert grown(mark, held(now)) == list(now)
    assert grown(mark, held(before | {gone: 5000})) == [gone]


def test_pictures_from_before_the_mark_do_not_confuse_it():
    mark = Mark("m", held({"a": 5, "b": 7}, at=20.0))
    early, late = held({"a": 2}, at=10.0), held({"a": 5, "b": 8, "c": 1}, at=30.0)
    for shown, expected in ((early, []), (late, ["b", "c"]), (early, []), (late, ["b", "c"])):
        assert grown(mark, shown) == expected
    assert since(mark, early) == {"a": -3}


def test_a_mark_on_nothing_takes_everything_as_grown():
    mark = Mark("m", picture())
    assert grown(mark, held({"a": 5})) == ["a"]
    assert since(mark, held({"a": 5})) == {"a": 5}
    assert grown(mark, picture()) == []


@pytest.mark.parametrize(
    "oldest_at, epochs, expected",
    [
        (3.0, (3, 12, 20, 30), 20.0),
        (3.0, (3, 62), 80.0),
        (3.0, (3, 12), None),
        (3.0, (), None),
        (None, (), None),
        (15.0, (), 15.0),
    ],
)
def test_the_oldest_is_of_the_first_epoch_after_the_mark(oldest_at, epochs, expected):
    mark = Mark("m", picture(site(), since_attach_s=12.5))
    cohorts = tuple(Cohort(epoch, 1, 100) for epoch in epochs)
    now = site(oldest_at=oldest_at)._replace(cohorts=cohorts)
    after = mark.since(now, 0, picture(now, since_attach_s=90.0))
    assert (after.oldest_at, after.cohorts) == (expected, cohorts)


def test_numbers_that_no_machine_holds_are_kept():
    mark = Mark("m", held({"a": 1 << 80}))
    assert since(mark, held({"a": (1 << 80) + 1})) == {"a": 1}


def test_marks_have_names_of_their_own_in_the_order_in_which_they_were_set():
    marks = Marks()
    for name in ("deploy", "deploy", "", "deploy", " de\x1b[0m ploy\n"):
        marks.add(name, picture())
    assert marks.names == ("deploy", "deploy 2", "mark", "deploy 3", "de·[0m ploy·")
    assert [mark.name for mark in marks] == list(marks.names)


def test_a_removed_mark_leaves_its_name():
    marks = Marks()
    marks.add("a", held({"x": 1}))
    marks.add("b", picture())
    marks.remove("a")
    assert marks.names == ("b",)
    assert len(marks) == 1
    assert marks.add("a", held({"x": 2})) is marks["a"]
    with pytest.raises(KeyError):
        marks.remove("c")
