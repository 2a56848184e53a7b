"""Where in a process the functions of a user's pools are.

Owns finding them by symbol, local ones too, and by the name that their source has. Every definition is
probed, in every mapped file. Leaves how their returns are seen to `exceptions`.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from ebpftrace.model.ids import FileOffset
from ebpftrace.probes.definitions import MOST_DEFINITIONS, Definition, Found, definitions_of
from ebpftrace.probes.exceptions import any_throws, thrower
from ebpftrace.probes.functions import Function
from ebpftrace.probes.pools import Pools, is_as_in_source, option
from ebpftrace.target.code_names import CodeNames
from ebpftrace.target.modules import Module, ModuleKey
from ebpftrace.target.process import Process

_MOST_CANDIDATES = 2000
_MOST_NAMES = 30_000  # that are compared with one that nobody defines: 0.1 s
_MOST_NEAR = 3
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Names = Mapping[int, CodeNames | None]
"""What names the code of a module besides its own file, by `id`."""


@dataclass(frozen=True, slots=True)
class Places:
    """The functions of pools in one process; `notes`: sentences about those that are not there."""

    found: tuple[Found, ...] = ()
    notes: tuple[str, ...] = ()


def defines(module: Module, pools: Pools) -> bool:
    """Does it define a function of a pool?"""
    return _found(module, None, pools, []) is not None


def find(
    process: Process,
    modules: Sequence[Module],
    pools: Pools,
    names: Names,
    taken: Collection[tuple[ModuleKey, FileOffset]],
) -> Places:
    """Those that `modules` define; not at places that are `taken` by other allocators."""
    if not pools:
        return Places()
    notes: list[str] = []
    kept = []
    for module in modules:
        found = _found(module, names.get(id(module)), pools, notes)
        if found is None:
            continue
        free = tuple(d for d in found.definitions if (module.key, d.offset) not in taken)
        notes += (
            f"{d.names[0]} of {module.name} is watched without being named."
            for d in found.definitions
            if d not in free
        )
        if len(free) > MOST_DEFINITIONS:
            notes.append(
                f"{module.name} defines {len(free)} functions of pools; only the first "
                f"{MOST_DEFINITIONS} are probed."
            )
        kept.append(_that_throw(replace(found, definitions=free[:MOST_DEFINITIONS]), modules))
    notes += _missing(process, modules, pools, names, kept)
    notes += _without_end(pools, kept)
    return Places(tuple(kept), tuple(notes))


def _found(module: Module, names: CodeNames | None, pools: Pools, notes: list[str]) -> Found | None:
    image = module.image
    if image is None:
        return None
    names = names or CodeNames(image)
    functions = tuple(_resolved(module, names, pools, one, notes) for one in pools.functions)
    family = replace(pools.family, functions=functions)
    wanted = {name for function in functions for name in function.names}
    symbols = [symbol for symbol in names.symbols(wanted) if not symbol.ifunc]
    definitions = tuple(definitions_of(image, names, family, symbols))
    return Found(module, family, definitions, names=names) if definitions else None


def _resolved(
    module: Module, names: CodeNames, pools: Pools, function: Function, notes: list[str]
) -> Function:
    """With the symbols of `module` that its source's name stands for."""
    if function.aliases or not is_as_in_source(function.name):
        return function
    wanted = _packed(function.name)
    spelled = _spelled(names, function.name, pools)
    exact = [symbol for symbol, name in spelled.items() if _packed(name) == wanted]
    if not exact:
        exact = [symbol for symbol, name in spelled.items() if _packed(_head(name)) == wanted]
        different = sorted({spelled[symbol] for symbol in exact})
        if len(different) > 1:
            notes.append(
                f"{function.name} may be each of {_listed(different)} in {module.name}: none of them is "
                "probed. Give the one that is meant with its arguments."
            )
            return function
    return replace(function, aliases=tuple(exact))


