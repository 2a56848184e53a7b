"""The tool and its target end, each at the worst moment: nothing is left, and the other one goes on.

Faults of the catalogue in tests/kernel/faults; scripts/faults injects all of them.
"""

import pytest

from tests.kernel.faults import ends_of_target, ends_of_tool
from tests.kernel.faults.bench import Bench
from tests.kernel.faults.catalogue import chosen, faults


@pytest.mark.parametrize("name, each, of", chosen(ends_of_tool))
def test_a_tool_that_ends_leaves_nothing(fault_bench: Bench, name: str, each: int, of: int):
    assert fault_bench.inject_one(faults()[name], each, of).findings == ()


@pytest.mark.parametrize("name, each, of", chosen(ends_of_target))
def test_what_happens_to_the_target_ends_in_a_sentence(
    fault_bench: Bench, name: str, each: int, of: int
):
    assert fault_bench.inject_one(faults()[name], each, of).findings == ()
