from types import SimpleNamespace
from typing import cast

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.session import traced
from ebpftrace.target.process import Process
from tests.unit.elf_builder import Elf
from tests.unit.space_builders import StubProcess, mapping, module_of


def test_a_process_that_cannot_be_planned_keeps_no_file_open(monkeypatch):
    def refuse(*_unused, **_named):
        raise CannotAttach("No allocator.")

    with module_of(Elf([]), mapping()) as module:
        monkeypatch.setattr(traced, "open_modules", lambda _: (module,))
        monkeypatch.setattr(traced, "plan", refuse)
        with pytest.raises(CannotAttach):
            traced.Traced(cast(Process, StubProcess()))
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
