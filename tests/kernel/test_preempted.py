"""Walks that find another one in the scratch of their processor, as on preemptible kernels.

That is forced: the scratch is told from outside that somebody is in it.
"""

import ctypes
import os
import struct

import pytest

from ebpftrace.kernel import syscalls
from ebpftrace.kernel.tables import possible_cpus
from tests.kernel.harness import Tracer, Workload
from tests.kernel.leftovers import bpf_objects
from tests.kernel.stacks import assert_whole
from tests.kernel.test_exactness import pairs_of

_MAP_GET_FD_BY_ID = 14
_INFO = struct.Struct("<6I16s")  # struct bpf_map_info, as far as it is asked for


class Scratch:
    """The map `walks` of a tool that was started since `before`."""

    def __init__(self, before: set[tuple[str, int]]) -> None:
        maps = [number for kind, number in bpf_objects() - before if kind == "map"]
        found = [there for *there, name in map(self._open, maps) if name == b"walks"]
        ((self.fd, self.size, self.entries),) = found

    @staticmethod
    def _open(number: int) -> tuple[int, int, int, bytes]:
        fd = syscalls.bpf(_MAP_GET_FD_BY_ID, struct.pack("<III", number, 0, 0))
        info = ctypes.create_string_buffer(_INFO.size)
        asked = struct.pack("<IIQ", fd, len(info), ctypes.addressof(info))
        syscalls.bpf(syscalls.OBJ_GET_INFO_BY_FD, asked)
        _, _, _, size, entries, _, name = _INFO.unpack(info)
        return fd, size, entries, name.rstrip(b"\0")

    def _element(self, command: int, index: int, value: ctypes.Array[ctypes.c_char]) -> None:
        key = ctypes.create_string_buffer(struct.pack("<I", index), 4)
        at = ctypes.addressof(key), ctypes.addressof(value)
        syscalls.bpf(command, struct.pack("<IIQQQ", self.fd, 0, *at, 0))

    def occupy(self, entries: int) -> None:
        """Nothing in the first `entries`, and one user each."""
        for index in range(entries):
            occupied = struct.pack("<Q", 1)
            self._element(
                syscalls.MAP_UPDATE, index, ctypes.create_string_buffer(occupied, self.size)
            )

    def untouched(self, entries: int) -> bool:
        """Are they as `occupy` left them?"""
        value = ctypes.create_string_buffer(self.size)
        for index in range(entries):
            self._element(syscalls.MAP_LOOKUP, index, value)
            if value.raw != struct.pack("<Q", 1).ljust(self.size, b"\0"):
                return False
        return True

    def close(self) -> None:
        os.close(self.fd)


@pytest.mark.oldkernel
def test_walks_beside_another_one_are_exact_and_whole_and_leave_its_scratch_alone():
    before = bpf_objects()
    with Workload("threads", 4, 8000) as target, Tracer(target, options=("--top", 0)) as tracer:
        scratch = Scratch(before)
        scratch.occupy(possible_cpus())
        target.phases()
        final = tracer.finish().final
        assert scratch.untouched(possible_cpus())
        scratch.close()
    blocks, size = pairs_of(4, 8000)
    assert final.allocated == final.freed == (blocks, size)
    assert final.held == (0, 0)
    assert final.faults.keys() <= {"stack_cut"}
    for site in final.sites:
        if site.complete:
            assert_whole(site, start=None)
    assert final.raw["stacks"]["whole"] >= 0.9 * blocks


def test_where_all_are_in_use_the_stack_is_lost_and_not_the_block():
    before = bpf_objects()
    with Workload("chain") as target, Tracer(target, options=("--top", 0)) as tracer:
        scratch = Scratch(before)
        scratch.occupy(scratch.entries)
        target.phases()
        final = tracer.finish().final
        scratch.close()
    assert final.loss("stack_unreadable") == final.allocated[0] == 620
    assert final.held[0] == 520
