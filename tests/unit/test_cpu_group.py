"""How much of the processors a control group leaves."""

import pytest

from ebpftrace.target.cpu_group import quota


@pytest.mark.parametrize(
    "text, cpus",
    [
        ("max 100000\n", None),
        ("20000 100000\n", 0.2),
        ("250000 100000\n", 2.5),
        ("-1 100000", None),
        ("20000 0", None),
        ("20000", None),
        ("", None),
        ("many 100000", None),
    ],
)
def test_a_quota_is_of_a_period(text, cpus):
    assert quota(text) == cpus
