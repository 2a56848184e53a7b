"""Files of suppressions: Valgrind's blocks in braces and LeakSanitizer's `leak:` lines, also in one file.

Owns what is accepted and what a user is told of the rest. `suppressing` says what a pattern means.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable
from typing import Literal, NamedTuple

from ebpftrace.analysis.globs import Glob
from ebpftrace.analysis.names import original
from ebpftrace.analysis.wording import many
from ebpftrace.errors import UsageError
from ebpftrace.text import clean

Field = Literal["fun", "obj", "src", "leak", "..."]

_MOST_BYTES = 16 << 20
_MOST_SUPPRESSIONS = 10_000
_MOST_FRAMES = 127  # no stack is deeper; Valgrind itself takes 24
_MOST_LINE = 8192
_MOST_SINGLES = 64  # each `?` may have a name read once more
_MOST_NAME = 200
_QUOTED = 40
_MOST_TOLD = 4

_FRAME = re.compile(r"(fun|obj|src):\s*(.+)")
_SOURCE_LINE = re.compile(r"(.+):(\d{1,9})")
_SANITIZER = re.compile(r"([a-z][\w-]*):\s*(.*)")
# Of ThreadSanitizer, AddressSanitizer and UndefinedBehaviorSanitizer, which may share the file.
_OTHERS = re.compile(
    r"race(?:_top)?|thread|mutex|signal|deadlock|called_from_lib|odr_violation|interceptor_\w+"
    r"|undefined|alignment|bool|builtin|(?:array-)?bounds|enum|float-\w+-\w+|function|implicit-[\w-]+"
    r"|integer(?:-divide-by-zero)?|null|null(?:ability)?-[\w-]+|nonnull-attribute|object-size"
    r"|pointer-overflow|return|returns-nonnull-attribute|shift(?:-\w+)?|(?:un)?signed-[\w-]+"
    r"|unreachable|vla-bound|vptr(?:_check)?|cfi(?:-[\w-]+)?"
)
# The linker's version, which may be a pattern: pthread_create@@GLIBC_2.2.5, pthread_create@*.
_VERSION = re.compile(r"@{1,2}[\w.*?]+$")
_MANGLED = re.compile(r"_{1,3}Z|_R")
# The allocation functions of C++ as 64 bits have them, which patterns with wildcards mean most often.
_NEWS = tuple(
    f"_Z{kind}m{aligned}{nothrow}"
    for kind in ("nw", "na")
    for aligned in ("", "St11align_val_t")
    for nothrow in ("", "RKSt9nothrow_t")
)


class Line(NamedTuple):
    """What one frame of a stack must have; `...` is any number of frames.

    `number`: the line of the source, if it matters. `names`: functions that match too, by their whole
    names, parameters included.
    """

    field: Field
    pattern: str = "*"
    number: int | None = None
    names: tuple[str, ...] = ()

    @property
    def is_any(self) -> bool:
        return not self.pattern.strip("*")


class Suppression(NamedTuple):
    """`lines` from the allocation outward; of `leak:` a single one, for any frame of the stack."""

    name: str
    lines: tuple[Line, ...]


class Listed(NamedTuple):
    """The suppressions of a file in its order, and sentences on what of it counts for nothing here."""

    suppressions: tuple[Suppression, ...]
    notes: tuple[str, ...]


def read(path: str, demangled: Callable[[str], str]) -> Listed:
    """`demangled` gives a name as frames have it. UsageError where the file cannot be used."""
    return _Reading(path, _text(path), demangled).done()


def _text(path: str) -> str:
    try:
        # Nobody could end the wait for who writes into a pipe.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(_regular(path, number), "rb") as file:
            told = file.read(_MOST_BYTES + 1)
    except ValueError:  # a NUL in the path
        raise UsageError(f"{path!a} is no path of a file.") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}. "
            "--suppressions takes a file of Valgrind's or LeakSanitizer's suppressions."
        ) from error
    if len(told) > _MOST_BYTES:
        raise _unusable(path, f"is larger than {_MOST_BYTES >> 20} MB")
    if b"\0" in told:
        line = told[: told.index(b"\0")].count(b"\n") + 1
        raise _unusable(path, f"is no text: there is a zero byte in line {line}")
    return told.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def _regular(path: str, number: int) -> int:
    if stat.S_ISREG(os.fstat(number).st_mode):
        return number
    os.close(number)
    raise _unusable(path, "is no regular file")


def _unusable(path: str, reason: str) -> UsageError:
    return UsageError(
        f"{path} {reason}. --suppressions takes a file of Valgrind's or LeakSanitizer's suppressions."
    )


class _Reading:
    """One file, from its first line to its last."""

    def __init__(self, path: str, text: str, demangled: Callable[[str], str]) -> None:
        self._path = path
        self._lines = text.split("\n")
        self._at = 0
        """The number of the line that was read last."""
        self._demangled = demangled
        self._found: list[Suppression] = []
        self._others: Counter[str] = Counter()
        self._kinds = False
        self._mangled: list[str] = []

    def done(self) -> Listed:
        while (line := self._next()) is not None:
            if line == "{":
                self._take_block()
            else:
                self._take_line(line)
        return Listed(tuple(self._found), tuple(self._notes()))

    def _next(self) -> str | None:
        """The next line that says something, stripped; None at the end."""
        while self._at < len(self._lines):
            line = self._lines[self._at].strip()
            self._at += 1
            if len(line) > _MOST_LINE:
                raise self._wrong(f"it is longer than {_MOST_LINE} characters. Shorten it")
            if line and not line.startswith("#"):
                return clean(line.replace("\t", " "))
        return None

    def _wrong(self, reason: str, line: int | None = None) -> UsageError:
        return UsageError(f"{self._path}, line {line or self._at}: {reason}.")

    def _add(self, name: str, lines: list[Line]) -> None:
        if len(self._found) == _MOST_SUPPRESSIONS:
            raise self._wrong(
                f"there are more than {_MOST_SUPPRESSIONS} suppressions. Give those that this "
                "program needs"
            )
        name = name if len(name) <= _MOST_NAME else f"{name[: _MOST_NAME - 1]}…"
        self._found.append(Suppression(name, tuple(lines)))

    # --- LeakSanitizer's --------------------------------------------------------------------------

    def _take_line(self, line: str) -> None:
        said = _SANITIZER.fullmatch(line)
        kind, pattern = said.groups() if said is not None else ("", "")
        if kind == "leak":
            body = pattern.removeprefix("^").removesuffix("$")
            if not body:
                raise self._wrong("leak: names nothing. Write leak:function, or leak:* for all")
            before = "" if pattern.startswith("^") else "*"
            behind = "" if pattern.endswith("$") else "*"
            self._add(f"leak:{pattern}", [Line("leak", f"{before}{body}{behind}")])
        elif _OTHERS.fullmatch(kind):
            self._others[kind] += 1
        else:
            raise self._wrong(
                f"{_quoted(line)} begins no suppression. Valgrind's stand between lines of {{ and }}, "
                "LeakSanitizer's are lines such as leak:function, and comments begin with #"
            )

    # --- Valgrind's -------------------------------------------------------------------------------

    def _take_block(self) -> None:
        start = self._at
        name = self._within(start)
        kind = self._within(start) if name != "}" else ""
        tools, _, error = kind.partition(":")
        if not (tools and error):
            raise self._wrong(
                "a name and then a kind such as Memcheck:Leak must follow the {", start
            )
        if "Memcheck" not in tools.split(",") or error != "Leak":
            self._others[kind] += 1
            while self._within(start) != "}":
                pass
            return
        lines: list[Line] = []
        while (line := self._within(start)) != "}":
            if line.startswith("match-leak-kinds:"):
                self._kinds = True
            else:
                lines.append(self._frame(line))
        if all(line.field == "..." for line in lines):
            raise self._wrong(
                "this suppression names no frame. Add one, such as fun:malloc, or leave it out",
                start,
            )
        if len(lines) > _MOST_FRAMES:
            raise self._wrong(
                f"this suppression has more than {_MOST_FRAMES} frames, as no stack has. "
                "Leave out the outermost",
                start,
            )
        self._add(name, lines)

    def _within(self, start: int) -> str:
        """The next line of the block that began in line `start`."""
        line = self._next()
        if line is None or line == "{":
            raise self._wrong(
                "the { of this line is never closed. Add a line with a } alone", start
            )
        return line

    def _frame(self, line: str) -> Line:
        if line == "...":
            return Line("...")
        said = _FRAME.fullmatch(line)
        if said is None:
            raise self._wrong(
                f"{_quoted(line)} is no frame. Write fun:function, obj:file, src:file:line or ..."
            )
        field, pattern = said.groups()
        if pattern.count("?") > _MOST_SINGLES:
            raise self._wrong(f"it has more than {_MOST_SINGLES} question marks. Write * instead")
        if field == "obj":
            return Line("obj", pattern)
        if field == "src":
            numbered = _SOURCE_LINE.fullmatch(pattern)
            if numbered is not None:
                return Line("src", numbered[1], int(numbered[2]))
            return Line("src", pattern)
        return self._function(_VERSION.sub("", pattern) or pattern)

    def _function(self, pattern: str) -> Line:
        """A mangled name also in the source's words, which frames have where they are known."""
        if not _MANGLED.match(pattern):
            return Line("fun", original(pattern))
        if "*" not in pattern and "?" not in pattern:
            return Line("fun", pattern, names=(original(self._demangled(pattern)),))
        known = {name: self._demangled(name) for name in _NEWS}
        if pattern.startswith("_Zn"):
            meant = Glob(pattern)
            return Line(
                "fun", pattern, names=tuple(known[one] for one in known if meant.matches(one))
            )
        if known[_NEWS[0]] != _NEWS[0]:
            self._mangled.append(f"{_quoted(pattern)} in line {self._at}")
        return Line("fun", pattern)

    # --- what is told -----------------------------------------------------------------------------

    def _notes(self) -> list[str]:
        notes = []
        if self._others:
            kinds = [clean(kind)[:_QUOTED] for kind, _ in self._others.most_common(_MOST_TOLD)]
            more = ", …" if len(self._others) > _MOST_TOLD else ""
            passed = many(self._others.total(), "suppression")
            verb = "are" if self._others.total() > 1 else "is"
            notes.append(f"{passed} of other kinds ({', '.join(kinds)}{more}) {verb} passed over.")
        if self._kinds:
            notes.append(
                "match-leak-kinds is taken for all: what can still be reached is not told apart."
            )
        if self._mangled:
            told = ", ".join(self._mangled[:_MOST_TOLD])
            told += ", …" if len(self._mangled) > _MOST_TOLD else ""
            notes.append(
                "names of C++ are demangled here, so mangled ones with wildcards never match: "
                f"{told}. Write them as fun:space::function*."
            )
        if not self._found:
            notes.append("it has no suppression of leaks, so nothing is hidden by it.")
        return [f"{self._path}: {note}" for note in notes]


def _quoted(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
