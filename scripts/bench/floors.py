"""What a tracer of malloc and free costs at least: empty programs at the places the plan chooses."""

import contextlib
import os
from collections.abc import Iterator

from ebpftrace.kernel import features, syscalls
from ebpftrace.kernel.instructions import RETURN_0, SIZE, instruction
from ebpftrace.probes.plan import Probe, plan
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process

_FLOOR = (("malloc", "entry"), ("malloc", "return"), ("free", "entry"))
_SESSION = syscalls.ATTACH_TYPE_UPROBE_SESSION
_SET_RESULT = 0xB4  # r0 = immediate
# An entry of a session that answers 1 wants no return (535a3692ba72).
_RETURN_1 = instruction(_SET_RESULT, 0, 0, 1) + RETURN_0[SIZE:]


@contextlib.contextmanager
def planned(pid: int) -> Iterator[tuple[Probe, ...]]:
    """The probes that the tool would place; their modules are open meanwhile."""
    with Process.open(pid) as process:
        modules = open_modules(process)
        try:
            yield plan(process, modules).probes
        finally:
            for module in modules:
                module.close()


def probed_addresses(pid: int) -> frozenset[int]:
    """Where breakpoints are in the process while the tool watches it."""
    with planned(pid) as probes:
        return frozenset(
            address for probe in probes for address in probe.module.address_of(probe.offset)
        )


def _floor_probes(probes: tuple[Probe, ...]) -> list[Probe]:
    return [probe for probe in probes if (probe.function.name, probe.kind) in _FLOOR]


def _hold(undo: contextlib.ExitStack, fd: int) -> int:
    undo.callback(os.close, fd)
    return fd


@contextlib.contextmanager
def floor(pid: int) -> Iterator[None]:
    """Three empty programs on perf events: what the kernel takes for the hits alone."""
    events = features.uprobe_events()
    with planned(pid) as probes, contextlib.ExitStack() as undo:
        program = _hold(undo, syscalls.load_program(syscalls.PROG_TYPE_KPROBE, RETURN_0, "floor"))
        for probe in _floor_probes(probes):
            bit = events.return_bit if probe.kind == "return" else None
            path = probe.module.attach_path
            event = _hold(undo, syscalls.open_uprobe(path, probe.offset, pid, events.type, bit))
            if features.attach_cookies():
                _hold(undo, syscalls.link_program(event, program, 0))
            else:
                syscalls.set_program(event, program)
        yield


@contextlib.contextmanager
def session_floor(pid: int) -> Iterator[None]:
    """An empty session on malloc, one that wants no return on free. OSError before 6.13."""
    with planned(pid) as probes, contextlib.ExitStack() as undo:
        for probe in _floor_probes(probes):
            if probe.kind == "return":
                continue
            code = RETURN_0 if probe.function.name == "malloc" else _RETURN_1
            kind = syscalls.PROG_TYPE_KPROBE
            program = _hold(undo, syscalls.load_program(kind, code, "floor", attach_type=_SESSION))
            path = probe.module.attach_path
            _hold(undo, syscalls.link_uprobes(program, path, [probe.offset], [0], pid, _SESSION))
        yield
