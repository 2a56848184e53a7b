"""By how much longer programs run in the targets than in the calibration."""

import pytest

from ebpftrace.kernel.prices import Prices
from ebpftrace.probes.numbers import ALL_FUNCTIONS
from ebpftrace.session.hits import Hits
from ebpftrace.session.pace_of_programs import PaceOfPrograms

OWN = Prices(birth_ns=300, resize_ns=500, death_ns=200, nested_ns=0, unheld_ns=100, stepped_ns=0)
PRICES = Prices(
    birth_ns=1000,
    resize_ns=1500,
    death_ns=600,
    nested_ns=400,
    unheld_ns=500,
    stepped_ns=9000,
    programs=OWN,
)
MALLOC = 1


class Kernel:
    """Its clock of programs, and the hits meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.calls, self.calls_in_reading = 0, 200
        self.each_ns, self.waits = 300, False
        self.asked = 0
        self.refused = False
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr("time.sleep", self.sleeps)
        self.pace = PaceOfPrograms(self)  # type: ignore[arg-type]

    def begin(self) -> None:
        self.asked += 1

    def end(self) -> int | None:
        waits = self.waits and self.asked % 3 == 2
        ran = self.calls_in_reading * self.each_ns + (3_000_000 if waits else 0)
        return None if self.refused else ran

    def sleeps(self, _: float) -> None:
        self.calls += self.calls_in_reading

    def hits(self) -> Hits:
        return {MALLOC: (self.calls, self.calls)}

    def goes_on(self, seconds: float) -> None:
        for _ in range(round(seconds * 20)):
            self.now += 0.05
            self.pace.tick(self.hits, PRICES, ALL_FUNCTIONS)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_nothing_is_known_at_first(kernel: Kernel):
    kernel.each_ns = 450
    kernel.goes_on(5)
    assert kernel.pace.factor == 1.0


def test_it_is_measured_now_and_then(kernel: Kernel):
    kernel.each_ns = 450
    kernel.goes_on(60)
    assert kernel.pace.factor == pytest.approx(1.5)
    assert 7 <= kernel.asked <= 13


def test_a_program_that_waits_for_its_processor_is_not_slow(kernel: Kernel):
    kernel.waits = True
    kernel.goes_on(60)
    assert kernel.pace.factor == pytest.approx(1.0)


def test_what_was_measured_long_ago_is_forgotten(kernel: Kernel):
    kernel.goes_on(30)
    kernel.each_ns = 600
    kernel.goes_on(80)
    assert kernel.pace.factor == pytest.approx(2.0)


def test_a_few_calls_say_nothing(kernel: Kernel):
    kernel.each_ns, kernel.calls_in_reading = 3000, 20
    kernel.goes_on(60)
    assert kernel.pace.factor == 1.0


def test_where_the_kernel_refuses_nothing_changes(kernel: Kernel):
    kernel.refused, kernel.each_ns = True, 3000
    kernel.goes_on(60)
    assert kernel.pace.factor == 1.0
