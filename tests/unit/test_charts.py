"""Sparks and bars: what a column of the table and the detail of a site draw."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ebpftrace.model.epochs import epoch_at, start_of
from ebpftrace.model.ids import Address, Tid
from ebpftrace.model.picture import Block, Cohort, SiteBlocks, SizeClass
from ebpftrace.tui.bars import age_lines, bar, beside, fitted, half, last_lines, size_lines
from ebpftrace.tui.canvas import _STYLES
from ebpftrace.tui.glyphs import ASCII, UNICODE
from ebpftrace.tui.lines import Role, Span, line
from ebpftrace.tui.spark import held_between, spark, survivors

TIMES = (0.0, 0.4, 7.3, 59.9, 61.0, 605.0, 7190.0, 7201.0, 100_000.0)


def texts(lines):
    return ["".join(span.text for span in one) for one in lines]


def leak(now, bytes_per_s=1000, first=0):
    """What a leak that began with epoch `first` has left at `now`."""
    return tuple(
        Cohort(epoch, 1, round(bytes_per_s * (min(now, start_of(epoch + 1)) - start_of(epoch))))
        for epoch in range(first, epoch_at(now) + 1)
    )


def test_every_role_has_a_style():
    assert set(_STYLES) == set(get_args(Role))


# --- sparks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers()),
    st.integers(min_value=0, max_value=30),
)
def test_a_spark_takes_exactly_its_cells(glyphs, values, width):
    assert cell_len(spark(values, width, glyphs)) == width


def test_a_spark_begins_at_zero_and_shows_what_is_hardly_above():
    assert spark([0, 1, 500, 1000], 4, UNICODE) == " ▁▅█"
    assert spark([0, 1, 500, 1000], 4, ASCII) == " .|#"
    assert spark([0, -5, 0], 3, UNICODE) == "   "


def test_a_spark_shows_peaks_in_fewer_cells_and_steps_in_more():
    assert spark([1, 8, 1, 1], 2, UNICODE) == "█▂"
    assert spark([4, 8], 4, UNICODE) == "▅▅██"


@pytest.mark.parametrize("now", TIMES[2:])
def test_a_leak_is_an_even_row_of_bars(now):
    assert survivors(leak(now), now, 10) == pytest.approx([100 * now] * 10, rel=0.01)


def test_start_up_is_a_bar_at_the_left_and_what_is_in_use_one_at_the_right():
    assert spark(survivors([Cohort(0, 9, 900)], 600.0, 8), 8, UNICODE) == "█       "
    young = [Cohort(epoch_at(599), 9, 900)]
    assert spark(survivors(young, 600.0, 8), 8, UNICODE) == "       █"


def test_a_cohort_is_spread_over_the_parts_that_it_spans():
    # The epoch from 60 s to 70 s, in parts of 5 s.
    assert survivors([Cohort(60, 1, 100)], 100.0, 20)[11:15] == [0, 50, 50, 0]


def test_the_newest_cohort_is_spread_over_what_has_passed_of_its_epoch():
    # Two seconds of the ten have passed, in parts of one second.
    assert survivors([Cohort(60, 1, 100)], 62.0, 62)[-3:] == [0, 50, 50]


@pytest.mark.parametrize("now", [-5.0, 0.0, 30.0])
def test_a_cohort_from_after_now_counts_as_the_last(now):
    assert survivors([Cohort(500, 1, 100)], now, 4) == [0, 0, 0, 100]


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(-5, 1 << 63)), unique_by=lambda one: one[0]
    ),
    st.floats(min_value=-10, max_value=200_000),
    st.integers(min_value=1, max_value=40),
)
def test_no_byte_is_lost_or_counted_twice(cohorts, now, bins):
    held = survivors([Cohort(epoch, 1, size) for epoch, size in sorted(cohorts)], now, bins)
    total = sum(size for _, size in cohorts)
    assert len(held) == bins
    assert sum(held) == pytest.approx(total, rel=1e-9, abs=1e-3)


def test_nothing_held_is_zeros():
    assert survivors([], 60.0, 5) == [0.0] * 5
    assert survivors([Cohort(0, 1, 5)], 60.0, 0) == []
    assert held_between([Cohort(0, 1, 5)], (), 60.0) == [5]


# --- bars -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value,highest,expected",
    [
        (0, 8, "    "),
        (8, 8, "████"),
        (5, 8, "██▌ "),
        (1, 1 << 64, "▏   "),
        (-3, 8, "    "),
        (5, 0, "    "),
        (9, 8, "████"),
    ],
)
def test_a_bar_is_as_long_as_its_share_and_seen_above_zero(value, highest, expected):
    assert bar(value, highest, 4, UNICODE) == expected


def test_bars_in_ascii():
    assert bar(5, 8, 4, ASCII) == "##. "


def blocks(*sizes, last=()):
    classes = tuple(SizeClass(floor, count, size) for floor, count, size in sizes)
    return SiteBlocks(sum(one[1] for one in sizes), sum(one[2] for one in sizes), classes, last)


SIZES = blocks((0, 5, 0), (1, 2, 2), (64, 1024, 65_536), (512, 9, 6000), (4096, 1, 5000))


def test_a_size_class_has_its_range_its_bar_its_blocks_and_its_bytes():
    assert texts(size_lines(SIZES, 60, UNICODE)) == [
        "0 B                                       5 blocks       0 B",
        "1 B         ▏                             2 blocks       2 B",
        "64-127 B    ████████████████████████  1 024 blocks  64.0 KiB",
        "512-1023 B  ██▏                           9 blocks   5.9 KiB",
        "4-8 KiB     █▊                             1 block   4.9 KiB",
    ]


def test_a_narrow_chart_keeps_what_is_most_needed():
    assert texts(size_lines(SIZES, 30, UNICODE))[2] == "64-127 B    ████████  64.0 KiB"
    assert texts(size_lines(SIZES, 22, UNICODE))[2] == "64-127 B    64.0 KiB"
    assert texts(size_lines(SIZES, 6, UNICODE))[2] == "64-12…"


def test_bars_do_not_push_their_figures_away_on_a_wide_screen():
    assert {len(text) for text in texts(size_lines(SIZES, 250, UNICODE))} == {76}


@pytest.mark.parametrize("floor,expected", [(1 << 20, "1-2 MiB"), (1 << 39, "512-1024 GiB")])
def test_large_size_classes_have_large_units(floor, expected):
    assert texts(size_lines(blocks((floor, 1, floor)), 20, UNICODE))[0].startswith(expected)


def test_ages_are_shares_of_the_bytes_by_time_since_birth():
    cohorts = [Cohort(5, 1, 750), Cohort(25, 1, 250)]
    assert texts(age_lines(cohorts, 30.0, 60, ASCII, 4)) == [
        "< 1 s                                            0.0%    0 B",
        "1 s to 10 s  ###########                        25.0%  250 B",
        "> 10 s       #################################  75.0%  750 B",
    ]


def ages(now, most):
    return [one[0].text.strip() for one in age_lines(leak(now), now, 60, UNICODE, most)]


def test_ages_that_epochs_cannot_tell_apart_are_one_line():
    assert ages(30.0, 9) == ["< 1 s", "1 s to 10 s", "> 10 s"]
    assert ages(130.0, 9) == ["< 10 s", "10 s to 1 min", "> 1 min"]
    assert ages(9000.0, 9) == ["< 10 min", "10 min to 1 h", "> 1 h"]


@pytest.mark.parametrize("now", TIMES)
@pytest.mark.parametrize("most", range(10))
def test_ages_take_no_more_lines_than_they_are_given(now, most):
    rows = texts(age_lines(leak(now + 1), now, 60, UNICODE, most))
    assert len(rows) <= most
    shares = [float(text.split("%")[0].split()[-1]) for text in rows]
    assert sum(shares) == pytest.approx(100 if most else 0, abs=0.3)


def test_few_lines_of_ages_are_spread_over_the_time():
    assert ages(100_000.0, 2) == ["< 6 h", "> 6 h"]
    assert ages(0.5, 5) == ["all ages"]
    assert age_lines([], 60.0, 60, UNICODE, 5) == []


def test_ages_of_a_clock_that_went_back_are_young():
    rows = texts(age_lines([Cohort(500, 1, 100)], 30.0, 60, UNICODE, 3))
    assert "100.0%  100 B" in rows[0]


# --- blocks, and lines side by side ---------------------------------------------------------------

LAST = blocks(
    last=(
        Block(Address(0x7F12_3456_7890), 64, 0.25, Tid(1234)),
        Block(Address(0x5555_0000_0010), 1 << 20, 75.0, Tid(9)),
    )
)


def test_the_last_blocks_stand_under_a_heading():
    assert texts(last_lines(LAST, 60)) == [
        "       ADDRESS     SIZE     AGE  THREAD",
        "0x7f1234567890     64 B  250 ms    1234",
        "0x555500000010  1.0 MiB  1m 15s       9",
    ]
    assert last_lines(blocks(), 60) == []


@pytest.mark.parametrize("width", range(1, 60))
def test_columns_of_the_last_blocks_go_where_they_find_no_room(width):
    rows = texts(last_lines(LAST, width))
    assert all(len(row) <= width for row in rows)
    assert width < 14 or all("0x" in row for row in rows[1:])


LONG = line(Span("漢字" * 50_000, "strong"), "[/x]", Span("end", "label"))


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [1, 2, 20, 79, 80, 81, 250])
def test_lines_side_by_side_fill_the_width(width, glyphs):
    rows = texts(beside([LONG, (), LONG], [line("right")], width, glyphs))
    assert {cell_len(row) for row in rows} == {width}
    assert len(rows) == (4 if half(width) == width else 3)


def test_the_shorter_side_is_filled_with_blanks():
    rows = texts(beside([line("a"), line("b")], [line("c")], 81, UNICODE))
    assert [row.split() for row in rows] == [["a", "│", "c"], ["b", "│"]]
    assert rows[0].index("│") == rows[1].index("│") == half(81) + 1


def test_a_line_that_is_cut_shows_it_also_between_its_spans():
    assert fitted(line("abc", "def"), 3, UNICODE) == (Span("ab…"),)
    assert fitted(line("abc", ""), 3, UNICODE) == (Span("abc"),)
