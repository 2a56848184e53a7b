"""The probes for one process, as data that can be printed before anything is attached.

Owns their order and the reason why there are none. Leaves attaching them to `kernel`.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.probes import exceptions, go, mappings, patched, pool_places
from ebpftrace.probes.code import Part, parts_of, ranges
from ebpftrace.probes.decode import MOST_CODE, Choice, Cost, choose
from ebpftrace.probes.definitions import Definition, Found, find, lacking, unseen
from ebpftrace.probes.exits import Exit
from ebpftrace.probes.families import Family
from ebpftrace.probes.functions import Function
from ebpftrace.probes.ifuncs import chosen
from ebpftrace.probes.jumps import joined
from ebpftrace.probes.pools import FAMILY_ID as POOL
from ebpftrace.probes.pools import Pools
from ebpftrace.probes.ranges import Range
from ebpftrace.probes.refusal import Refusal
from ebpftrace.target.code_names import CodeNames, looked_for, names_of
from ebpftrace.target.modules import Module, ModuleKey
from ebpftrace.target.process import Process
from ebpftrace.target.text import LiveText

Kind = Literal["entry", "return", "exit"]

_ATTACH_ORDER = {"death": 0, "resize": 1, "birth": 2}
EXIT_REASON = "an exception may pass it, so its exits are probed and not its return"
_PADDING = b"\x00\x90\xcc"
_WITHOUT_PROBES = "attach --mode growth shows which code of any program takes fresh memory."
_NOBODYS = mappings.Whose()
_NO_POOLS = Pools()
_MOST_CHOICES = 4096
_known_choices: dict[tuple[tuple[int, int, int, int], Definition], Choice] = {}
"""Where in a function its probe is, by the identity of the file: workers of a server run the same files."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One breakpoint that serves one `function`: at byte `offset` of the file of `module`.

    `names`: every allocator name the file gives the function. `image_address` is its first byte,
    `moved` the bytes from there to the `instruction` under the breakpoint, `symbol_size` its size.
    `registers`: as of `Choice`. An "exit" (`leaves`) stands for the return of a function through which an
    exception may pass; its entry says `by_exits`.
    """

    function: Function
    family: Family
    names: tuple[str, ...]
    module: Module
    kind: Kind
    image_address: ImageAddress
    offset: FileOffset
    moved: int
    symbol_size: int
    instruction: str
    cost: Cost
    reason: str
    registers: tuple[tuple[int, int], ...] = ()
    leaves: Exit | None = None
    by_exits: bool = False

    @property
    def place(self) -> tuple[ModuleKey, FileOffset, Kind]:
        """What no other probe of the process has."""
        return self.module.key, self.offset, self.kind

    @property
    def of_birth(self) -> bool:
        """Is it of no use while births are not recorded?"""
        return self.function.role == "birth" and self.family is not mappings.MMAP

    @property
    def of_death(self) -> bool:
        """Is it where a block of an allocator is freed?"""
        return self.function.role == "death" and self.family is not mappings.MMAP


@dataclass(frozen=True, slots=True)
class Plan:
    """What to attach, in this order; `notes` are sentences for the user about what is left out.

    `families`: names of allocators, each once. `code`: the allocators' own, by which a free that is
    called from inside an allocator is told from the program's. `refusals`: which of the notes say that a
    probe could hurt the program; `undecided`: which may be true no longer in a moment. `whose`: by what
    mappings are told apart, but for that code.
    """

    probes: tuple[Probe, ...]
    families: tuple[str, ...]
    notes: tuple[str, ...]
    code: tuple[Part, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    undecided: tuple[str, ...] = ()
    whose: mappings.Whose = _NOBODYS

    def code_ranges(self, loaded: Collection[Module] | None = None) -> tuple[Range, ...]:
        """Where it is, [start, end), in modules that are `loaded`; at most 32, ascending.

        Without libraries that are more than an allocator: of what those free some is older than a
        watch that did not see the program's start.
        """
        return ranges(self.code, ("function", "allocator"), loaded)

    def libraries(self, loaded: Collection[Module] | None = None) -> tuple[Range, ...]:
        """The same with them."""
        return ranges(self.code, ("function", "allocator", "library"), loaded)

    @property
    def has_pools(self) -> bool:
        """Are functions of pools among those that are probed?"""
        return any(probe.family.id == POOL for probe in self.probes)

    @property
    def layered(self) -> bool:
        """May a function that frees do it by another one: of another file, or one like operator delete?"""
        deaths = [
            probe
            for probe in self.probes
            if probe.function.role == "death" and probe.family is not mappings.MMAP
        ]
        several = len({id(probe.module) for probe in deaths}) > 1
        return several or any(probe.function.yields for probe in deaths)

    def beside(self, before: "Plan") -> "Plan":
        """What this plan, made later of the same process, has and `before` has not."""
        places = {probe.place for probe in before.probes}
        return Plan(
            tuple(probe for probe in self.probes if probe.place not in places),
            tuple(name for name in self.families if name not in before.families),
            tuple(note for note in self.notes if note not in before.notes),
            tuple(part for part in self.code if part not in before.code),
            tuple(each for each in self.refusals if each not in before.refusals),
            self.undecided,
            self.whose,
        )

    def extended(self, new: "Plan") -> "Plan":
        """This plan and `new`, which is beside it, in the order of attaching."""
        decided = set(self.undecided) - set(new.undecided)
        return Plan(
            tuple(sorted((*self.probes, *new.probes), key=_turn)),
            (*self.families, *new.families),
            (*(note for note in self.notes if note not in decided), *new.notes),
            (*self.code, *new.code),
            (*self.refusals, *new.refusals),
            new.undecided,
            self.whose,
        )


def plan(
    process: Process,
    modules: Sequence[Module],
    live: LiveText | None = None,
    pools: Pools = _NO_POOLS,
    *,
    only_mappings: bool = False,
) -> Plan:
    """The probes for `process`, whose modules these are: every definition, hit or not.

    `only_mappings`: those of the family mmap, if there are any, and no failure where there is nothing.

    Deaths come first, then resizes, then births: the other way round, a block that is allocated
    and freed while probes are attached would stay in the picture for ever. Of a pair the return
    comes first: alone it finds no record and does nothing, but an entry alone leaves records that
    nothing takes out. CannotAttach where no module defines an allocator that may be probed. `live`
    is opened where it is not given. `pools`: such as the user has named.
    """
    notes = [f"{m.name} was not searched: {m.why}." for m in modules if m.image is None]
    probes: list[Probe] = []
    undecided: list[str] = []
    code: list[Part] = []
    with live or LiveText(process) as text, ExitStack() as opened:
        names = {
            id(module): opened.enter_context(names_of(process, module))
            for module in modules
            if _is_the_program(module, process)
        }
        found, refusals = _harmless(modules, names, text)
        of_mappings = mappings.find(modules, found, names)
        whose = mappings.whose(of_mappings)
        taken = {(one.module.key, d.offset) for one in found for d in one.definitions}
        places = pool_places.find(process, modules, pools, names, taken)
        of_pools, from_go = go.refuse(places.found)
        notes += places.notes
        refusals += from_go
        if only_mappings:  # what an allocator maps is not told apart: nothing else of it is watched
            notes, refusals, whose = [], [], replace(whose, inner=())
        for each in of_mappings if only_mappings else (*found, *of_pools, *of_mappings):
            placed = {d: _choose(each, d) for d in each.definitions}
            kept, patches = patched.refuse(each, placed, text)
            leaving, from_throws = exceptions.leaving(kept, _entries(kept, placed), text)
            kept = replace(kept, definitions=tuple(leaving))
            refusals += (*patches, *from_throws)
            for definition, exits in leaving.items():
                probes += _probes(kept, definition, placed[definition], exits)
            if each in found:
                notes += (*kept.notes, *lacking(kept, found), *unseen(kept, modules))
                undecided += kept.undecided
            if each not in of_mappings:
                code += parts_of(kept, process)
        if text.why and probes:
            why = f"The code in memory was not compared with the files: {text.why}."
            refusals.append(Refusal("patched code", why))
    notes += [refusal.sentence for refusal in refusals]
    if not only_mappings and all(probe.family is mappings.MMAP for probe in probes):
        raise CannotAttach(_why_none(process, modules, refusals, notes))
    probes = joined(probes, everything=not refusals and not undecided)
    families = tuple(dict.fromkeys(p.family.name for p in probes if p.family is not mappings.MMAP))
    probes.sort(key=_turn)
    return Plan(
        tuple(probes),
        families,
        tuple(notes),
        tuple(code),
        tuple(refusals),
        tuple(undecided),
        whose,
    )


def _turn(probe: Probe) -> int:
    return _ATTACH_ORDER[probe.function.role]


def _is_the_program(module: Module, process: Process) -> bool:
    return os.fsencode(module.name) == os.fsencode(process.exe)


def _harmless(
    modules: Sequence[Module], names: Mapping[int, CodeNames | None], live: LiveText
) -> tuple[tuple[Found, ...], list[Refusal]]:
    """What the modules define, without what could hurt the program whatever its memory holds."""
    everything = tuple(
        each
        for module in modules
        for each in find(module, names.get(id(module)), partial(chosen, module, modules, live))
    )
    no_go, from_go = go.refuse(everything)
    kept, from_exceptions = exceptions.refuse(no_go, modules)
    return kept, [*from_go, *from_exceptions]


def _entries(found: Found, placed: Mapping[Definition, Choice]) -> frozenset[ImageAddress]:
    """The addresses of the instructions that get probes of entries."""
    return frozenset(ImageAddress(d.address + placed[d].offset) for d in found.definitions)


def _probes(
    found: Found, definition: Definition, choice: Choice, exits: tuple[Exit, ...] | None
) -> Iterator[Probe]:
    """`exits`: None of a function whose return is probed, or does not matter."""
    entry = Probe(
        function=definition.function,
        family=found.family,
        names=definition.names,
        module=found.module,
        kind="entry",
        image_address=definition.address,
        offset=FileOffset(definition.offset + choice.offset),
        moved=choice.offset,
        symbol_size=definition.size,
        instruction=choice.instruction,
        cost=choice.cost,
        reason=choice.reason,
        registers=choice.registers,
        by_exits=exits is not None,
    )
    image = found.module.image
    for place in exits or ():
        offset = image.file_offset(place.address) if image else None
        if offset is not None:
            yield replace(
                entry,
                kind="exit",
                offset=offset,
                moved=place.address - definition.address,
                instruction=place.instruction,
                cost=place.cost,
                reason=EXIT_REASON,
                leaves=place,
            )
    if exits is None and definition.function.returns:
        yield replace(entry, kind="return")
    yield entry


def _choose(found: Found, definition: Definition) -> Choice:
    """Of a file that is the same as before what was found then: two thirds of the time of a plan."""
    identity = found.module.identity
    if identity is None:
        return _chosen_now(found, definition)
    key = identity, definition
    known = _known_choices.get(key)
    if known is None:
        if len(_known_choices) >= _MOST_CHOICES:
            _known_choices.clear()
        known = _known_choices[key] = _chosen_now(found, definition)
    return known


def _chosen_now(found: Found, definition: Definition) -> Choice:
    image, names = found.module.image, found.names
    if image is None or names is None:
        return Choice(0, "", "unknown", "the file was closed")
    code = image.read(definition.offset, min(definition.size, MOST_CODE))
    if not definition.stated:
        code = code.rstrip(_PADDING)
    size = ImageAddress(definition.address + definition.size)
    return choose(
        code,
        definition.address,
        image.machine,
        definition.function.arguments,
        names.starts_between(definition.address, size),
        whole=definition.size <= MOST_CODE,
    )


def _why_none(
    process: Process, modules: Sequence[Module], refusals: Sequence[Refusal], notes: Sequence[str]
) -> str:
    """Why there is nothing to probe: what was left out, else what the executable is."""
    who = f"Process {process.pid} ({process.comm}) cannot be traced"
    if process.runs_another_program():  # then nothing that was read fits together
        return f"{who}: it has begun to run another program meanwhile. Try again."
    if refusals:
        why = [f"{who}.", *(refusal.sentence for refusal in refusals[:3])]
    else:
        why = [f"{who}: {_why_nothing_is_found(process, modules)}", *notes[:3]]
    return " ".join([*why, _WITHOUT_PROBES])


def _why_nothing_is_found(process: Process, modules: Sequence[Module]) -> str:
    executable = next((module for module in modules if _is_the_program(module, process)), None)
    image = executable.image if executable else None
    if image is not None and go.is_go(image):
        return (
            "it is a Go program without a C library, and Go's own allocator is not one that "
            "ebpftrace can watch; the program's pprof heap profile says what it holds."
        )
    if image is not None and not image.interpreted and not any(True for _ in image.functions()):
        return (
            "it is statically linked and stripped, so nothing says where its malloc is; run a build "
            "that keeps its symbols (strip --strip-debug is enough), or put its debug file where "
            f"it is looked for: {looked_for(image)}."
        )
    return (
        f"none of its {len(modules)} mapped files defines malloc or another allocator "
        "function that ebpftrace knows."
    )
