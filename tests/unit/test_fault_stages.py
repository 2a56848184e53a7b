"""Which of many calls a fault is injected into."""

import pytest

from tests.kernel.faults.stages import some


@pytest.mark.parametrize(
    "count, most, chosen",
    [
        (0, 3, []),
        (2, 3, [1, 2]),
        (9, 1, [1]),
        (9, 2, [1, 9]),
        (9, 3, [1, 5, 9]),
        (4, 3, [1, 3, 4]),
    ],
)
def test_the_first_the_last_and_some_in_between(count, most, chosen):
    assert some(count, most) == chosen
