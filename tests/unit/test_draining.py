"""When a watch drains, and how a picture tells of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.analysis import wording
from ebpftrace.model.picture import Drain
from ebpftrace.session.draining import Draining
from tests.unit.builders import picture


class Kernel:
    """Takes note of each switch; its clock is ten times that of pictures, in ns."""

    def __init__(self) -> None:
        self.switched: list[bool] = []
        self.switches = self
        self.now = 0

    def drain(self, *, on: bool) -> int:
        self.switched.append(on)
        return self.now


def draining(after: float | None = None) -> tuple[Kernel, Draining]:
    kernel: Any = Kernel()
    return kernel, Draining(kernel, after)


def test_nothing_is_told_of_it_where_it_never_was():
    kernel, one = draining()
    one.tick(1.0)
    assert one.state(1.0) is None
    assert one.records(5)
    assert kernel.switched == []


def test_it_begins_once_when_its_time_has_come():
    kernel, one = draining(after=2.0)
    one.tick(1.9)
    assert one.state(1.9) is None
    one.tick(2.5)
    one.tick(2.75)
    assert kernel.switched == [True]
    assert one.state(3.5) == Drain(2.5, 1.0)
    one.want(on=False)
    one.tick(4.5)
    one.tick(5.0)
    assert kernel.switched == [True, False]
    assert one.state(9.0) == Drain(None, 2.0)


def test_what_was_asked_for_last_is_done():
    kernel, one = draining()
    one.want(on=True)
    one.want(on=False)
    one.tick(1.0)
    assert kernel.switched == []
    one.want(on=True)
    one.tick(2.0)
    one.want(on=False)
    one.tick(3.0)
    one.want(on=True)
    one.tick(5.0)
    assert kernel.switched == [True, False, True]
    assert one.state(7.0) == Drain(5.0, 3.0)


def test_a_call_is_recorded_by_its_own_moment():
    kernel, one = draining()
    for moment, on in (100, True), (200, False), (300, True):
        kernel.now = moment
        one.want(on=on)
        one.tick(moment)
    recorded = [moment for moment in (99, 100, 199, 200, 299, 300, 999) if one.records(moment)]
    assert recorded == [99, 200, 299]


@pytest.mark.parametrize(
    "drain, words",
    [
        (None, ""),
        (Drain(10.0, 2.0), "  DRAINING for 2.0 s: only frees are recorded"),
        (Drain(None, 90.0), "  allocations not recorded for 1m 30s"),
    ],
)
def test_every_view_says_that_allocations_are_not_recorded(drain, words):
    made = SimpleNamespace(drain=drain, since_attach_s=12.0)
    assert wording.drained(made) == words  # type: ignore[arg-type]
    assert picture().drain is None
