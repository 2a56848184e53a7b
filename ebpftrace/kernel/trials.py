"""Tries each kind of call that attaching needs, on nothing of anybody's, for `doctor`.

The same calls fail in `attach` with the same words: both come from `host.explain`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ebpftrace.errors import CannotAttach
from ebpftrace.host import limits
from ebpftrace.host.check import Check, failed, note, ok, refused
from ebpftrace.host.explain import Call, refusal
from ebpftrace.kernel import features, syscalls
from ebpftrace.kernel.instructions import RETURN_0
from ebpftrace.kernel.sizes import available_bytes, choose, total_bytes
from ebpftrace.units import format_bytes

_COMPILER_BYTES = 150 << 20  # clang within the child, measured
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Kind in `bpf/`: number in enum bpf_map_type, size of key and value, entries.
MAP_KINDS = {
    "hash": (1, 8, 8, 1),
    "array": (2, 4, 8, 1),
    "prog_array": (3, 4, 4, 1),
    "percpu_array": (6, 4, 8, 1),
    "lru_hash": (9, 8, 4, 1),
    "ringbuf": (27, 0, 0, _PAGE),
}
_NOPS = b"\x90" * 16


@contextmanager
def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _trying(call: Call, doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise refusal(error, call, doing) from error


def _check(name: str, trial: Callable[[], str]) -> Check:
    try:
        return ok(name, trial())
    except CannotAttach as error:
        return refused(name, error)


def check_maps() -> Check:
    """The smallest map of each kind."""
    return _check("BPF maps", _maps)


def _maps() -> str:
    on_demand = features.maps_on_demand()
    for kind, (number, key, value, entries) in MAP_KINDS.items():
        flags = features.BPF_F_NO_PREALLOC if kind == "hash" and on_demand else 0
        with _trying("map", f"A BPF map ({kind}) cannot be created"):
            os.close(syscalls.create_map(number, key, value, entries, flags))
    how = "on demand" if on_demand else "allocated in advance, as kernels before 6.1 want it"
    return f"{', '.join(MAP_KINDS)} can be created; entries are {how}"


def check_programs() -> Check:
    """A program of each type, and a raw tracepoint."""
    return _check("BPF programs", _programs)


def _programs() -> str:
    cookies = features.attach_cookies()
    with (
        _trying("program", "A BPF program cannot be loaded"),
        _closing(_load(syscalls.PROG_TYPE_RAW_TRACEPOINT)) as program,
        _trying("tracepoint", "Cannot attach to the raw tracepoint sched_process_exit"),
    ):
        os.close(syscalls.open_raw_tracepoint(program, "sched_process_exit"))
    return (
        "uprobe and raw tracepoint programs load, "
        f"{'with' if cookies else 'without'} attach cookies (one program, or a copy a probe)"
    )


def _load(kind: int) -> int:
    return syscalls.load_program(kind, RETURN_0, "trial")


def check_uprobes() -> Check:
    """A uprobe on a file of our own in memory, which nobody has mapped: no breakpoint is set."""
    return _check("uprobes", _uprobes)


def _uprobes() -> str:
    events = features.uprobe_events()
    with _trying("event", "A uprobe cannot be placed"):
        file = os.memfd_create("ebpftrace-trial")
    with _closing(file):
        os.write(file, _NOPS)
        for bit in (None, events.return_bit):
            with _trying("event", "A uprobe cannot be placed"):
                path = f"/proc/self/fd/{file}"
                event = syscalls.open_uprobe(path, 0, os.getpid(), events.type, bit)
            with (
                _closing(event),
                _trying("program", "A BPF program cannot be bound to a uprobe"),
                _closing(_load(syscalls.PROG_TYPE_KPROBE)) as program,
            ):
                syscalls.set_program(event, program)
    return "entry and return probes can be placed"


def check_locked_memory() -> Check:
    """Only old kernels charge BPF to it, and root lifts it there."""
    name, most = "locked memory", limits.locked_bytes()
    if most is None:
        return ok(name, "no limit that BPF is held to")
    if most >= total_bytes(choose(available_bytes())):
        return ok(name, f"at most {format_bytes(most)}: enough for the maps")
    return failed(
        name,
        f"The maps take more than is allowed: {limits.locked_reason(most)}.",
        limits.RAISE_LOCKED,
    )


def check_memory() -> Check:
    """The maps that `attach` would make, and the compiler, which ends before they fill."""
    available = available_bytes()
    wanted = total_bytes(choose(available))
    found = f"{format_bytes(available)} available; the maps take up to {format_bytes(wanted)}"
    if available < wanted + _COMPILER_BYTES:
        return note("memory", f"{found}, the compiler about {format_bytes(_COMPILER_BYTES)}")
    return ok("memory", found)
