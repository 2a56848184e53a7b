"""Walks that find another one in the scratch of their processor, as on preemptible kernels.

That is forced: the scratch says from outside that somebody is in it.
"""

import ctypes
import os
import struct
import time

import pytest

from ebpftrace.kernel import syscalls
from ebpftrace.kernel.tables import possible_cpus
from tests.kernel.harness import TIME_SCALE, Tracer, Workload
from tests.kernel.stacks import assert_whole
from tests.kernel.test_exactness import pairs_of
from tests.kernel.test_killed import bpf_objects

LOADED_S = 0.6 * TIME_SCALE  # what such walks run is loaded behind the first picture
_MAP_GET_FD_BY_ID = 14
_INFO = struct.Struct("<6I16s")  # struct bpf_map_info, as far as it is asked for


class Scratch:
    """The map `walks` of a tool that was started since `before`."""

    def __init__(self, before: set[tuple[str, int]]) -> None:
        maps = [number for kind, number in bpf_objects() - before if kind == "map"]
        found = [(fd, size) for fd, name, size in map(self._open, maps) if name == b"walks"]
        ((self.fd, self.size),) = found

    @staticmethod
    def _open(number: int) -> tuple[int, bytes, int]:
        fd = syscalls.bpf(_MAP_GET_FD_BY_ID, struct.pack("<III", number, 0, 0))
        info = ctypes.create_string_buffer(_INFO.size)
        asked = struct.pack("<IIQ", fd, len(info), ctypes.addressof(info))
        syscalls.bpf(syscalls.OBJ_GET_INFO_BY_FD, asked)
        _, _, _, size, _, _, name = _INFO.unpack(info)
        return fd, name.rstrip(b"\0"), (size + 7) & ~7

    def _element(self, command: int, value: ctypes.Array[ctypes.c_char]) -> None:
        key = ctypes.create_string_buffer(4)
        at = ctypes.addressof(key), ctypes.addressof(value)
        syscalls.bpf(command, struct.pack("<IIQQQ", self.fd, 0, *at, 0))

    def occupy(self) -> None:
        """Nothing in it, and one user, on every processor."""
        one = struct.pack("<Q", 1).ljust(self.size, b"\0")
        value = ctypes.create_string_buffer(one * possible_cpus(), self.size * possible_cpus())
        self._element(syscalls.MAP_UPDATE, value)

    def untouched(self) -> bool:
        """Is it as `occupy` left it?"""
        value = ctypes.create_string_buffer(self.size * possible_cpus())
        self._element(syscalls.MAP_LOOKUP, value)
        return value.raw == struct.pack("<Q", 1).ljust(self.size, b"\0") * possible_cpus()

    def close(self) -> None:
        os.close(self.fd)


@pytest.mark.oldkernel
def test_walks_beside_another_one_are_exact_and_whole_and_leave_its_scratch_alone():
    before = bpf_objects()
    with Workload("threads", 4, 8000) as target, Tracer(target, options=("--top", 0)) as tracer:
        scratch = Scratch(before)
        time.sleep(LOADED_S)
        scratch.occupy()
        target.phases()
        final = tracer.finish().final
        assert scratch.untouched()
        scratch.close()
    blocks, size = pairs_of(4, 8000)
    assert final.allocated == final.freed == (blocks, size)
    assert final.held == (0, 0)
    assert final.faults.keys() <= {"stack_cut"}
    for site in final.sites:
        if site.complete:
            assert_whole(site, start=None)
    assert final.raw["stacks"]["whole"] >= 0.9 * blocks


def test_walks_beside_another_one_without_a_program_for_them_cost_the_stack_and_not_the_block():
    before = bpf_objects()
    with Workload("chain") as target, Tracer(target, options=("--top", 0)) as tracer:
        scratch = Scratch(before)
        time.sleep(LOADED_S)
        scratch.occupy()
        _forget_leave_aside(before)
        target.phases()
        final = tracer.finish().final
        scratch.close()
    assert final.loss("stack_unreadable") == final.allocated[0] == 620
    assert final.held[0] == 520


def _forget_leave_aside(before: set[tuple[str, int]]) -> None:
    """Empty the program arrays of the tool."""
    for kind, number in bpf_objects() - before:
        if kind != "map":
            continue
        fd, _, _ = Scratch._open(number)
        key = ctypes.create_string_buffer(struct.pack("<I", 1), 4)
        attributes = struct.pack("<IIQQQ", fd, 0, ctypes.addressof(key), 0, 0)
        if _kind(fd) == 3:  # BPF_MAP_TYPE_PROG_ARRAY
            syscalls.bpf(syscalls.MAP_DELETE, attributes)
        os.close(fd)


def _kind(fd: int) -> int:
    info = ctypes.create_string_buffer(_INFO.size)
    asked = struct.pack("<IIQ", fd, len(info), ctypes.addressof(info))
    syscalls.bpf(syscalls.OBJ_GET_INFO_BY_FD, asked)
    kind: int = _INFO.unpack(info)[0]
    return kind
