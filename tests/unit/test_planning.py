"""Several processes are planned, and none stays open that cannot be."""

from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.session import planning
from ebpftrace.session.planning import plan_all


class One:
    """A process, and what is traced of it."""

    def __init__(self, name: str) -> None:
        self.pid = self.name = name
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _traced(monkeypatch: pytest.MonkeyPatch) -> None:
    def traced(process: One, _pools: object, **_options: object) -> Any:
        if process.name == "bad":
            raise CannotAttach("bad has no allocator.")
        return SimpleNamespace(process=process, close=process.close)

    monkeypatch.setattr(planning, "Traced", traced)


def test_those_that_can_be_are_planned_in_turn_and_the_others_closed():
    one, bad, two = processes = [One("one"), One("bad"), One("two")]
    said: list[str] = []
    planned, failures = plan_all(processes, said.append)  # type: ignore[arg-type]
    assert [str(each.process.pid) for each in planned] == ["one", "two"]
    assert [str(failure) for failure in failures] == ["bad has no allocator."]
    assert [each.closed for each in (one, bad, two)] == [False, True, False]
    assert len(said) == 3


def test_giving_up_closes_all_of_them():
    processes = [One("one"), One("two"), One("three")]
    steps = iter([None, KeyboardInterrupt()])

    def step(_: str) -> None:
        if (error := next(steps)) is not None:
            raise error

    with pytest.raises(KeyboardInterrupt):
        plan_all(processes, step)  # type: ignore[arg-type]
    assert all(each.closed for each in processes)


def test_none_are_none():
    assert plan_all([], lambda _: None) == ([], [])
