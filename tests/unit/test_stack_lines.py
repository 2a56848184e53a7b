"""A call stack as lines, the text of the source around a line, and both for a clipboard."""

import pytest

from ebpftrace.model.ids import StackId
from ebpftrace.model.picture import SourceLines
from ebpftrace.tui.stack import as_text, frame_lines, source_lines
from tests.unit.builders import frame, site
from tests.unit.hostile import HOSTILE
from tests.unit.texts import MONSTROUS, texts

SERVE = frame("serve", file="/src/serve.c", line=42, source="p = malloc(n);")
THREE = (
    frame("allocate", file="/usr/include/c++/13/bits/alloc.h", line=9, inlined=True),
    SERVE,
    frame("main", source="serve();"),
)


def stack(*frames, chosen=0, width=80, source=True, **given):
    return texts(frame_lines(site(frames=frames, **given), chosen, width, source=source))


def around(*lines, first=41, line=42):
    return list(source_lines(frame(line=line), SourceLines("/src/serve.c", first, lines)))


def test_the_whole_stack_is_there_and_how_it_ends():
    frames = [frame(f"f{n}") for n in range(127)]
    said = stack(*frames, complete=False, end="truncated")
    assert [row.split()[-2] for row in said[:127]] == [f"f{n}" for n in range(127)]
    assert said[127:] == ["  …  (deeper than --stack-depth)"]
    assert len(stack(*frames)) == 127


def test_a_stack_that_is_not_there_says_why():
    assert stack(chosen=None) == ["  (stack not here yet)"]
    assert stack(chosen=None, stack=StackId(0)) == ["  (stack not kept)"]


def test_the_chosen_frame_is_marked_and_its_source_stands_below_it():
    said = list(frame_lines(site(frames=THREE), 1, 80))
    assert texts(said) == [
        "  allocate  /usr/include/c++/13/bits/alloc.h:9  [app]  (inlined)",
        "▸ serve  /src/serve.c:42  [app]",
        "    │ p = malloc(n);",
        "  main  [app]",
    ]
    assert [row[0].role for row in said] == ["plain", "strong", "plain", "plain"]


def test_where_the_source_is_shown_in_full_its_line_is_not_repeated():
    assert len(stack(*THREE, chosen=1, source=False)) == 3


def test_no_frame_is_marked_where_none_was_chosen():
    assert not any(row.startswith("▸") for row in stack(*THREE, chosen=None))


def test_a_long_name_is_wrapped_and_a_monstrous_one_cut():
    said = stack(frame("x" * 150))
    assert said == ["▸ " + "x" * 78, "    " + "x" * 72, "    [app]"]


@pytest.mark.parametrize("name", MONSTROUS)
def test_no_name_takes_more_than_six_lines(name):
    assert 1 <= len(stack(frame(name))) <= 6


def test_names_are_as_wide_as_they_are_drawn():
    assert stack(frame("名" * 39)) == ["▸ " + "名" * 39, "    [app]"]


def test_a_line_of_source_without_an_end_takes_two_lines():
    said = stack(frame("serve", source="x" * 100_000))
    assert len(said) == 3
    assert all(row.startswith("    │ x") for row in said[1:])


# --- the text around a line -----------------------------------------------------------------------


def test_the_text_around_a_line_has_numbers_and_its_line_a_mark():
    said = around("void *p;", "p = malloc(n);", "\tuse(p);")
    assert texts(said) == ["  41 │ void *p;", "▸ 42 │ p = malloc(n);", "  43 │ \tuse(p);"]
    assert [[span.role for span in row] for row in said] == [
        ["label", "plain"],
        ["strong"],
        ["label", "plain"],
    ]


def test_numbers_stand_under_each_other():
    assert texts(around("a", "b", first=9, line=10)) == ["   9 │ a", "▸ 10 │ b"]
    assert texts(around("a", "b", first=8, line=9)) == ["  8 │ a", "▸ 9 │ b"]


def test_text_without_the_line_that_was_asked_for_has_no_mark():
    assert texts(around("a", "b", first=1, line=99)) == ["  1 │ a", "  2 │ b"]
    assert around(first=1) == []


@pytest.mark.parametrize("name", [*HOSTILE, *MONSTROUS])
def test_hostile_text_is_text(name):
    assert texts(around(name, name)) == [f"  41 │ {name}", f"▸ 42 │ {name}"]


# --- for a clipboard ------------------------------------------------------------------------------


def test_a_copy_has_what_is_held_and_a_frame_a_line():
    assert as_text(site(frames=THREE), "100 B in 1 block") == (
        "100 B in 1 block\n"
        "  allocate  /usr/include/c++/13/bits/alloc.h:9  [app]  (inlined)\n"
        "  serve  /src/serve.c:42  [app]\n"
        "  main  [app]\n"
    )


def test_a_copy_cuts_nothing_and_says_how_the_stack_ends():
    one = site(frames=(frame("x" * 5000),), complete=False, end="no_rule")
    assert as_text(one, "1 B").splitlines()[1:] == [
        "  " + "x" * 5000 + "  [app]",
        "  …  (no unwind rule was there yet)",
    ]
