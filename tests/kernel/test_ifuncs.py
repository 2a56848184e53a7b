"""Allocator functions that are chosen by resolvers when the program is loaded."""

import pytest

from tests.kernel.harness import Tracer, Workload, workload
from tests.kernel.running import run

HELD = {"keep": (11, 1300), "drop": (0, 0), "grow": (1, 700)}


@pytest.mark.parametrize("binding", ["now", "lazy"])
def test_the_code_that_was_chosen_is_probed(binding: str):
    with Workload(f"ifuncs_{binding}") as target, Tracer(target) as tracer:
        assert set(tracer.first.targets[0]["allocators"]) == {"c", "glibc"}
        target.phases()
        final = tracer.finish().final
        assert {name: final.held_in(name) for name in HELD} == HELD
        assert final.site("drop").freed == (5, 200)
        assert {site.allocator for site in final.sites_in("keep")} == {"malloc", "calloc"}
        assert final.faults == {}
        assert final.loss("unmatched_free") == 0


def test_a_started_program_is_counted_from_its_first_call_on():
    ran = run(workload("ifuncs_now"), "at-once")
    assert ran.lost == {}
    assert {name: ran.final.held_in(name) for name in HELD} == HELD
    assert ran.final.held_in("before") == (2, 100)
    assert ran.final.loss("unmatched_free") == 0
