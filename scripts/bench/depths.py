"""What longer stacks cost at the start: the verifier follows a walk frame by frame.

Compiled for each depth, as --stack-depth does, and loaded as each back end needs it.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from ebpftrace.kernel.backends import Backend, Placement, ProgramName
from ebpftrace.kernel.btf import kernel_function
from ebpftrace.kernel.programs import Programs, start_compiling
from ebpftrace.kernel.sizes import available_bytes, choose
from scripts.bench.figures import Section, Spread, as_figures, narrate, table, wide

DEPTHS = (48, 96, 127)
_COOKIE = 0


@dataclass(frozen=True, slots=True)
class Load:
    """One load: s until probes can be placed.

    `verified`: instructions that the verifier went through; None where the kernel does not tell.
    `depth`: frames that it let walks have.
    """

    load_s: float
    verified: int | None
    depth: int


def verified_instructions(programs: Sequence[int]) -> int | None:
    """Of loaded programs together (`verified_insns` of fdinfo, aba64c7da983, 5.16); None before."""
    total = 0
    for program in programs:
        lines = Path(f"/proc/self/fdinfo/{program}").read_text().splitlines()
        told = [int(line.split()[1]) for line in lines if line.startswith("verified_insns:")]
        if not told:
            return None
        total += told[0]
    return total


def _names(backend: Backend) -> tuple[ProgramName, ...]:
    return ("session",) if backend == "session" else ("enter", "leave")


def _load(backend: Backend, depth: int) -> Load:
    compiled = start_compiling(choose(available_bytes()), depth).result()
    programs = Programs(compiled, depth, kernel_function)
    try:
        start = time.monotonic()
        for name in _names(backend):
            programs.uprobe(Placement(backend, name, -1, (), (_COOKIE,), name))
        end = time.monotonic()
        return Load(end - start, verified_instructions(programs.loaded()), programs.depth)
    finally:
        programs.close()


def measure(times: int, back_ends: Sequence[str]) -> Section:
    """Load everything `times` at each depth, by each back end."""
    found: dict[tuple[str, int], list[Load]] = {}
    for number in range(times):
        narrate("overhead", f"load times, {number + 1} of {times}")
        for backend in back_ends:
            for depth in DEPTHS:
                loads = found.setdefault((backend, depth), [])
                loads.append(_load(cast(Backend, backend), depth))
    rows = [
        (
            f"{backend}, {depth}",
            str(loads[-1].depth),
            wide(_load_s(loads), 2),
            _count(loads[-1].verified),
        )
        for (backend, depth), loads in found.items()
    ]
    heads = ("asked for", "got", "s to load", "instructions")
    head = "Frames of a stack at most, and what the verifier takes for them"
    figures = [
        {
            "backend": backend,
            "frames": depth,
            "load_s": as_figures(_load_s(loads)),
            "loads": [asdict(load) for load in loads],
        }
        for (backend, depth), loads in found.items()
    ]
    return Section("depths", f"{head}\n{table(heads, rows)}", figures)


def _load_s(loads: Sequence[Load]) -> Spread | None:
    return Spread.of(load.load_s for load in loads)


def _count(instructions: int | None) -> str:
    return "-" if instructions is None else f"{instructions:,}"
