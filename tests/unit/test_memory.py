"""Memory of another process, by its file or by process_vm_readv where that is refused."""

import os
from pathlib import Path

import pytest

from ebpftrace.model.ids import Tid
from ebpftrace.target.memory import Memory
from tests.unit.children import talking

SHOWS_BYTES = """
import ctypes
text = ctypes.create_string_buffer(b"what is in there")
print(ctypes.addressof(text), flush=True)
input()
"""


@pytest.mark.parametrize("by_file", [True, False])
def test_both_ways_give_the_same_bytes_and_nothing_where_nothing_is(by_file, monkeypatch):
    opened = os.open

    def refusing(path: str, flags: int) -> int:
        if path.endswith("/mem"):
            raise PermissionError(13, "Permission denied")
        return opened(path, flags)

    with talking(SHOWS_BYTES) as child:
        address = int(child.line())
        if not by_file:
            monkeypatch.setattr(os, "open", refusing)
        with Memory(f"/proc/{child.pid}", Tid(child.pid)) as memory:
            assert memory.read(address, 16) == b"what is in there"
            for nowhere in (0, 1, (1 << 64) - 1):
                assert memory.read(nowhere, 16) == b""
        assert memory.read(address, 16) == b""


def test_where_neither_is_permitted_it_is_an_error(monkeypatch):
    def refusing(path: str, _flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refusing)
    with talking("") as child:
        child.wait()
        with pytest.raises(PermissionError):
            Memory(f"/proc/{child.pid}", Tid(child.pid))


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        Memory(str(tmp_path), Tid(1))
