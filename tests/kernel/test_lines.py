"""Every frame of an optimised C program reads as its source does.

The known answers are in the header comment of tests/workloads/golden.c.
"""

from typing import Any

import pytest

from tests.kernel.golden import column_text, lined, marks, resolvers, responsible
from tests.kernel.harness import Tracer, Workload, workload
from tests.kernel.pictures import Picture, Site
from tests.kernel.stacks import assert_whole

pytestmark = pytest.mark.usefixtures("own_cache")

TIMES = 20
# The frames that golden.c has on each stack, but for main's.
KEPT = {
    "keep_inlined": [
        ("alloc_leaf", "alloc_leaf", True),
        ("make_node", "make_node", True),
        ("keep_inlined", "inlined", False),
    ],
    "keep_cold.cold": [("keep_cold.cold", "cold", False)],
    "keep_tail": [("tail_leaf", "tail_leaf", False), ("keep_tail", "tail", False)],
    "keep_macro": [("xmalloc", "xmalloc", False), ("keep_macro", "macro", False)],
    "keep_copy": [("keep_copy", "copy", False)],
    "keep_text": [("keep_text", "text", False)],
}
SIZES = {"keep_inlined": 24, "keep_cold.cold": 40, "keep_tail": 72, "keep_macro": 56}
BLAMED = {"keep_inlined": "alloc_leaf", "keep_tail": "tail_leaf"}


@pytest.fixture(scope="module")
def golden(own_cache: object) -> Picture:
    with Workload("golden") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        picture = lined(tracer)
        assert len(resolvers(tracer)) == 1
        return picture


def kept_by(picture: Picture, function: str) -> Site:
    """The site in `function` that holds most: asprintf also has one for what it frees."""
    return max(picture.sites_in(function), key=lambda site: site.held)


def in_program(frames: list[dict[str, Any]]) -> list[str]:
    """Names of the program's own functions; libc's differ where its debug file is installed."""
    return [frame["function"] for frame in frames if frame["module"].endswith("/golden")]


@pytest.mark.parametrize("function", KEPT)
def test_each_frame_of_the_program_has_its_function_line_and_source(golden: Picture, function: str):
    site = kept_by(golden, function)
    name = function.removesuffix(".cold")
    end = ("main", name.replace("keep_", "main_"), False)
    assert marks(site, "golden.c") == [*KEPT[function], end]
    assert site.held[0] == TIMES
    if function in SIZES:
        assert site.held[1] == TIMES * SIZES[function]
    assert_whole(site)


@pytest.mark.parametrize("function", KEPT)
def test_whoever_asked_the_wrapper_is_responsible(golden: Picture, function: str):
    assert responsible(kept_by(golden, function)) == BLAMED.get(function, function)


def test_a_column_is_where_the_call_is_written(golden: Picture):
    frames = kept_by(golden, "keep_inlined").frames
    words = [column_text(frame, "golden.c") for frame in frames[:4]]
    assert words == ["malloc", "alloc_leaf", "make_node", "keep_inlined"]


def test_inlined_frames_are_at_the_place_of_the_function_they_are_in(golden: Picture):
    frames = kept_by(golden, "keep_inlined").frames[:3]
    assert len({(f["address"], f["offset"], f["module"], f["build_id"]) for f in frames}) == 1
    assert frames[0]["module"] == str(workload("golden"))


def test_who_jumps_to_the_last_function_has_left_the_stack(golden: Picture):
    assert "tail_caller" not in {name for site in golden.sites for name in site.functions}


def test_what_libc_allocates_for_its_caller_begins_in_libc(golden: Picture):
    for function in ("keep_copy", "keep_text"):
        site = kept_by(golden, function)
        index = site.raw["responsible"]
        assert index >= 1
        modules = {frame["module"].rpartition("/")[2] for frame in site.frames[:index]}
        assert modules == {"libc.so.6"}


def test_without_dwarf_there_are_names_and_no_lines_and_nothing_reads_debug_information(
    golden: Picture,
):
    with (
        Workload("golden") as target,
        Tracer(target, options=("--top", 0, "--no-dwarf")) as tracer,
    ):
        target.phases()
        plain = lined(tracer)
        assert resolvers(tracer) == []
    frames = [frame for site in plain.sites for frame in site.frames]
    empty = ("file", "line", "column", "source")
    assert {frame[key] for frame in frames for key in empty} == {None}
    assert {frame["inlined"] for frame in frames} == {False}
    assert plain.raw["naming"] == {"wanted": 0, "pending": 0, "notes": []}
    assert plain.held == golden.held
    for function in KEPT:
        frames = [frame for frame in kept_by(golden, function).frames if not frame["inlined"]]
        assert in_program(kept_by(plain, function).frames) == in_program(frames)


def test_a_frame_that_is_to_be_skipped_is_not_blamed():
    options = ("--top", 0, "--skip-frame", "^alloc_", "--skip-frame", "_leaf$")
    with Workload("golden") as target, Tracer(target, options=options) as tracer:
        target.phases()
        picture = lined(tracer)
    assert responsible(picture.site("keep_inlined")) == "make_node"
    assert responsible(picture.site("keep_tail")) == "keep_tail"
    assert picture.site("keep_inlined").functions[0] == "alloc_leaf"
