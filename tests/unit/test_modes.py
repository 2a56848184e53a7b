"""What the levels would cost as `Modes` foresees it, of a process whose clock and calls are told."""

from types import SimpleNamespace
from typing import cast

import pytest

from ebpftrace.drain.polling import Polling
from ebpftrace.kernel.prices import Prices
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.modes import Level
from ebpftrace.session import limits, modes
from ebpftrace.session.cost import CostMeter
from ebpftrace.session.glances import Glances
from ebpftrace.session.modes import FULL, SAMPLES, Modes
from ebpftrace.session.sampling import Sampling
from ebpftrace.session.traced import Traced

PRICES = Prices(
    birth_ns=2000, resize_ns=2000, death_ns=1000, nested_ns=500, unheld_ns=500, stepped_ns=7000
)
MALLOC, FREE = 1, 10
PAIRS_PER_S = 1000


class Sampled:
    """So many pairs a second at 1:64, the window of each stretch in the middle of it."""

    def __init__(self) -> None:
        self.now = 0.0

    def hits(self, _numbers: object) -> dict[int, tuple[int, int]]:
        windows = int(self.now / 1.28 + 0.5)
        born = windows * PAIRS_PER_S // 50
        return {MALLOC: (born, born), FREE: (int(PAIRS_PER_S * self.now), 0)}


def choose(_scale: int, _living: object) -> list[object]:
    return []


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Sampled:
    target = Sampled()
    monkeypatch.setattr(modes, "time", SimpleNamespace(monotonic=lambda: target.now))
    monkeypatch.setattr(limits, "cpu_limit", lambda _: None)
    return target


def test_a_window_that_lies_in_a_reading_is_not_taken_for_what_goes_on_all_the_time(
    sampled: Sampled,
) -> None:
    tracer = SimpleNamespace(hits=sampled.hits, prices=PRICES, run_time=None)
    cost = CostMeter(cast(Tracer, tracer), cast(Polling, None))
    subject = Modes("auto", 5.0, may_grow=False)
    subject.now_of(
        cast(Sampling, SimpleNamespace(choose=choose, held_back=False)),
        cost,
        cast(Glances, None),
        PRICES,
    )
    subject.level = SAMPLES[-1]
    living = [cast(Traced, SimpleNamespace(by_links=True, process=SimpleNamespace(pid=1)))]
    full = 100 * PAIRS_PER_S * 3000 / 1e9
    found = []
    while subject.level == SAMPLES[-1] and sampled.now < 20:
        sampled.now += 0.4
        subject.tick(sampled.now, living)
        if FULL in subject.forecast:
            found.append(subject.forecast[FULL])
    assert max(found) < 1.8 * full
    assert max(found[10:]) < 1.3 * full
    assert subject.level == Level("full")
