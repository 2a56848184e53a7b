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
from ebpftrace.probes.families import FAMILIES
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

    @property
    def returns(self) -> bool:
        return self.program == "leave"


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
        return [_placement(backend, _program(p.kind), [p], slot, second) for p in probes]
    found = []
    for module in dict.fromkeys(id(probe.module) for probe in probes):
        here = [probe for probe in probes if id(probe.module) == module]
        entries = [probe for probe in here if probe.kind == "entry"]
        if backend == "session":
            found.append(_placement(backend, "session", entries, slot, second))
            continue
        returns = [probe for probe in here if probe.kind == "return"]
        if returns:
            found.append(_placement(backend, "leave", returns, slot, second))
        found.append(_placement(backend, "enter", entries, slot, second))
    return found


def of_loader(file: int, offset: FileOffset, name: str, backend: Backend) -> Placement:
    """What tells of libraries that the loader `name` maps; see `on_loaded` of bpf/lifecycle.h."""
    # A session would be called at the return as well. Where there are sessions there are links.
    held: Backend = "perf" if backend == "perf" else "multi"
    return Placement(held, "on_loaded", file, (offset,), (0,), f"the loader {name}")


def _program(kind: Kind) -> ProgramName:
    return "leave" if kind == "return" else "enter"


def _placement(
    backend: Backend, program: ProgramName, probes: Sequence[Probe], slot: Slot, second: bool
) -> Placement:
    return Placement(
        backend=backend,
        program=program,
        file=probes[0].module.fd,
        offsets=tuple(probe.offset for probe in probes),
        cookies=tuple(_cookie(probe, slot, second) for probe in probes),
        names=f"{_listed(probe.function.name for probe in probes)} in {probes[0].module.name}",
    )


def _cookie(probe: Probe, slot: Slot, second: bool) -> int:
    return layout.cookie(
        slot,
        probe.function.shape.value,
        probe.function.id,
        FAMILIES.index(probe.family),
        zero_frees=probe.family.zero_realloc_frees,
        second=second,
    )


def _listed(names: Iterable[str]) -> str:
    different = list(dict.fromkeys(names))
    if len(different) == 1:
        return different[0]
    return f"{', '.join(different[:-1])} and {different[-1]}"
