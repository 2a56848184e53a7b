"""What this kernel can do, found by trying it, never by its version."""

import errno
import mmap
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from ebpftrace.host import trees
from ebpftrace.host.explain import refusal
from ebpftrace.kernel import syscalls
from ebpftrace.kernel.instructions import (
    NAMESPACE_IDS,
    RETURN_0,
    SAVED_REGISTERS,
    helper_call,
    map_load,
)
from ebpftrace.kernel.tables import Table

BPF_F_NO_PREALLOC, _BPF_F_MMAPABLE = 1, 1024
TRACEPOINTS = ("sched_process_exit", "sched_process_exec", "task_newtask")
"""The raw ones that tell of ends, of other programs and of children."""
_MAP_TYPE_ARRAY, _MAP_TYPE_RINGBUF = 2, 27


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


# --- only to be told: what needs one of these tries it by using it; OSError is a no ------------------


def batches() -> bool:
    """Are maps read and emptied many entries at a time (057996380a42, 5.6)?"""
    flags = BPF_F_NO_PREALLOC if maps_on_demand() else 0
    with _descriptor(syscalls.create_map(syscalls.MAP_TYPE_HASH, 8, 8, 1, flags)) as fd:
        table = Table(fd, 8, 8)
        table.update(b"some key", b"a value.")
        read = [(bytes(keys), bytes(values)) for keys, values in table.batches(1)]
        table.clear()
        return read == [(b"some key", b"a value.")] and table.lookup(b"some key") is None


def ring_buffers() -> bool:
    """457f44363a88, 5.8."""
    with _descriptor(syscalls.create_map(_MAP_TYPE_RINGBUF, 0, 0, mmap.PAGESIZE, 0)):
        return True


def mapped_arrays() -> bool:
    """May an array be mapped into our memory (fc9702273e2e, 5.5)?"""
    shape = (_MAP_TYPE_ARRAY, 4, 8, 1, _BPF_F_MMAPABLE)
    with _descriptor(syscalls.create_map(*shape)) as fd, mmap.mmap(fd, mmap.PAGESIZE):
        return True


def tracepoints() -> bool:
    """Raw ones (c4f6699dfcb8, 4.17), all that are wanted."""
    kind = syscalls.PROG_TYPE_RAW_TRACEPOINT
    with _descriptor(syscalls.load_program(kind, RETURN_0, "feature")) as program:
        for name in TRACEPOINTS:
            os.close(syscalls.open_raw_tracepoint(program, name))
    return True


def namespace_ids() -> bool:
    """Does a program know the pids of a pid namespace (b4490c5c4e02, 5.7)?"""
    return _loads(syscalls.PROG_TYPE_KPROBE, NAMESPACE_IDS)


def page_faults() -> bool:
    """May a program run at each page fault of a thread (0515e5999a46, 4.9)?"""
    kind = syscalls.PROG_TYPE_PERF_EVENT
    with (
        _descriptor(syscalls.load_program(kind, RETURN_0, "feature")) as program,
        _descriptor(syscalls.open_page_faults(threading.get_native_id())) as event,
    ):
        syscalls.set_program(event, program)
    return True


def misses() -> bool:
    """Does the kernel count the hits at which it ran no program (9ed9e9ba2337, 5.12)?"""
    kind = syscalls.PROG_TYPE_KPROBE
    with _descriptor(syscalls.load_program(kind, RETURN_0, "feature")) as program:
        return syscalls.program_misses(program) is not None


def run_time() -> bool:
    """Does it measure how long programs run (d46edd671a14, 5.8)?"""
    with _descriptor(syscalls.enable_run_time()):
        return True


def memory_is_of_groups() -> bool:
    """Is the memory of maps charged to a control group (3ac1f01b43b6, 5.11), or locked memory of its user?

    The limit of this process is 0 while that is tried.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, hard))
    try:
        with _descriptor(syscalls.create_map(_MAP_TYPE_ARRAY, 4, 8, 1, 0)):
            return True
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        return False
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (soft, hard))
