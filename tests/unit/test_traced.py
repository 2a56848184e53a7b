from typing import cast

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.session import traced
from ebpftrace.target.process import Process
from tests.unit.elf_builder import Elf
from tests.unit.space_builders import StubProcess, mapping, module_of


def test_a_process_that_cannot_be_planned_keeps_no_file_open(monkeypatch):
    def refuse(*unused):
        raise CannotAttach("No allocator.")

    with module_of(Elf([]), mapping()) as module:
        monkeypatch.setattr(traced, "open_modules", lambda _: (module,))
        monkeypatch.setattr(traced, "plan", refuse)
        with pytest.raises(CannotAttach):
            traced.Traced(cast(Process, StubProcess()))
        assert module.fd == -1
