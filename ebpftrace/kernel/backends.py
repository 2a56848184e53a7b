"""The ways of the kernel to hold a probe, and which programs and links each takes. Pure.

`session`: a link holds a whole file, and one program has both ends of a call; an entry can decline
the return. `multi`: two links a file, one for entries and one for returns. `perf`: an event a
probe, on every kernel, and removed one by one at about 0.1 s each. All three keep calls in
`in_flight`, so that their totals are equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import layout
from ebpftrace.kernel.syscalls import ATTACH_TYPE_UPROBE_MULTI, ATTACH_TYPE_UPROBE_SESSION
from ebpftrace.model.ids import FileOffset, Slot
from ebpftrace.probes.mappings import MMAP
from ebpftrace.probes.plan import Kind, Probe

Backend = Literal["session", "multi", "perf"]
BACKENDS: tuple[Backend, ...] = ("session", "multi", "perf")
"""In this order. They cost the same; sessions can decline a return that would end the target, links
are gone at once, perf events are always there."""

ProgramName = Literal["enter", "leave", "session", "on_loaded"]
ATTACH_TYPES: dict[Backend, int] = {
    "session": ATTACH_TYPE_UPROBE_SESSION,
    "multi": ATTACH_TYPE_UPROBE_MULTI,
    "perf": 0,
}


@dataclass(frozen=True, slots=True)
class Placement:
    """What one request to the kernel places: a program at `offsets` of the open file `file`.

    `names` says what is there, for a sentence about a failure.
    """

    backend: Backend
    program: ProgramName
    file: int
    offsets: tuple[FileOffset, ...]
    cookies: tuple[int, ...]
    names: str
    returns: bool = False


def first_usable(wanted: Backend | None, refused: Mapping[str, str]) -> Backend:
    """The back end that was `wanted`, else the first that is not `refused`. CannotAttach."""
    if wanted is None:
        return next((each for each in BACKENDS if each not in refused), "perf")
    if wanted in refused and wanted != "perf":  # that one says why when it is placed
        raise CannotAttach(f"--backend {wanted} cannot be used here: {refused[wanted]}.")
    return wanted


def placements(
    probes: Sequence[Probe], slot: Slot, backend: Backend, *, second: bool = False
) -> list[Placement]:
    """Everything to place for `probes`, in their order; `second` as in `layout.cookie`."""
    if backend == "perf":
        return [_placement(backend, [probe], slot, second) for probe in probes]
    found = []
    for module in dict.fromkeys(id(probe.module) for probe in probes):
        of_kind: dict[Kind, list[Probe]] = {"exit": [], "return": [], "entry": []}
        for probe in probes:
            if id(probe.module) == module:
                of_kind[probe.kind].append(probe)
        if backend == "session":  # it sees returns as well, and entries and exits are two things
            of_kind["return"] = []
        found += [_placement(backend, those, slot, second) for those in of_kind.values() if those]
    return found


def of_loader(file: int, offset: FileOffset, name: str, backend: Backend) -> Placement:
    """What tells of libraries that the loader `name` maps; see `on_loaded` of bpf/lifecycle.h."""
    # A session would be called at the return as well. Where there are sessions there are links.
    held: Backend = "perf" if backend == "perf" else "multi"
    return Placement(held, "on_loaded", file, (offset,), (0,), f"the loader {name}")


def _placement(backend: Backend, probes: Sequence[Probe], slot: Slot, second: bool) -> Placement:
    """Of probes of one kind, in one file."""
    kind = probes[0].kind
    program: ProgramName = "session" if backend == "session" else "enter"
    return Placement(
        # A session would be called at the return of an exit as well; where there are sessions there are links.
        backend="multi" if backend == "session" and kind == "exit" else backend,
        program=program if kind == "entry" else "leave",
        file=probes[0].module.fd,
        offsets=tuple(probe.offset for probe in probes),
        cookies=tuple(_cookie(probe, slot, second) for probe in probes),
        names=f"{_listed(probe.function.name for probe in probes)} in {probes[0].module.name}",
        returns=kind == "return",
    )


def _cookie(probe: Probe, slot: Slot, second: bool) -> int:
    function, leaves = probe.function, probe.leaves
    low = layout.cookie(
        slot,
        "exit" if leaves else function.role,
        function.id,
        probe.family.id,
        zero_frees=probe.family.zero_realloc_frees,
        second=second,
        by_exits=probe.by_exits,
        yields=function.yields and probe.by_exits,
        mapping=probe.family is MMAP,
    )
    if leaves:
        return low | layout.exit_cookie(
            leaves.result, leaves.return_at, leaves.fp_at, leaves.condition
        )
    register, shape = dict(probe.registers), function.shape
    wanted = shape.size, shape.count, shape.pointer, shape.out
    found = (layout.NO_REGISTER if number is None else register[number] for number in wanted)
    return low | layout.entry_cookie(*found)


def _listed(names: Iterable[str]) -> str:
    different = list(dict.fromkeys(names))
    if len(different) == 1:
        return different[0]
    return f"{', '.join(different[:-1])} and {different[-1]}"
