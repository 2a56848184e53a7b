"""What is said of frames, and of how whole the stacks of a picture are."""

from dataclasses import replace

import pytest

from ebpftrace.analysis import wording
from ebpftrace.analysis.trend import TOO_EARLY, Trend
from ebpftrace.model.ids import StackId
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import Counts
from ebpftrace.unwind.rules import End
from tests.unit.builders import frame, picture, site

PUT = "app::Cache<double>::put(double const&)"


def lossy(allocated: int = 100, adopted: int = 0, depth: int = 127, **losses: int):
    """A picture after so many allocations, of which these were lost or cut."""
    totals = Counts(allocated, 10 * allocated, 0, 0, adopted, 10 * adopted)
    return picture(totals=totals, losses=Losses(losses), stack_depth=depth)


@pytest.mark.parametrize(
    "part, whole, said",
    [
        (0, 0, "0 %"),
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (1, 2, "50.00 %"),
        (1, 3, "33.33 %"),
        (2, 3, "66.67 %"),
        (1, 10_000, "0.01 %"),
        (1, 10**9, "0.01 %"),
        (10**9 - 1, 10**9, "99.99 %"),
        (9_999, 10_000, "99.99 %"),
        (6, 5, "99.99 %"),
    ],
)
def test_a_percentage_is_all_or_nothing_only_where_it_is(part, whole, said):
    assert wording.percent(part, whole) == said


def test_what_is_neither_guessed_nor_cut_nor_too_deep_is_whole():
    losses = {"stack_guessed": 5, "stack_truncated": 3, "stack_cut": 2}
    assert lossy(90, adopted=10, depth=96, **losses).stacks == (96, 100, 90, 5, 3, 2)


def test_stacks_are_held_against_those_that_were_walked_and_not_what_they_stand_for():
    shown = replace(lossy(100, stack_cut=5), unseen=75)
    assert shown.stacks == (127, 25, 20, 0, 0, 5)
    assert wording.stacks(shown) == "80.00 % whole, 20.00 % cut short"


@pytest.mark.parametrize("name", ["stack_cut", "stack_unreadable", "stacks_full"])
def test_a_stack_that_was_not_kept_counts_as_cut(name):
    stacks = lossy(10, **{name: 4}).stacks
    assert (stacks.cut, stacks.whole) == (4, 6)


@pytest.mark.parametrize("name", ["filtered", "missed_free", "rules_full", "blocks_full"])
def test_other_losses_are_no_matter_of_stacks(name):
    assert lossy(10, **{name: 4}).stacks.whole == 10


def test_losses_that_are_ahead_of_the_allocations_leave_none_whole():
    stacks = lossy(3, stack_cut=5).stacks
    assert (stacks.whole, stacks.allocations) == (0, 3)


def test_before_the_first_allocation_there_is_no_percentage():
    assert wording.stacks(picture()) == "no stack yet"


def test_where_all_stacks_are_whole_nothing_else_is_said():
    assert wording.stacks(lossy()) == "100 % whole"


@pytest.mark.parametrize(
    "loss, said",
    [
        ("stack_guessed", "75.00 % whole, 25.00 % guessed"),
        ("stack_truncated", "75.00 % whole, 25.00 % deeper than 96 frames"),
        ("stack_cut", "75.00 % whole, 25.00 % cut short"),
    ],
)
def test_each_reason_why_a_stack_is_not_whole_is_named_with_its_share(loss, said):
    assert wording.stacks(lossy(4, depth=96, **{loss: 1})) == said


def test_a_single_stack_that_is_not_whole_is_on_the_screen():
    assert wording.stacks(lossy(10**6, stack_cut=1)) == "99.99 % whole, 0.01 % cut short"
    assert wording.stacks(lossy(5, stack_cut=5)) == "0 % whole, 100 % cut short"


def test_a_whole_and_certain_stack_ends_without_a_word():
    assert wording.stack_end(site(complete=True, guessed=False, end="outermost")) is None


def test_a_whole_stack_that_rests_on_a_guess_says_so():
    said = wording.stack_end(site(complete=True, guessed=True, end="outermost"))
    assert said == "(guessed: some code has no unwind information)"


def test_every_other_end_of_a_walk_has_a_reason_of_its_own():
    ends = [end.name.lower() for end in End if end != End.OUTERMOST]
    said = [str(wording.stack_end(site(complete=False, guessed=True, end=end))) for end in ends]
    assert len(set(said)) == len(ends)
    assert all(one.startswith("…") and "the stack ends early" not in one for one in said)


def test_an_end_of_later_years_is_an_end():
    for end in (None, "paused"):
        assert wording.stack_end(site(complete=False, end=end)) == "…  (the stack ends early)"


def test_a_stack_that_is_not_kept_and_one_that_has_not_come_are_told_apart():
    assert wording.stack_end(site(stack=StackId(0), frames=())) == "(stack not kept)"
    assert wording.stack_end(site(frames=(), complete=False)) == "(stack not here yet)"


@pytest.mark.parametrize(
    "given, said",
    [
        ({"file": "/src/a/cache.cpp", "line": 42}, "app::Cache<…>::put cache.cpp:42"),
        ({"file": "/src/a/cache.cpp"}, "app::Cache<…>::put cache.cpp"),
        ({"file": "cache.cpp", "line": 0}, "app::Cache<…>::put cache.cpp"),
        ({"module": "/usr/lib/libapp.so.1"}, "app::Cache<…>::put [libapp.so.1]"),
        ({"module": None}, "app::Cache<…>::put"),
    ],
)
def test_a_title_ends_with_the_line_or_else_the_module(given, said):
    assert wording.title(frame(PUT, **given)) == said


def test_code_without_a_name_has_its_offset_for_a_title():
    assert wording.title(frame(None)) == "0x1234 [app]"
    assert wording.title(frame(None, offset=None, module=None)) == "0x401234"


def test_a_line_of_a_stack_has_the_whole_name_and_path():
    one = frame(PUT, file="/src/cache.cpp", line=42, column=3, inlined=True)
    assert wording.place(one) == f"{PUT}  /src/cache.cpp:42  [app]  (inlined)"


MIB = 1 << 20


@pytest.mark.parametrize(
    "rates, said",
    [
        ((1.2, 1.1, 1.4), "growing +1.2 MiB/min (1.1 to 1.4)"),
        ((1.2, 0.5, 2048.0), "growing +1.2 MiB/min (512 KiB to 2.0 GiB)"),
        ((1e-9, 1e-9, 1e-9), "growing +0 B/min (0 to 0)"),
    ],
)
def test_a_growth_is_said_per_minute_with_its_interval(rates, said):
    assert wording.trend(Trend("growing", *(MIB * one / 60 for one in rates))) == said


@pytest.mark.parametrize("word", ["levelling off", "steady", "churning"])
def test_a_rate_that_may_be_none_is_not_said(word):
    assert wording.trend(Trend(word, 5.0, 0.0, 9.0)) == word


def test_what_levels_off_says_what_is_left_of_its_growth():
    assert wording.trend(Trend("levelling off", 2.0, 1.0, 3.0)) == (
        "levelling off +120 B/min (60 to 180)"
    )


def test_before_there_is_a_trend_it_is_too_early():
    assert wording.trend(TOO_EARLY) == "too early to say"


def test_a_rate_per_minute_has_a_sign():
    assert wording.per_minute(-20.0) == "-1.2 KiB/min"
    assert wording.per_minute(0.0) == "+0 B/min"
