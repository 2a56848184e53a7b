"""Static executables without names: their stacks are whole, and each frame is where its twin's name is."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.harness import Tracer, Workload, workload
from tests.kernel.pictures import Picture, Site
from tests.kernel.stacks import CHAIN, IN_CHAIN

# What the workload's strip has left.
ALLOCATOR = {"malloc", "calloc", "realloc", "free", "malloc_info", "__libc_pvalloc"}


def names_of(program: Path) -> Callable[[int], set[str]]:
    """Gives the names that `nm` has for the function around an address of the file."""
    command = ["nm", "-S", "--defined-only", str(program)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    functions = [
        (int(start, 16), int(start, 16) + int(size, 16), name)
        for start, size, kind, name in (line.split() for line in lines if line.count(" ") == 3)
        if kind in "tTwWi"
    ]
    return lambda address: {name for start, end, name in functions if start <= address < end}


def named(site: Site, names: Callable[[int], set[str]]) -> list[set[str]]:
    """The names of each frame's function, by the call before its return address; none outside."""
    offsets = [frame["offset"] for frame in site.frames]
    return [names(offset - 1) if offset else set() for offset in offsets]


@pytest.fixture(scope="module", params=["chain_static", "chain_static_pie"])
def stripped(request: pytest.FixtureRequest) -> tuple[str, Picture]:
    """The name of the twin, and the picture of the stripped program."""
    program = f"{request.param}_stripped"
    with Workload(program) as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        return request.param, tracer.finish().final


def test_every_frame_of_a_stripped_static_program_is_at_its_place(stripped: tuple[str, Picture]):
    twin, picture = stripped
    names = names_of(workload(twin))
    found = {function: [0, 0] for function in CHAIN}
    for site in picture.sites:
        frames = named(site, names)
        for function in CHAIN:
            if any(function in each for each in frames):
                found[function][0] += site.held[0]
                found[function][1] += 1
    assert {function: blocks for function, (blocks, _) in found.items()} == CHAIN
    assert picture.held[0] == sum(CHAIN.values())
    assert picture.faults == {}


def test_the_stack_of_a_stripped_static_program_is_whole(stripped: tuple[str, Picture]):
    twin, picture = stripped
    names = names_of(workload(twin))
    for site in picture.sites:
        frames = named(site, names)
        assert (site.complete, site.guessed) == (True, False)
        assert all(frames), "each frame is inside a function"
        in_thread = any("thread_main" in each for each in frames)
        assert frames[-1] & ({"clone3", "__clone3"} if in_thread else {"_start"})
    (chain,) = [site for site in picture.sites if "leak_in_chain" in named(site, names)[0]]
    assert all(name in each for name, each in zip(IN_CHAIN, named(chain, names), strict=False))


def test_a_frame_without_a_name_gets_none_from_its_neighbours(stripped: tuple[str, Picture]):
    twin, picture = stripped
    frames = [frame for site in picture.sites for frame in site.frames]
    assert {frame["function"] for frame in frames} <= {None} | ALLOCATOR
    assert {frame["module"].rpartition("/")[2] for frame in frames} == {f"{twin}_stripped"}
