"""What the user says of pools of his own: functions that give, resize and take blocks.

Owns the words of --alloc, --realloc and --free. Leaves where in a process these functions are to
`pool_places`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ebpftrace.errors import UsageError
from ebpftrace.probes.families import ALL_NAMES, Family
from ebpftrace.probes.functions import Function, Role, Shape
from ebpftrace.probes.mappings import MAPPING_FUNCTIONS
from ebpftrace.text import clean

FAMILY_ID = 32
"""FAMILY_POOL of bpf/shared.h."""
FIRST_ID, LAST_ID = 128, 255
"""The numbers of their functions; those of known allocators are below."""
MOST_NAME = 1024
MOST_ARGUMENT = 5

_OPTIONS: dict[Role, str] = {"birth": "--alloc", "resize": "--realloc", "death": "--free"}
_EXAMPLES: dict[Role, str] = {
    "birth": "pool_get:size=arg1",
    "resize": "pool_resize:ptr=arg0,size=arg1",
    "death": "pool_put:ptr=arg0",
}
_KEYS: dict[Role, tuple[str, ...]] = {
    "birth": ("size", "count", "out"),
    "resize": ("ptr", "size", "count"),
    "death": ("ptr",),
}
_NEEDED: dict[Role, tuple[str, ...]] = {
    "birth": ("size",),
    "resize": ("ptr", "size"),
    "death": ("ptr",),
}
_ARGUMENT = re.compile(r"arg([0-9]{1,3})")
_MANGLED = re.compile(r"_Z|_R")
_KNOWN = ALL_NAMES.union(*(function.names for function in MAPPING_FUNCTIONS))


@dataclass(frozen=True, slots=True)
class Pools:
    """Functions of pools; `demangled` spells the name of a symbol as its source does.

    A function that is given as its source spells it has that as its name, and no symbol yet.
    """

    functions: tuple[Function, ...] = ()
    demangled: Callable[[str], str] = field(default=str, compare=False)

    @property
    def family(self) -> Family:
        """The family that all of them are."""
        # What is made of a resize to 0 bytes is not known: what it gives is believed.
        return Family(FAMILY_ID, "pool", (), self.functions, zero_realloc_frees=False)

    def __bool__(self) -> bool:
        return bool(self.functions)


def option(function: Function) -> str:
    """The option that names it."""
    return _OPTIONS[function.role]


def is_as_in_source(name: str) -> bool:
    """Is it spelled as in the source of C++ or Rust, and not as a symbol?"""
    return any(sign in name for sign in ("(", "::", " ", "<"))


def parsed(role: Role, text: str) -> Function:
    """What `text` says of one function; its number is still 0. UsageError."""
    name, colon, rest = text.rpartition(":")
    if not colon or name.endswith(":") or not rest.strip():  # the `::` of a name, for instance
        if not text.strip(":").strip():
            raise UsageError(f"it names no function; {_like(role)}")
        raise UsageError(f"{_said(text)} says nothing of its arguments; {_like(role)}")
    name = name.strip()
    _check_name(name)
    return Function(0, name, _shape(role, name, rest), yields=role == "death")


def pools(functions: Sequence[Function], demangled: Callable[[str], str]) -> Pools:
    """All that were given, numbered, named as in their sources. UsageError where they contradict each other."""
    if len(functions) > LAST_ID + 1 - FIRST_ID:
        raise UsageError(f"More than {LAST_ID + 1 - FIRST_ID} functions of pools were named.")
    named: dict[str, Function] = {}
    numbered = []
    for number, function in enumerate(functions, FIRST_ID):
        before = named.setdefault(function.name, function)
        if before is not function:
            twice = f"both by {option(before)} and by {option(function)}"
            raise UsageError(
                f"{function.name} was given {'twice' if before.role == function.role else twice}; it "
                "does one thing, with its arguments at one place."
            )
        shown = demangled(function.name) if _MANGLED.match(function.name) else function.name
        symbols = (function.name,) if shown != function.name else ()
        numbered.append(
            Function(number, shown, function.shape, symbols, yields=function.role == "death")
        )
    roles = {function.role for function in functions}
    if roles and "birth" not in roles:
        raise UsageError(
            f"{numbered[0].name} was given without a function that allocates; add --alloc."
        )
    return Pools(tuple(numbered), demangled)


def _check_name(name: str) -> None:
    if not name:
        raise UsageError("it names no function")
    if len(name) > MOST_NAME or clean(name) != name:
        raise UsageError(f"{_said(name)} cannot be the name of a function")
    if name in _KNOWN:
        raise UsageError(f"{name} is watched without being named")


def _shape(role: Role, name: str, rest: str) -> Shape:
    given: dict[str, int] = {}
    returned = False
    for part in rest.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if key == "ret" and not equals and role != "death":
            returned = True
            continue
        if key not in _KEYS[role]:
            raise UsageError(
                f"{_said(key)} of {name} is no argument of {_OPTIONS[role]}; {_like(role)}"
            )
        if key in given:
            raise UsageError(f"{name} has two of {key}")
        given[key] = _number(name, key, value)
    for key in _NEEDED[role]:
        if key not in given:
            raise UsageError(f"{name} lacks {key}=argN; {_like(role)}")
    if returned and "out" in given:
        raise UsageError(f"{name} has both ret and out: it gives its block in one way")
    for key, number in given.items():
        twin = next((other for other, n in given.items() if n == number and other != key), None)
        if twin is not None:
            raise UsageError(f"{name} has arg{number} both for {key} and for {twin}")
    return Shape(
        role,
        size=given.get("size"),
        count=given.get("count"),
        pointer=given.get("ptr"),
        out=given.get("out"),
    )


def _number(name: str, key: str, value: str) -> int:
    match = _ARGUMENT.fullmatch(value) if value.isascii() else None
    if match is None:
        raise UsageError(f"{key} of {name} is {_said(value)}, and no argument such as arg0")
    number = int(match[1])
    if number > MOST_ARGUMENT:
        raise UsageError(
            f"{key} of {name} is arg{number}; only arg0 to arg{MOST_ARGUMENT} are in registers, where a "
            "probe can read them (arguments count from 0)"
        )
    return number


def _like(role: Role) -> str:
    return f"it is given like {_EXAMPLES[role]}"


def _said(text: str) -> str:
    shown = clean(text)
    return repr(shown if len(shown) <= 80 else f"{shown[:79]}…")
