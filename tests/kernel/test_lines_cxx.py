"""Every frame of an optimised C++ program reads as its source does, and as binutils read it.

The known answers are in the header comment of tests/workloads/golden_cxx.cpp.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tests.kernel.golden import lined, marks, responsible, run
from tests.kernel.harness import Tracer, Workload, workload
from tests.kernel.pictures import Picture, Site
from tests.kernel.stacks import assert_whole

pytestmark = pytest.mark.usefixtures("own_cache")

SOURCE = "golden_cxx.cpp"
TIMES = {"template": 3}  # 10 of the others
# The frames of the program by the mark of main's line.
KEPT = {
    "vector": [("app::keep_vector()", "vector", False)],
    "map": [("app::keep_map()", "map", False)],
    "string": [("app::keep_string()", "string", False)],
    "function": [("app::keep_function()", "function", False)],
    "shared": [("app::keep_shared()", "shared", False)],
    "template": [("void app::keep_each<long, 3>(long const (&) [3])", "template", False)],
    "lambda": [
        ("app::keep_by_lambda()::{lambda(int)#1}::operator()(int) const", "lambda", False),
        ("app::keep_by_lambda()", "by_lambda", False),
    ],
    "pool": [
        ("app::(anonymous namespace)::Pool::grow(unsigned long)", "pool", False),
        ("app::keep_pool()", "keep_pool", False),
    ],
    "array": [
        ("app::Buffer::operator new[](unsigned long)", "own_new", False),
        ("app::keep_array()", "array", False),
    ],
    "built": [
        ("app::Part::Part(int)", "part", True),
        ("app::Whole::Whole(int)", "whole", False),
        ("app::keep_built()", "built", False),
    ],
}
THROUGH = {
    "vector": "std::vector<int, std::allocator<int> >::reserve(unsigned long)",
    "map": "std::map<int, long, std::less<int>, std::allocator<std::pair<int const, long> > >::emplace",
    "string": "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >::append",
    "shared": "std::make_shared<app::Object>()",
}

# The package that demangles is for these only.
MANGLED = sys.version_info < (3, 11)
needs_names = pytest.mark.xfail(MANGLED, reason="names stay mangled before Python 3.11")


@pytest.fixture(scope="module")
def golden(own_cache: object) -> Picture:
    with Workload("golden_cxx") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        return lined(tracer)


def kept_for(picture: Picture, what: str) -> Site:
    """The site that main's line `main_WHAT` leads to."""
    (site,) = [s for s in picture.sites if ("main", f"main_{what}", False) in marks(s, SOURCE)]
    return site


def plain(name: str) -> str:
    """Without what says that gcc made a copy of the function."""
    return name.partition(" [clone ")[0]


@needs_names
@pytest.mark.parametrize("what", KEPT)
def test_each_frame_of_the_program_has_its_whole_name_and_its_line(golden: Picture, what: str):
    site = kept_for(golden, what)
    found = [(plain(function), mark, inlined) for function, mark, inlined in marks(site, SOURCE)]
    assert found == [*KEPT[what], ("main", f"main_{what}", False)]
    assert site.held[0] == TIMES.get(what, 10)
    assert_whole(site)


@needs_names
@pytest.mark.parametrize("what", KEPT)
def test_the_run_time_is_not_blamed_for_what_the_program_keeps(golden: Picture, what: str):
    blamed = "app::keep_array()" if what == "array" else KEPT[what][0][0]
    assert plain(responsible(kept_for(golden, what)) or "") == blamed


@needs_names
@pytest.mark.parametrize("what, function", THROUGH.items())
def test_inlined_functions_of_the_library_are_named_in_full(
    golden: Picture, what: str, function: str
):
    site = kept_for(golden, what)
    frames = [frame for frame in site.frames if function in (frame["function"] or "")]
    assert frames
    for frame in frames:
        assert frame["inlined"]
        assert "/include/c++/" in frame["file"]
        assert frame["source"]


def own_frames(picture: Picture) -> list[list[dict[str, Any]]]:
    """The frames of each place in the program, the innermost first; all of one offset belong together."""
    places: dict[int, list[dict[str, Any]]] = {}
    for site in picture.sites:
        for frame in site.frames:
            if frame["module"] == str(workload("golden_cxx")):
                places.setdefault(frame["offset"], []).append(frame)
    found = []
    for frames in places.values():
        first = next(at for at, frame in enumerate(frames) if not frame["inlined"])
        found.append(frames[: first + 1])
    return found


@needs_names
def test_a_function_with_a_symbol_is_spelled_as_cxxfilt_spells_it(golden: Picture):
    program = workload("golden_cxx")
    symbols = [line.split() for line in run("nm", "-S", "--defined-only", program).splitlines()]
    functions = [
        (int(words[0], 16), int(words[1], 16), words[3]) for words in symbols if len(words) == 4
    ]
    compared = 0
    for *_, outer in own_frames(golden):
        call = outer["offset"] - 1
        names = [name for start, size, name in functions if start <= call < start + size]
        assert outer["function"] in run("c++filt", *names).splitlines()
        compared += 1
    assert compared > len(KEPT)


@needs_names
def test_functions_files_and_lines_are_those_of_addr2line(golden: Picture):
    places = [frames for frames in own_frames(golden) if frames[-1]["file"]]
    assert len(places) > len(KEPT)
    for frames in places:
        told = addr2line(frames[0]["offset"] - 1)
        assert [(frame["file"], frame["line"]) for frame in frames] == [
            (file, line) for _, file, line in told
        ]
        for at, (frame, (function, _, _)) in enumerate(zip(frames, told, strict=True)):
            ours, outer = plain(frame["function"]), plain(frames[-1]["function"])
            assert same_function(ours, plain(function)) or (not at and plain(function) == outer)


def addr2line(address: int) -> list[tuple[str, str, int]]:
    """Function, file, line of all functions that cover `address` of the program."""
    program = workload("golden_cxx")
    told = run("addr2line", "-i", "-f", "-C", "-e", program, hex(address)).splitlines()
    return [_place(told[at : at + 2]) for at in range(0, len(told), 2)]


def _place(pair: Sequence[str]) -> tuple[str, str, int]:
    file, _, line = pair[1].partition(" (discriminator")[0].rpartition(":")
    return pair[0], os.path.normpath(file), int(line)


def same_function(ours: str, told: str) -> bool:
    """binutils tell what has no linkage name by its plain name, which ours ends with.

    If that is the innermost function, they tell the symbol instead, so the outermost.
    """
    return ours == told or ours.endswith(f"::{told}")
