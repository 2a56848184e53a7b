"""Every way of holding probes counts the same, and none leaves anything behind in the target."""

import pytest

from tests.kernel.harness import Tracer, Workload, backends, probed_text, run_tool
from tests.kernel.pictures import Picture

# Workload and arguments, phases, the library it is run with.
PROGRAMS: dict[str, tuple[str, tuple[int, ...], int, str]] = {
    "threads that allocate at once": ("threads", (4, 4000), 2, ""),
    "reallocs of every kind": ("realloc_cases", (200,), 8, ""),
    "calls that fail": ("failures", (), 1, ""),
    "blocks freed by other threads": ("cross_free", (500,), 2, ""),
    "blocks from before the attach": ("pre_attach", (), 5, ""),
    "a wrapper around the allocator": ("nested_wrapper", (), 1, "libwrap.so"),
    "what is easily counted twice": ("big_and_strdup", (), 3, ""),
}
FACTS = ("unmatched_free", "nested", "nested_free", "filtered")


def outcome(picture: Picture) -> tuple[object, ...]:
    """All that must not depend on the back end."""
    sites = sorted(
        (site.allocator, site.functions, site.allocated, site.freed, site.adopted)
        for site in picture.sites
    )
    facts = {name: picture.loss(name) for name in FACTS}
    return picture.raw["totals"], facts, picture.faults, sites


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_back_ends_give_equal_totals_and_sites_on_the_same_program(program: str):
    name, args, phases, preload = PROGRAMS[program]
    found = {}
    for backend in backends():
        options = ("--backend", backend, "--top", "0")
        with (
            Workload(name, *args, preload=preload) as target,
            Tracer(target, options=options) as tracer,
        ):
            target.phases(phases)
            tracer.settled()
            final = tracer.finish().final
        assert [each["backend"] for each in final.targets] == [backend]
        assert final.faults == {}
        found[backend] = outcome(final)
    assert len(found) >= 1
    first = next(iter(found.values()))
    assert all(each == first for each in found.values()), found


@pytest.mark.elsewhere
@pytest.mark.parametrize("backend", ["session", "multi", "perf"])
def test_a_back_end_that_this_kernel_has_leaves_no_probe_and_another_is_refused(backend: str):
    with Workload("threads", 1, 8) as target:
        ended = run_tool("attach", "--json", "--count", 1, "--backend", backend, "-p", target.pid)
        assert probed_text(target.pid) == []
    if backend in backends():
        assert ended.returncode == 0, ended.stderr
    else:
        assert ended.returncode == 3
        assert f"--backend {backend} cannot be used here: " in ended.stderr
