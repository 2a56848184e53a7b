"""Probes as a plan would hold them, without a process; each test names what it is about."""

from types import SimpleNamespace
from typing import Any

from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.probes.decode import Cost
from ebpftrace.probes.families import FAMILIES
from ebpftrace.probes.plan import Kind, Probe

GLIBC = FAMILIES[0]


def module(name: str = "/libc.so", fd: int = 7) -> Any:
    """As much of a module as attaching asks for."""
    return SimpleNamespace(name=name, fd=fd)


def probe(
    function: str = "malloc",
    module: Any = None,
    kind: Kind = "entry",
    offset: int = 0x100,
    cost: Cost = "emulated",
) -> Probe:
    called = next(each for each in GLIBC.functions if each.name == function)
    return Probe(
        function=called,
        family=GLIBC,
        names=called.names,
        module=module or _MODULE,
        kind=kind,
        image_address=ImageAddress(offset),
        offset=FileOffset(offset),
        moved=0,
        symbol_size=100,
        instruction="push rbp",
        cost=cost,
        reason="first instruction is emulated",
        registers=tuple((n, (7, 6, 2)[n]) for n in called.arguments),
    )


_MODULE = module()
