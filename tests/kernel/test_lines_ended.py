"""The last picture of programs that have ended has their lines, and those of what they had unloaded."""

import pytest

from tests.kernel.golden import lined, marks, responsible
from tests.kernel.harness import TIME_SCALE, Tracer, Workload

pytestmark = pytest.mark.usefixtures("fresh_cache")


def test_a_program_that_leaks_and_ends_at_once_has_its_lines():
    with Workload("golden") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.go()
        target.leave()
        ended = tracer.ended()
    assert (ended.status, ended.final.held[0]) == (4, 6 * 20)
    assert ended.final.raw["naming"]["pending"] == 0
    site = ended.final.site("keep_inlined")
    assert marks(site, "golden.c")[:2] == [
        ("alloc_leaf", "alloc_leaf", True),
        ("make_node", "make_node", True),
    ]
    assert responsible(ended.final.site("keep_macro")) == "keep_macro"


def test_an_interrupt_right_after_the_leak_waits_for_its_lines():
    with Workload("golden") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        final = tracer.finish().final
    assert marks(final.site("keep_macro"), "golden.c")[:1] == [("xmalloc", "xmalloc", False)]


def test_a_library_that_was_unloaded_before_the_end_has_its_lines():
    with (
        Workload("plugins", "turns", round(200 * TIME_SCALE)) as target,
        Tracer(target, options=("--top", 0)) as tracer,
    ):
        target.phases()
        lined(tracer)  # the library is there until the next phase, so that its file is found
        target.phases()
        target.leave()
        final = tracer.ended().final
    for name in ("a", "b"):
        site = final.site(f"use_{name}")
        assert marks(site, "plugin.c") == [
            (f"leak_of_{name}", "leak", False),
            ("run", "run", False),
        ]
        assert site.frames[0]["module"].endswith(f"/plugin_{name}.so")
