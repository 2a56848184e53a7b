"""Sites taken together, and what is kept of that from one picture to the next."""

import time
from unittest.mock import Mock

import pytest

from ebpftrace.analysis.grouping import BYS, Grouping
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.wording import leading
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.picture import Counts
from tests.unit.builders import counts, frame, picture, site, target

RULES = Rules.standard()
LIBC = "/lib/libc.so.6"


def fold(by, *sites, **given):
    return Grouping(by, RULES).fold(picture(*sites, **given))


def titles(by, *sites, **given):
    return [group.title for group in fold(by, *sites, **given)]


def stack(*functions, **given):
    return site(functions[0], frames=tuple(frame(one) for one in functions), **given)


def test_a_group_holds_what_its_sites_hold_together():
    (group,) = fold(
        "allocator",
        site("f", counts=Counts(9, 900, 4, 400, 1, 10), oldest_at=5.0, growth=1.5),
        site("g", counts=Counts(1, 100, 0, 0, 0, 0), oldest_at=0.0, growth=2.0),
    )
    assert group.counts == Counts(10, 1000, 4, 400, 1, 10)
    assert (group.oldest_at, group.growth, list(group.sites)) == (0.0, 3.5, [0, 1])


@pytest.mark.parametrize("many", [3, 1000])
def test_what_is_not_known_of_a_site_is_left_out_of_its_group(many):
    known = [site(oldest_at=7.0, growth=2.0)] * many
    (group,) = fold("allocator", *known, site(oldest_at=None, growth=None))
    assert (group.oldest_at, group.growth) == (7.0, 2.0 * many)
    assert group.counts.blocks == many + 1
    (group,) = fold("allocator", *[site(oldest_at=None, growth=None)] * many)
    assert (group.oldest_at, group.growth) == (None, None)


def test_a_function_is_the_one_to_blame_whatever_line_it_is_at():
    put = "app::Cache<int>::put(int)"
    there = {"file": "/src/cache.cpp", "module": "/srv/app"}
    one = site(frames=(frame("malloc", module=LIBC), frame(put, line=4, **there)))
    two = site(frames=(frame("operator new(unsigned long)"), frame(put, line=9, **there)))
    (group,) = fold("function", one, two)
    assert group.title == "app::Cache<…>::put [app]"


def test_functions_of_one_name_in_two_modules_are_two():
    sites = [site(frames=(frame("init", module=name),)) for name in ("/a/x.so", "/b/x.so")]
    groups = fold("function", *sites)
    assert [group.title for group in groups] == ["init [x.so]", "init [x.so]"]
    assert groups[0].key != groups[1].key
    assert titles("module", *sites) == ["x.so", "x.so"]


def test_code_without_a_name_is_told_apart_by_where_it_lies():
    sites = [site(frames=(frame(None, offset=offset),)) for offset in (16, 32, 16)]
    assert titles("function", *sites) == ["0x10 [app]", "0x20 [app]"]


@pytest.mark.parametrize("by", ["function", "module"])
def test_sites_without_a_stack_are_grouped_by_why(by):
    sites = [site(frames=()), site(frames=(), stack=StackId(0)), site(frames=())]
    assert titles(by, *sites) == ["(stack not here yet)", "(stack not kept)"]


def test_where_all_frames_are_skipped_the_first_with_a_name_stands_for_them():
    rules = RULES.with_skipped(["."])
    groups = Grouping("function", rules).fold(picture(stack("f", "g")))
    assert groups[0].title == "f [app]"


def test_a_process_is_named_by_its_comm_and_two_programs_of_a_pid_are_two():
    sites = [site("f", slot=Slot(1)), site("g", slot=Slot(2)), site("h", pid=Pid(9))]
    targets = (target(comm="sh", ended="exec"), target(comm="app", slot=Slot(2)))
    assert titles("process", *sites, targets=targets) == [
        "sh (pid 42), replaced by exec",
        "app (pid 42)",
        "pid 9",
    ]


def test_a_process_that_renames_itself_keeps_its_key():
    grouping = Grouping("process", RULES)
    (before,) = grouping.fold(picture(site()))
    (after,) = grouping.fold(picture(site(), targets=(target(comm="[/x]"),)))
    assert (before.key, after.title) == (after.key, "[/x] (pid 42)")


def test_an_allocator_is_its_family_and_the_function_that_was_called():
    unknown = site(family=None, allocator=None, frames=())
    sites = [site(), site(family="jemalloc"), site(allocator="calloc"), unknown]
    assert titles("allocator", *sites) == [
        "malloc (glibc)",
        "malloc (jemalloc)",
        "calloc (glibc)",
        "(stack not here yet)",
    ]


def test_a_second_picture_looks_at_no_stack_again(monkeypatch):
    looked = Mock(side_effect=leading)
    monkeypatch.setattr("ebpftrace.analysis.grouping.leading", looked)
    grouping = Grouping("function", RULES)
    before = site("f")
    grouping.fold(picture(before))
    (group,) = grouping.fold(picture(before._replace(counts=counts(blocks=8))))
    assert (looked.call_count, group.counts.blocks) == (1, 8)


def test_what_is_learned_about_a_stack_moves_its_site():
    grouping = Grouping("function", RULES)
    assert grouping.fold(picture(site("f"), site(frames=())))[1].title == "(stack not here yet)"
    groups = grouping.fold(picture(site("f"), site("f")))
    assert [list(group.sites) for group in groups] == [[0, 1]]


@pytest.mark.parametrize("gone", range(4))
def test_a_site_that_was_merged_away_leaves_the_others_in_their_groups(gone):
    sites = [site(name) for name in "abab"]
    grouping = Grouping("function", RULES)
    grouping.fold(picture(*sites))
    left = [*sites[:gone], *sites[gone + 1 :], site("b"), site("c")]
    after = {group.key: list(group.sites) for group in grouping.fold(picture(*left))}
    assert after == {group.key: list(group.sites) for group in fold("function", *left)}


@pytest.mark.parametrize("by", BYS)
def test_a_picture_without_sites_has_no_groups(by):
    assert fold(by) == ()


def test_names_of_any_length_and_kind_make_groups():
    names = ["", "x" * 100_000, "[/usr/lib]", "<<<" * 1000, "名前", "e\u0301"]
    sites = [site(name, frames=(frame(name, module=name),)) for name in names]
    for by in ("function", "module"):
        assert len(fold(by, *sites)) == len(names)


def test_ten_thousand_sites_that_all_changed_are_folded_in_no_time():
    sites = [stack(f"f{n % 500}", "main") for n in range(10_000)]
    grouping = Grouping("function", RULES)
    grouping.fold(picture(*sites))
    changed = picture(*(one._replace(counts=counts(blocks=2)) for one in sites))
    started = time.thread_time()
    grouping.fold(changed)
    assert time.thread_time() - started < 0.1
