"""Demangled names made short: without parameters, template arguments reduced or left out.

Reads what c++filt, libiberty, LLVM and the Rust demanglers write. Every step is linear in the length
of the name, which a target chooses; what looks like no such name stays as it is.
"""

import re
from functools import lru_cache

_KNOWN = 1 << 12

# A demangler puts a blank between `operator<` and template arguments, so `operator<<` is a shift.
_OPERATOR = (
    r"(?<![\w$])operator(?:\(\)|\[\]|<=>|<<=?|>>=?|->\*?|&&|\|\||\+\+|--|[-+*/%^&|~!=<>]=?|,"
    r'|"" ?\w+| (?:new|delete)(?:\[\])?| co_await| (?=\S))'
)
_BRACKET = re.compile(rf"{_OPERATOR}|->|[<>(){{}}]")
_STOP = re.compile(rf"{_OPERATOR}|->|\[abi:\w+\]|[<>(){{}} ]")
_CONVERSION = "operator "
_OPENING = {">": "<", ")": "(", "}": "{"}
_ANONYMOUS = "(anonymous namespace)::"
_QUALIFIERS = re.compile(r"(?: const| volatile| restrict| noexcept| &&?)*(?=::)")
_EXPRESSION = re.compile(r"(?:decltype|noexcept|requires) ?$")
# What a compiler adds to the name of a part or a copy of a function, and a linker of its version.
_COPY = re.compile(
    r" ?[\[(]?(?:clone )?\.(?:cold|part|isra|constprop|lto_priv|llvm|localalias)\b.*|@{1,2}[\w.]+$"
)


@lru_cache(maxsize=_KNOWN)
def short(name: str) -> str:
    """For people: `std::vector<…>::push_back`. `(anonymous namespace)` is left out."""
    return _reduced(name, "<…>")


def bare(name: str) -> str:
    """For rules: `std::vector::push_back`, `operator new`."""
    return _reduced(name, "")


def original(name: str) -> str:
    """Without what a compiler adds to the name of a part or a copy, and a linker of its version."""
    return _COPY.sub("", name, count=1) or name


def _reduced(name: str, arguments: str) -> str:
    if name.isidentifier():
        return name
    return _Reduction(original(name), arguments).done() or name


def _pairs(name: str) -> dict[int, int]:
    """Where each bracket is closed, if it is: `<` may be a sign of its own in an expression."""
    closed: dict[int, int] = {}
    waiting: list[int] = []
    count = dict.fromkeys(_OPENING.values(), 0)
    for found in _BRACKET.finditer(name):
        mark = found[0]
        if mark in count:
            waiting.append(found.start())
            count[mark] += 1
            continue
        opening = _OPENING.get(mark)
        if opening is None or not count[opening]:
            continue
        if opening == "<" and name[waiting[-1]] != "<":
            continue
        while name[waiting[-1]] != opening:
            count[name[waiting.pop()]] -= 1
        count[opening] -= 1
        closed[waiting.pop()] = found.start()
    return closed


class _Reduction:
    """One name, read once from the left to the right."""

    def __init__(self, name: str, arguments: str) -> None:
        self._name = name
        self._arguments = arguments
        self._pairs = _pairs(name)
        self._out: list[str] = []
        self._at = 0
        self._start = 0
        """Where in `out` the name starts, if what is before the last blank is its type."""
        self._inside: list[int] = []
        """Where the brackets end whose content is kept."""
        self._listed = False
        """Has a list of parameters come?"""
        self._operator_ends = -1
        self._converts = False

    def done(self) -> str:
        """The whole reduction; empty where nothing is left."""
        name = self._name
        while self._at < len(name):
            found = _STOP.search(name, self._at)
            if found is None:
                self._put(name[self._at :])
                break
            self._put(name[self._at : found.start()])
            self._at = found.end()
            self._take(found[0], found.start())
        # What is left of a type such as `char *f(int)`; at the end it belongs to an operator.
        return "".join(self._out).lstrip(" *&" if self._listed else " ").rstrip(" ")

    def _put(self, text: str) -> None:
        if text:
            self._out.append(text)

    def _take(self, mark: str, here: int) -> None:
        closing = self._pairs.get(here)
        if mark.startswith("operator"):
            self._take_operator(mark)
        elif mark == " ":
            self._out.append(mark)
            if not (self._inside or self._listed or self._converts):
                self._start = len(self._out)
        elif mark == "{" and closing is not None:
            self._keep(mark, closing)
        elif mark == "<" and closing is not None:
            self._take_angle(here, closing)
        elif mark == "(" and closing is not None:
            self._take_round(here, closing)
        elif not mark.startswith("[abi:"):
            if self._inside and self._inside[-1] == here:
                self._inside.pop()
            self._out.append(mark)

    def _keep(self, mark: str, closing: int) -> None:
        self._out.append(mark)
        self._inside.append(closing)

    def _take_operator(self, mark: str) -> None:
        self._out.append(mark)
        if mark == _CONVERSION:
            self._converts = True
            return
        if self._name.startswith(" <", self._at):
            self._at += 1
            self._put(" " if self._arguments else "")
        self._operator_ends = self._at

    def _take_angle(self, here: int, closing: int) -> None:
        """Template arguments; but a type at the start of a path (`<T as Trait>::f`) is the path."""
        name = self._name
        before = name[here - 1] if here else ""
        starts = not before or before in " &*,(["
        described = name.startswith(("<impl ", "<lambda", "<unnamed"), here)
        if here != self._operator_ends and (starts or described):
            self._keep("<", closing)
            return
        if not self._arguments and self._out and self._out[-1].endswith("::"):
            self._out[-1] = self._out[-1][:-2]
        self._put(self._arguments)
        self._at = closing + 1

    def _take_round(self, here: int, closing: int) -> None:
        name = self._name
        before = name[here - 1] if here else ""
        if name.startswith(_ANONYMOUS, here):
            self._at = here + len(_ANONYMOUS)
        elif before == "." or (self._inside and not (before.isalnum() or before in "_>'")):
            self._keep("(", closing)
        elif self._inside or _EXPRESSION.search(name[max(0, here - 10) : here]):
            self._at = closing + 1
        elif len(self._out) == self._start:
            self._keep("(", closing)
        else:
            self._end_of_parameters(closing)

    def _end_of_parameters(self, closing: int) -> None:
        """Go on only where something lies within the function: a lambda, a local class."""
        if not self._listed:
            self._listed = True
            self._out = self._out[self._start :]
            self._start = 0
        name = self._name
        within = _QUALIFIERS.match(name, closing + 1)
        if within is not None:
            self._at = within.end()
        elif name.startswith((".", "[abi:"), closing + 1):
            self._at = closing + 1
        else:
            self._at = len(name)