def _spelled(names: CodeNames, name: str, pools: Pools) -> dict[str, str]:
    """By symbol: the names of functions whose own name, without where they belong to, is that of `name`."""
    words = _WORD.findall(_without_template(_head(name)).rpartition("::")[2])
    if not words:
        return {}
    part = f"{len(words[-1])}{words[-1]}".encode()
    return {one: pools.demangled(one) for one in names.containing(part, _MOST_CANDIDATES)}


def _head(name: str) -> str:
    """Without its arguments."""
    end = name.rfind(")")
    depth = 0
    for at in range(end, -1, -1):
        depth += (name[at] == ")") - (name[at] == "(")
        if not depth:
            return name[:at]
    return name


def _without_template(name: str) -> str:
    depth = 0
    if not name.endswith(">"):
        return name
    for at in range(len(name) - 1, -1, -1):
        depth += (name[at] == ">") - (name[at] == "<")
        if not depth:
            return name[:at]
    return name


def _packed(name: str) -> str:
    """For a comparison: spaces matter between words only."""
    return re.sub(r"(?<=\W)\s+|\s+(?=\W)", "", " ".join(name.split()))


def _that_throw(found: Found, modules: Sequence[Module]) -> Found:
    """Through all functions of a file that can throw, or needs one that can, an exception may pass.

    Of others it is known only that the program has such code, which they may call back.
    """
    throws = thrower(found.module, modules) is not None
    if not throws and not any_throws(modules):
        return found
    return replace(
        found, definitions=tuple(_that_throws(each, throws) for each in found.definitions)
    )


def _that_throws(definition: Definition, surely: bool) -> Definition:
    if definition.function.role == "death":
        return definition
    function = replace(definition.function, throws=surely, may_throw=not surely)
    return replace(definition, function=function)


def _missing(
    process: Process,
    modules: Sequence[Module],
    pools: Pools,
    names: Names,
    found: Sequence[Found],
) -> Iterator[str]:
    there = {d.function.id for each in found for d in each.definitions}
    for function in pools.functions:
        if function.id in there:
            continue
        who = f"process {process.pid} ({process.comm})"
        data = next((m.name for m in modules if m.image and _is_data(m, function)), None)
        if data is not None:
            yield f"{function.name} of {data} is data, no function: it is not probed."
            continue
        near = _near(modules, names, pools, function)
        instead = f" Near it: {_listed(near)}." if near else ""
        yield (
            f"No file that {who} has mapped defines {function.name}, given by {option(function)}. A function "
            f"that is inlined wherever it is called, or whose file was stripped, has no symbol.{instead}"
        )


def _is_data(module: Module, function: Function) -> bool:
    image = module.image
    return image is not None and any(image.variable(name) is not None for name in function.names)


def _near(modules: Sequence[Module], names: Names, pools: Pools, function: Function) -> list[str]:
    """Names that are like that of `function`."""
    found: dict[str, None] = {}
    left = _MOST_NAMES
    for module in modules:
        if module.image is None:
            continue
        known = names.get(id(module)) or CodeNames(module.image)
        if is_as_in_source(function.name):
            spelled = list(_spelled(known, function.name, pools).values())
            found |= dict.fromkeys(get_close_matches(function.name, spelled, _MOST_NEAR, 0.3))
            continue
        every = known.containing(function.name[:3].encode(), left)
        left -= len(every)
        found |= dict.fromkeys(get_close_matches(function.name, every, _MOST_NEAR, 0.7))
    return get_close_matches(function.name, list(found), _MOST_NEAR, 0.3)


def _without_end(pools: Pools, found: Sequence[Found]) -> Iterator[str]:
    roles = {d.function.role for each in found for d in each.definitions}
    if "birth" not in roles or "death" in roles:
        return
    given = any(function.role == "death" for function in pools.functions)
    why = "none that was given by --free is there" if given else "no --free was given"
    yield (
        f"Nothing takes back what the pool gives: {why}. Its blocks stay in the picture, so it "
        "shows who allocates and not who leaks."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NEAR])
