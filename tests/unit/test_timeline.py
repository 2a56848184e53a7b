"""Tracked bytes and resident memory as characters."""

import pytest
from rich.cells import cell_len

from ebpftrace.model.picture import Point
from ebpftrace.tui.glyphs import ASCII, UNICODE
from ebpftrace.tui.timeline import timeline_lines

MIB = 1 << 20


def points(*tracked, resident=lambda _index, size: 900 * MIB + size, every=1.0):
    return [Point(index * every, size, resident(index, size)) for index, size in enumerate(tracked)]


def drawn(given, width=80, height=5, marks=(), glyphs=UNICODE):
    lines = timeline_lines(given, marks, width, height, glyphs)
    return ["".join(span.text for span in line) for line in lines]


def bars(line):
    """The chart of a wide line, without its name and figures."""
    return line[9:-21]


RAMP = points(*range(0, 100 * MIB, MIB))
SERIES = {
    "ramp": RAMP,
    "none": [],
    "one": RAMP[:1],
    "constant": points(*[5] * 50),
    "negative": points(0, -5 * MIB, -7 * MIB),
    "huge": points(0, 1 << 63, 1 << 64),
    "unknown": points(1, 2, 3, resident=lambda *_: None),
    "gaps": points(*range(50), resident=lambda index, _: None if index % 7 < 3 else index * MIB),
    "backwards": list(reversed(RAMP)),
    "at once": points(1, 2, 3, every=0.0),
}


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("name", SERIES)
def test_every_series_fills_the_cells_it_is_given(name, glyphs):
    marks = [(-5.0, "early"), (3.0, "漢字" * 40_000), (3.1, "[/x]"), (1e9, "late"), (20.0, "")]
    for width in (1, 3, 9, 20, 39, 40, 59, 60, 81, 250):
        for height in range(10):
            lines = drawn(SERIES[name], width, height, marks, glyphs)
            assert len(lines) == height
            assert {cell_len(line) for line in lines} <= {0, width}
            assert glyphs is UNICODE or all(line.isascii() for line in lines)


def test_memory_that_grows_with_what_is_tracked_has_the_same_bars():
    tracked, below, resident, under, axis = drawn(RAMP)
    assert (bars(tracked), bars(below)) == (bars(resident), bars(under))
    assert "one scale" in axis


def test_memory_that_grows_by_more_than_what_is_tracked_has_higher_bars():
    tracked, _, resident, _, axis = drawn(
        points(*range(0, 100 * MIB, MIB), resident=lambda index, _: 4 * index * MIB)
    )
    assert "█" in bars(resident)
    assert not bars(tracked).strip()
    assert "one scale" in axis


def test_a_slow_leak_under_much_noise_has_a_scale_of_its_own():
    noisy = points(*range(0, 1000, 10), resident=lambda index, _: index % 7 * 50 * MIB)
    tracked, _, _, _, axis = drawn(noisy)
    assert bars(tracked).endswith("█")
    assert "own scale" in axis


def test_a_few_pages_are_no_movement_of_resident_memory():
    still = points(
        *range(0, 100 * MIB, MIB), resident=lambda index, _: 900 * MIB + index % 2 * 8192
    )
    _, _, above, resident, axis = drawn(still)
    assert not bars(above).strip()
    assert set(bars(resident)) == {"▁"}
    assert "one scale" in axis


def test_a_gap_is_blank_and_the_lowest_value_is_not():
    gap = points(*[MIB] * 50, resident=lambda index, _: None if 20 <= index < 30 else 5 * MIB)
    _, resident = drawn(gap, height=2)
    assert bars(resident) == "▁" * 20 + " " * 10 + "▁" * 20


def test_a_column_shows_the_highest_of_its_points():
    assert "█" in drawn(points(*[0] * 500, MIB, *[0] * 500), height=2)[0]


def test_few_points_span_the_chart_as_steps():
    assert bars(drawn(points(0, 7, 7), height=2)[0]) == "▁" * 25 + "█" * 25


def test_the_figures_are_the_newest_value_its_growth_and_the_extremes():
    first, second, *_ = drawn(points(MIB, 5 * MIB, 3 * MIB))
    assert first.split()[-4:] == ["3.0", "MiB", "+2.0", "MiB"]
    assert second.rstrip().endswith("1.0 MiB to 5.0 MiB")


def test_what_is_not_known_is_not_called_zero():
    *_, resident = drawn(SERIES["unknown"], height=2)
    assert "not known" in resident
    assert "0 B" not in resident
    assert "scale" not in drawn(SERIES["unknown"])[-1]
    late = points(1, 2, resident=lambda index, _: None if index else MIB)
    assert drawn(late, height=2)[1].rstrip().endswith("?")


def test_one_line_has_both_series_where_there_is_room():
    assert "rss" in drawn(RAMP, 80, 1)[0]
    assert "rss" not in drawn(RAMP, 30, 1)[0]
    assert "99.0 MiB" in drawn(RAMP, 30, 1)[0]


def test_the_last_line_has_the_time_and_the_marks_with_as_much_of_their_names_as_fits():
    axis = drawn(RAMP, marks=[(50.0, "deploy"), (52.0, "x"), (60.0, "a longer name")])[-1]
    assert axis.startswith("1m 39s")
    assert "─deploy◆◆x──◆a longer name──" in axis


def test_a_mark_that_was_just_set_has_its_name_before_it():
    assert "─before◆ " in drawn(RAMP, marks=[(120.0, "before")])[-1]


def test_marks_keep_to_the_signs_of_the_terminal():
    assert "---*caf?---" in drawn(RAMP, marks=[(50.0, "café")], glyphs=ASCII)[-1]


def test_the_series_are_told_apart_by_name_and_by_role():
    lines = timeline_lines(RAMP, [], 80, 5, UNICODE)
    assert [line[0].text.strip() for line in lines[:4]] == ["tracked", "", "resident", ""]
    assert [line[1].role for line in lines[:4]] == ["bar", "bar", "second", "second"]
