"""Every frame of an optimised Rust program reads as its source does, in both ways of mangling.

The known answers are in the header comment of tests/workloads/golden.rs.
"""

import sys

import pytest

from tests.kernel.golden import RUSTC, lined, marks, responsible, run
from tests.kernel.harness import WORKLOADS, Tracer, Workload
from tests.kernel.pictures import Picture, Site

pytestmark = [
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.xfail(sys.version_info < (3, 11), reason="names stay mangled before Python 3.11"),
]

TIMES = 10
# The frames of the program by the mark of main's line; the closure is inlined into `call`.
KEPT = {
    "vec": [("golden::keep_vec", "vec", False)],
    "boxed": [("golden::keep_box", "boxed", False)],
    "string": [("golden::keep_string", "string", False)],
    "map": [("golden::keep_map", "map", False)],
    "pool": [("GROW", "grow", False), ("golden::keep_pool", "pool", False)],
    "closure": [
        ("CLOSURE", "closure", True),
        ("golden::call", "call", False),
        ("golden::keep_by_closure", "by_closure", False),
    ],
}
NAMES = {
    "GROW": {
        "<golden::Pool<u32> as golden::Grow>::grow",
        "<golden::Pool<T> as golden::Grow>::grow",
    },
    "CLOSURE": {
        "golden::keep_by_closure::{closure#0}",
        "golden::keep_by_closure::{{closure}}",
    },
}


@pytest.fixture(scope="module", params=["v0", "legacy"])
def golden(request: pytest.FixtureRequest, own_cache: object) -> Picture:
    name = f"golden_rust_{request.param}"
    run("make", "-s", "-C", WORKLOADS, f"RUSTC={RUSTC}", f"build/{name}")
    program = WORKLOADS / "build" / name
    with Workload(program) as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        return lined(tracer)


def kept_for(picture: Picture, what: str) -> list[Site]:
    """The sites that main's line `main_WHAT` leads to: unrolled loops make several."""
    end = ("golden::main", f"main_{what}", False)
    return [site for site in picture.sites if end in marks(site, "golden.rs")]


@pytest.mark.parametrize("what", KEPT)
def test_each_frame_of_the_program_has_its_name_and_line(golden: Picture, what: str):
    sites = kept_for(golden, what)
    assert sum(site.held[0] for site in sites) == TIMES
    for site in sites:
        *found, _ = marks(site, "golden.rs")
        assert [frame[1:] for frame in found] == [frame[1:] for frame in KEPT[what]]
        for (function, *_), (expected, *_) in zip(found, KEPT[what], strict=True):
            assert function in NAMES.get(expected, {expected})


@pytest.mark.parametrize("what", KEPT)
def test_the_standard_library_is_not_blamed(golden: Picture, what: str):
    expected = KEPT[what][0][0]
    for site in kept_for(golden, what):
        assert responsible(site) in NAMES.get(expected, {expected})
