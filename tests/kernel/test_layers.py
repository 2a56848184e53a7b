"""Allocators on top of each other, and in pieces: each block is counted once, as the program asked for it."""

from pathlib import Path

import pytest

from tests.kernel.harness import Tracer, Workload, backends, workload
from tests.kernel.pictures import Picture
from tests.kernel.running import run

HELD = {
    "leak_through_wrapper": (10, 1000),
    "calloc_through_wrapper": (1, 1000),
    "grow_through_wrapper": (1, 700),
    "small_through_wrapper": (0, 0),
    "free_through_wrapper": (0, 0),
}
# A wrapper that calls the next allocator, and one that jumps to it; the halves of one, together and alone.
LAYERS = ["libwrap.so", "libwrap_jumps.so", "libgives.so libtakes.so", "libgives.so", "libtakes.so"]


def assert_counted_once(final: Picture) -> None:
    assert {name: final.held_in(name) for name in HELD} == HELD
    assert final.site("free_through_wrapper").freed == (5, 200)
    assert final.faults == {}
    assert final.loss("unmatched_free") == 0


@pytest.mark.everykernel
@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("preload", LAYERS)
def test_a_block_is_counted_once_by_the_outermost_function(preload: str, backend: str):
    with (
        Workload("nested_wrapper", preload=preload) as target,
        Tracer(target, options=("--backend", backend)) as tracer,
    ):
        target.phases()
        final = tracer.finish().final
    assert final.allocated == (18, 2970)
    assert final.freed == (6, 270)
    assert_counted_once(final)


@pytest.mark.parametrize("preload", LAYERS)
def test_a_started_program_frees_nothing_that_it_was_not_given(preload: str, tmp_path: Path):
    libraries = ":".join(str(workload(name)) for name in preload.split())
    (tmp_path / "lines").write_text("go\n" * 3)
    with (tmp_path / "lines").open() as lines:
        ran = run("env", f"LD_PRELOAD={libraries}", workload("nested_wrapper"), stdin=lines)
    assert ran.lost == {}
    assert_counted_once(ran.final)
