"""A call of the tool fails: it goes on, or ends with a sentence, and the target is as it was.

Faults of the catalogue in tests/kernel/faults; scripts/faults lets every call fail.
"""

import pytest

from tests.kernel.faults import failing_calls
from tests.kernel.faults.bench import Bench
from tests.kernel.faults.catalogue import chosen, faults


@pytest.mark.parametrize("name, each, of", chosen(failing_calls))
def test_a_call_that_fails_is_survived_or_told(fault_bench: Bench, name: str, each: int, of: int):
    assert fault_bench.inject_one(faults()[name], each, of).findings == ()
