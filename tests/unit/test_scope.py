"""The line that says what is not shown."""

import pytest

from ebpftrace.analysis.marks import Mark
from ebpftrace.analysis.selection import Selection
from ebpftrace.tui.scope import scope_line
from ebpftrace.tui.view import View, Within
from tests.unit.builders import picture, site
from tests.unit.texts import plain

MORE = "3 rows; escape shows more again"


def scope(since=None, shown=3, problem=None, **given):
    view = View(Selection(top=0), mark=since.name if since else None, **given)
    return scope_line(picture(site(), since_attach_s=72.0), view, since, shown, problem)


def test_where_everything_is_shown_nothing_is_said():
    assert scope() == ()


def test_a_filter_is_shown_as_it_was_typed():
    assert plain(scope(query="size>1M [x]")) == f"filter size>1M [x]  {MORE}"


def test_what_is_not_understood_of_a_filter_is_an_alarm():
    said = scope(query="size>", problem="size> is not clear yet")
    assert plain(said) == f"filter size>  size> is not clear yet  {MORE}"
    assert said[1].role == "alarm"


def test_a_mark_is_named_and_how_long_ago_it_was():
    mark = Mark("release", picture(site(), since_attach_s=12.0))
    assert plain(scope(mark)) == f"grown since release, 1m 00s ago  {MORE}"


def test_a_mark_of_after_the_picture_is_of_now():
    mark = Mark("late", picture(site(), since_attach_s=99.0))
    assert plain(scope(mark)).startswith("grown since late, 0 ms ago")


def test_a_group_is_named_by_what_it_is():
    within = Within("module", "/lib/libx.so", "libx.so")
    assert plain(scope(within=within)) == f"module libx.so  {MORE}"


def test_the_box_that_fills_the_flame_view_is_said_there_only():
    zoom = ("main\n/srv/app", "serve\n/srv/app")
    assert plain(scope(kind="flame", zoom=zoom)) == f"within serve  {MORE}"
    assert scope(kind="calls", zoom=("main\n/srv/app",)) == ()


def test_all_that_restricts_stands_together_the_widest_first():
    mark = Mark("m", picture(site(), since_attach_s=12.0))
    within = Within("process", "42 1", "app (pid 42)")
    said = plain(scope(mark, within=within, query="x", shown=1))
    assert said == (
        "grown since m, 1m 00s ago  process app (pid 42)  filter x  1 row; escape shows more again"
    )


@pytest.mark.parametrize("shown,words", [(0, "0 rows"), (1, "1 row"), (100_000, "100 000 rows")])
def test_the_rows_that_are_left_are_counted(shown, words):
    assert f"{words}; escape" in plain(scope(query="x", shown=shown))


def test_a_filter_that_is_on_the_screen_is_not_said_again():
    said = plain(
        scope_line(picture(), View(Selection(top=0), query="x"), None, 3, None, typed=True)
    )
    assert said == MORE
