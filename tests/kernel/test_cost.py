"""The `cost` of a picture, against what the kernel says of a program that does nothing but allocate."""

import os
import time
from pathlib import Path

import pytest

from tests.kernel.harness import Tracer, Workload, backends


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("backend", backends())
def test_the_cost_to_the_target_is_what_a_tight_loop_spends(backend: str):
    """Almost all of its time goes into probes. Wide limits: machines change their speed meanwhile."""
    options = ("--backend", backend)
    with Workload("pace") as target, Tracer(target, options=options, interval=1.0) as tracer:
        assert tracer.first.raw["cost"]["target_cpu_percent"] is None
        target.go()
        tracer.settled()
        before, spent = time.monotonic(), cpu_s(target.pid)
        costs = [tracer.picture().raw["cost"] for _ in range(3)]
        percent = 100 * (cpu_s(target.pid) - spent) / (time.monotonic() - before)
        final = tracer.finish().final.raw["cost"]
    estimates = sorted(cost["target_cpu_percent"] for cost in costs)
    assert 0.4 < estimates[1] / percent < 2.5
    # The last picture comes right after another one: its rates are over more than that moment.
    rates = sorted(cost["hits_per_s"] for cost in costs)
    assert rates[0] / 4 < final["hits_per_s"] < rates[-1] * 4
