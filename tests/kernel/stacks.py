"""What the tests of stacks ask of a site."""

from tests.kernel.pictures import Picture, Site

# What tests/workloads/chain.c leaves, as blocks; each function is on the stack of one site.
CHAIN = {
    "leak_in_chain": 100,
    "leak_in_thread": 100,
    "leak_strdup": 100,
    "leak_asprintf": 100,
    "leak_getline": 100,
    "open_file": 10,
    "read_file": 10,
}
IN_CHAIN = ("leak_in_chain", "middle", "outer", "main")


def assert_whole(site: Site, *callers: str, start: str | None = "_start") -> None:
    """The stack begins with `callers`, leads to where its thread began, and nothing in it is guessed.

    `start` is the name of its last frame; None where libc may have no name for that.
    """
    assert site.functions[: len(callers)] == list(callers)
    assert_leads_to_its_start(site, start)
    assert not site.guessed


def assert_leads_to_its_start(site: Site, start: str | None = "_start") -> None:
    assert site.complete, site.functions
    if start:
        assert site.functions[-1:] == [start]
    assert_frames_are_code([site])


def assert_frames_are_code(sites: list[Site]) -> None:
    """No frame is an address where nothing is mapped, or only data."""
    strays = [
        (frame["address"], frame["module"])
        for site in sites
        for frame in site.frames
        if frame["module"] in (None, "[heap]", "[stack]")
    ]
    assert strays == []


def assert_chain_counts(picture: Picture) -> None:
    """The totals of chain.c, and that each block has its site whatever became of the stack."""
    assert picture.held[0] == sum(CHAIN.values())
    assert {function: picture.held_in(function)[0] for function in CHAIN} == CHAIN
    assert picture.held_in("leak_in_chain") == (100, 6400)
    assert picture.held_in("leak_in_thread") == (100, 4800)
    assert picture.held_in("leak_strdup") == (100, 1300)
    assert picture.faults == {}
