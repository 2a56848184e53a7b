"""Who gets how many lines of the screen."""

import pytest

from ebpftrace.tui.room import room


def lines_left(given, height):
    """Those of the table, or of table and pane side by side; one line may be the scope's."""
    taken = given.header + given.timeline + given.tabs + given.status + given.footer
    return height - taken - (0 if given.beside else given.pane)


@pytest.mark.parametrize("height", [1, 2, 3, 5, 12, 15, 16, 24, 30, 34, 56, 70])
@pytest.mark.parametrize("width", [20, 80, 159, 160, 250])
@pytest.mark.parametrize("rows", [0, 5, 100_000])
def test_totals_and_losses_always_have_a_line_and_the_table_the_rest(width, height, rows):
    given = room(width, height, header=9, status=4, rows=rows)
    assert given.header >= 1
    assert given.status >= 1
    assert min(given) >= 0
    assert lines_left(given, height) >= (3 if height >= 5 else height - 2)


@pytest.mark.parametrize("width,height", [(80, 24), (120, 40), (200, 52), (250, 70)])
def test_an_ordinary_screen_has_every_part(width, height):
    assert min(room(width, height, header=5, status=2, rows=20)[:6]) > 0


def test_the_lowest_screen_is_totals_rows_and_losses():
    assert room(80, 15, 5, 3, 50) == (3, 0, 0, 3, 0, 0, False)
    assert room(20, 5, 5, 3, 50) == (1, 0, 0, 1, 0, 0, False)


def test_no_part_gets_more_than_it_would_like():
    given = room(200, 70, header=4, status=1, rows=5)
    assert (given.header, given.status) == (4, 1)


def test_the_higher_the_screen_the_higher_the_timeline():
    known = [room(100, height, 5, 2, 9).timeline for height in range(80)]
    assert known == sorted(known)
    assert set(known) == {0, 3, 5, 7}


def test_the_stack_goes_beside_the_table_where_it_is_wide():
    given = room(200, 40, 4, 3, 5)
    assert given.beside
    assert given.pane < 200 / 2
    assert not room(100, 40, 4, 3, 5).beside


def test_a_short_table_leaves_its_lines_to_the_stack():
    assert room(100, 40, 4, 3, 3).pane > room(100, 40, 4, 3, 50).pane


def test_rows_that_come_and_go_in_a_full_table_move_nothing():
    assert room(100, 40, 4, 3, 500) == room(100, 40, 4, 3, 100_000)
