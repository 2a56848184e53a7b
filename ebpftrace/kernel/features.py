"""What this kernel can do, found by trying it, never by its version."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from ebpftrace.host import trees
from ebpftrace.host.explain import refusal
from ebpftrace.kernel import syscalls
from ebpftrace.kernel.instructions import RETURN_0, SAVED_REGISTERS, helper_call, map_load

BPF_F_NO_PREALLOC = 1


@dataclass(frozen=True, slots=True)
class UprobeEvents:
    """The perf event source of uprobes: its dynamic type, and the bit that means a return."""

    type: int
    return_bit: int


def uprobe_events() -> UprobeEvents:
    """HostRefuses where the kernel has no uprobe events (CONFIG_UPROBE_EVENTS)."""
    try:
        kind = int((trees.UPROBE_EVENTS / "type").read_text())
        bit = int((trees.UPROBE_EVENTS / "format" / "retprobe").read_text().split(":")[1])
    except (OSError, ValueError, IndexError) as error:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            raise refusal(error, "event", "The kernel's uprobe events cannot be read") from error
        raise trees.no_uprobe_events() from error
    return UprobeEvents(kind, bit)


@contextmanager
def _descriptor(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _loads(kind: int, code: bytes) -> bool:
    """EINVAL and EACCES are the verifier's answers; any other error is a CannotAttach."""
    try:
        os.close(syscalls.load_program(kind, code, "feature"))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EACCES):
            return False
        raise refusal(error, "program", "BPF programs cannot be loaded") from error
    return True


@lru_cache(maxsize=1)
def maps_on_demand() -> bool:
    """May tracing programs add to hash maps that are not preallocated (34dd3bad1a6f, 6.1)?

    Before, the kernel refuses it to perf event programs, and lets uprobe programs do it with a
    warning in its log, although it can deadlock.
    """
    try:
        fd = syscalls.create_map(syscalls.MAP_TYPE_HASH, 8, 8, 1, BPF_F_NO_PREALLOC)
    except OSError as error:
        raise refusal(error, "map", "BPF maps cannot be created") from error
    with _descriptor(fd):
        return _loads(syscalls.PROG_TYPE_PERF_EVENT, map_load(1, fd) + RETURN_0)


@lru_cache(maxsize=1)
def attach_cookies() -> bool:
    """Is there bpf_get_attach_cookie (7adfc6c9b315, 5.15)? It came together with the links."""
    return _loads(syscalls.PROG_TYPE_KPROBE, helper_call(174) + RETURN_0)


@lru_cache(maxsize=1)
def saved_registers() -> bool:
    """May a program of a perf event ask for what user mode has saved (dd6e10fbd9fb, 5.15)?"""
    return _loads(syscalls.PROG_TYPE_PERF_EVENT, SAVED_REGISTERS)
