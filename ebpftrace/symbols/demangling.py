"""Names as their source has them: C++, Rust, D and Swift.

Owns which names are mangled at all and what one may cost: they come from files of whoever is
traced. Leaves the grammars to the package `demangle`, without which names stay as they are.
"""

import re
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ebpftrace.symbols.locations import MOST_NAME
from ebpftrace.text import clean

MOST_MANGLED = 4096
"""Characters of a name that is demangled."""

_MOST_KEPT = 8192  # names; 60 MB if all are as long as they may be, 2 MB in real programs
_MOST_DEPTH = 64  # real names stay below 20
_MOST_SUBSTITUTIONS = 512
_MOST_OUTPUT = 2 * MOST_NAME

# The limits of the package leave some names that take half a second: pack expansions within each
# other (Itanium), function types in names (D), repeated substitutions (Swift). So calls, Python's
# and C's, are counted too. The costliest of 30,000 names of clang's and C++'s own library makes 2,900.
_MOST_CALLS = 20_000

# Only prefixes that no C compiler makes: of the other schemes (`read__10` would be Ada's,
# `Java_x` the JNI's) some look like names of C. Apple's tools put one more underscore before.
_MANGLED: Final = re.compile(r"_{1,3}Z|_R|_D|_?\$[sS]|_T0")
_LANGUAGES: Final = ("itanium", "rust", "d", "swift")


@lru_cache(maxsize=_MOST_KEPT)
def demangled(name: str) -> str:
    """`name` in its source's words, or as it is; clean, at most MOST_NAME characters. Never raises.

    What compilers and linkers add to it stays: ".cold" as " [clone .cold]", "@plt" as it is.
    Only Rust's own additions (a hash, ".llvm.123") go. At most 20 ms, whatever the name.
    """
    if _MANGLED.match(name) and len(name) <= MOST_MANGLED:
        name = _spelled(name)
    name = clean(name)
    return name if len(name) <= MOST_NAME else name[: MOST_NAME - 1] + "…"


class _TooCostly(BaseException):
    """No Exception, which the package takes for a name that is not of the grammar tried."""


def _spelled(name: str) -> str:
    read = _reader()
    if read is None:
        return name
    left = _MOST_CALLS

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooCostly

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        return read(name)
    except (Exception, _TooCostly):  # noqa: BLE001 - another's parser on a hostile name
        return name
    finally:
        sys.setprofile(before)


@lru_cache(maxsize=1)
def _reader() -> Callable[[str], str] | None:
    """What reads a name or raises; None where the package is not there (Python 3.10)."""
    try:
        from demangle import Limits, demangle_strict, preload
    except ImportError:
        return None
    preload(*_LANGUAGES)  # imports make more calls than a name may
    limits = Limits(
        max_depth=_MOST_DEPTH,
        max_output=_MOST_OUTPUT,
        max_substitutions=_MOST_SUBSTITUTIONS,
        max_input=MOST_MANGLED,
    )
    # "gnu" spells as c++filt and gdb do, and as GCC names templates in debug information. The
    # strict reader keeps no cache of its own; `demangle()` keeps up to 100 MB.
    return lambda name: demangle_strict(name, language=_LANGUAGES, style="gnu", limits=limits)
