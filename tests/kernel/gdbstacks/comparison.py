"""gdb's stacks against the tool's, frame by frame, and the table that says how it went.

Pure: stops and a picture in, figures out. A stack of gdb's matches where the tool has one of the same
allocator function with the same return addresses from its caller to the outermost frame. A malloc of
gdb's may be a realloc of the tool's: `realloc(NULL, n)` jumps to malloc, where gdb stops and cannot
see that any more. What is left out is left out for a reason that is counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.kernel.gdbstacks.stops import AllocatorCode, Stop
from tests.kernel.pictures import Picture, Site

LOWEST_CODE = 0x1000
"""Nothing is ever mapped below: an outermost frame there is the 0 or 1 that a thread starts with."""


class Call(NamedTuple):
    """An allocator function and the return addresses from its caller outward."""

    family: str
    function: str
    pcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Walked:
    """How the tool walked the allocations it saw; `guessed` is None where it does not tell."""

    allocations: int
    complete: int
    guessed: int | None
    truncated: int

    @classmethod
    def of(cls, picture: Picture) -> "Walked":
        sites = picture.sites
        known = any(site.raw["guessed"] is not None for site in sites)
        guessed = _allocations(site for site in sites if site.raw["guessed"])
        return cls(
            allocations=picture.allocated[0],
            complete=_allocations(site for site in sites if site.raw["complete"]),
            guessed=guessed if known else None,
            truncated=picture.loss("stack_truncated"),
        )

    @property
    def cut_early(self) -> int:
        """Neither complete nor as deep as the tool goes."""
        return max(self.allocations - self.complete - self.truncated, 0)

    def cells(self) -> list[str]:
        """Allocations, then the shares of them."""
        parts = (self.complete, self.guessed, self.truncated, self.cut_early)
        return [f"{self.allocations:,}", *(_share(part, self.allocations) for part in parts)]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One program. `left_out` counts gdb's stacks by why; `missing` are those the tool has not."""

    program: str
    language: str
    families: tuple[str, ...]
    depths: tuple[int, ...]
    matches: int
    missing: tuple[Call, ...]
    left_out: Counter[str]
    walked: Walked

    @property
    def compared(self) -> int:
        return self.matches + len(self.missing)

    @property
    def exact(self) -> bool:
        """Something was compared, and all of it matches."""
        return self.compared > 0 and not self.missing

    def cells(self) -> list[str]:
        """As HEADS has them."""
        reasons = "; ".join(f"{count} {why}" for why, count in self.left_out.items())
        return [
            self.program,
            self.language,
            " ".join(self.families) or "-",
            f"{min(self.depths)}-{max(self.depths)}" if self.depths else "-",
            str(self.compared + self.left_out.total()),
            reasons or "none",
            str(self.matches),
            _share(self.matches, self.compared),
            *self.walked.cells(),
        ]


HEADS = (
    "program",
    "language",
    "allocator",
    "depths",
    "gdb stacks",
    "left out",
    "exact",
    "share",
    "allocations",
    "complete",
    "guessed",
    "truncated",
    "cut early",
)


def compare(
    program: str,
    language: str,
    calls: Sequence[Call],
    left_out: Counter[str],
    picture: Picture,
) -> Comparison:
    """`picture`: the tool's last one of the same live process."""
    known = complete_calls(picture)
    missing = tuple(call for call in calls if call not in known)
    depths = tuple(len(call.pcs) for call in calls)
    return Comparison(
        program=program,
        language=language,
        families=tuple(sorted({call.family for call in calls})),
        depths=depths,
        matches=len(calls) - len(missing),
        missing=missing,
        left_out=left_out,
        walked=Walked.of(picture),
    )


def comparable(
    stops: Iterable[Stop], code: Sequence[AllocatorCode], depth: int
) -> tuple[list[Call], Counter[str]]:
    """What both could walk, and why the rest could not be: gdb stopped, or the tool must at `depth`."""
    calls: list[Call] = []
    left_out: Counter[str] = Counter()
    for stop in stops:
        call = as_call(stop, code)
        if stop.end is not None:
            left_out[f"gdb: {stop.end}"] += 1
        elif len(call.pcs) >= depth:
            left_out[f"{depth} frames or more"] += 1
        else:
            calls.append(call)
    return calls, left_out


def as_call(stop: Stop, code: Sequence[AllocatorCode]) -> Call:
    """The call that the program made: of realloc, where this malloc is one that realloc makes.

    AssertionError where the stop is in no allocator function.
    """
    pcs = stop.pcs
    if pcs and pcs[-1] < LOWEST_CODE:
        pcs = pcs[:-1]
    inner = next((part for part in code if part.start == stop.at), None)
    assert inner, f"gdb stopped at {stop.at:#x}, where no allocator function begins"
    # A call is before its return address, which may be the first byte of another function.
    for index in reversed(range(len(pcs))):
        outer = next((part for part in code if part.start <= pcs[index] - 1 < part.end), None)
        if outer:
            return Call(outer.family, outer.function, pcs[index + 1 :])
    return Call(inner.family, inner.function, pcs)


def complete_calls(picture: Picture) -> frozenset[Call]:
    """The stacks of the tool that reach the start of their thread; a realloc may be a malloc for gdb."""
    calls = {called(site) for site in picture.sites if site.raw["complete"]}
    calls |= {call._replace(function="malloc") for call in calls if call.function == "realloc"}
    return frozenset(calls)


def called(site: Site) -> Call:
    """What `site` calls; an inlined function has no return address of its own."""
    pcs = tuple(frame["address"] for frame in site.raw["frames"] if not frame["inlined"])
    return Call(site.raw["family"], site.raw["allocator"], pcs)


def describe(call: Call, picture: Picture) -> str:
    """Where `call`, which the tool has not, parts from the stack of the tool that follows it longest."""
    sites = picture.sites
    others = [other for other in map(called, sites) if other[:2] == call[:2]]
    nearest = max(
        (other.pcs for other in others), key=lambda pcs: _alike(pcs, call.pcs), default=()
    )
    same = _alike(nearest, call.pcs)
    names = {frame["address"]: frame["function"] for site in sites for frame in site.raw["frames"]}
    ours, theirs = (_outward(pcs[same : same + 4], names) for pcs in (nearest, call.pcs))
    return (
        f"{call.family} {call.function}: {same} frames alike of {len(call.pcs)}; "
        f"then gdb {theirs}, the tool {ours}"
    )


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many frames two stacks share before they part."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _outward(pcs: Sequence[int], names: dict[int, str | None]) -> str:
    return " < ".join(f"{pc:#x} {names.get(pc) or '?'}" for pc in pcs) or "ends"


def _allocations(sites: Iterable[Site]) -> int:
    return sum(site.allocated[0] for site in sites)


def _share(part: int | None, whole: int) -> str:
    """Per cent, rounded down, so that 100 means all of it; `-` where it is not known."""
    if part is None or not whole:
        return "-"
    return f"{part * 10_000 // whole / 100:.2f} %"
