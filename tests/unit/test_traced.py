from types import SimpleNamespace
from typing import cast

import pytest

from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.session import traced
from ebpftrace.target.process import Process
from tests.unit.elf_builder import Elf
from tests.unit.space_builders import StubProcess, mapping, module_of


class Refused(StubProcess):
    """One without an allocator, which ends while that is found out."""

    def __init__(self, ended: bool) -> None:
        super().__init__()
        self._ended = ended

    def check(self) -> None:
        if self._ended:
            raise TargetGone("Process 7 has ended.")


@pytest.mark.parametrize("ended, said", [(False, "No allocator."), (True, "Process 7 has ended.")])
def test_a_process_that_cannot_be_planned_keeps_no_file_open(monkeypatch, ended, said):
    def refuse(*_unused, **_named):
        raise CannotAttach("No allocator.")

    with module_of(Elf([]), mapping()) as module:
        monkeypatch.setattr(traced, "open_modules", lambda _: (module,))
        monkeypatch.setattr(traced, "plan", refuse)
        with pytest.raises(CannotAttach, match=said):
            traced.Traced(cast(Process, Refused(ended)))
        assert module.fd == -1


def test_what_grew_while_the_probes_were_placed_is_no_growth_since_attach(monkeypatch):
    process = cast(Process, StubProcess())
    sizes = iter([1000, 5000, 5700])
    about = {"comm": "app", "exe": "/app", "rss_bytes": lambda: next(sizes)}
    for name, value in about.items():
        monkeypatch.setattr(process, name, value, raising=False)
    monkeypatch.setattr(traced, "open_modules", lambda _: ())
    monkeypatch.setattr(traced, "plan", lambda *_, **__: SimpleNamespace(families=()))
    monkeypatch.setattr(traced, "loader_of", lambda *_, **__: None)
    monkeypatch.setattr(traced, "TargetRoot", SimpleNamespace(open=lambda _: None))
    target = traced.Traced(process)
    target.grows_from_here()
    seen = target.as_target()
    assert (seen.rss_bytes, seen.rss_growth_bytes) == (5700, 700)
