"""A host that gives too little, or is in a state that is rare: the tool works, or says what it needs.

Faults of the catalogue in tests/kernel/faults; scripts/faults injects all of them.
"""

import pytest

from tests.kernel.faults import busy_hosts, poor_hosts
from tests.kernel.faults.bench import Bench
from tests.kernel.faults.catalogue import chosen, faults


@pytest.mark.parametrize("name, each, of", chosen(poor_hosts))
def test_what_the_host_lacks_is_survived_or_told(fault_bench: Bench, name: str, each: int, of: int):
    assert fault_bench.inject_one(faults()[name], each, of).findings == ()


@pytest.mark.parametrize("name, each, of", chosen(busy_hosts))
def test_a_rare_state_of_the_host_does_no_harm(fault_bench: Bench, name: str, each: int, of: int):
    assert fault_bench.inject_one(faults()[name], each, of).findings == ()
