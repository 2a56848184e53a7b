"""The linkage names of the functions that cover an address, from DWARF, by libdw.

drgn tells functions by their plain names: `push_back` for every container's. The linkage name, from
which namespaces, classes and template arguments can be read, is one attribute further, and drgn's API
has none for it; the library that it has loaded itself does (`dwarf_getscopes` of elfutils).

Neither looks into namespaces, for these have no addresses of their own: rustc defines every function
in one, clang most of C++. So those are found here, with the places where they were inlined.
"""

import ctypes
from bisect import bisect_right
from collections.abc import Callable, Iterator

from ebpftrace.symbols.resolver.libdw import (
    CLASS,
    INLINED_SUBROUTINE,
    MODULE,
    NAMESPACE,
    STRUCTURE,
    SUBPROGRAM,
    UNION,
    Attribute,
    Die,
    library,
)

_DWARF_C_READ = 0
_SPACES = frozenset({MODULE, NAMESPACE})
_NAMING = frozenset({CLASS, STRUCTURE, UNION, SUBPROGRAM, NAMESPACE})
_ABSTRACT_ORIGIN, _SPECIFICATION = 0x31, 0x47
_LINKAGE_NAME, _MIPS_LINKAGE_NAME = 0x6E, 0x2007
_CALL_COLUMN, _CALL_FILE, _CALL_LINE = 0x57, 0x58, 0x59
_C_LANGUAGES = frozenset({0x1, 0x2, 0xC, 0x1D, 0x2C, 0x8001})  # DW_LANG_C89 to C17, Mips_Assembler
_MOST_SCOPES = 1024
_MOST_FUNCTIONS = 8  # that a lambda or a local class is declared in
_MOST_UNITS = 1 << 16
_MOST_ENTRIES = 1 << 18  # of one unit, looked through for functions in namespaces: 0.5 s
_MOST_RANGES = 16
_MOST_NUMBER = (1 << 32) - 1

_NO_FILE = b"???"  # libdw's, for number 0 before DWARF 5

Call = tuple[str | None, int | None, int | None]
"""File, line and column where a function was inlined."""

_Function = tuple[int, int, int]
"""Start, end, and where its entry in .debug_info is."""


class LinkageNames:
    """Of one debug file. Close it; what it found stays good."""

    def __init__(self, fd: int, supplementary: int | None = None) -> None:
        """`fd`: the file with the DWARF, `supplementary`: the one that dwz moved parts of it to.

        Both stay the caller's, and open until `close`. OSError where libdw has no use for it.
        """
        libdw = library()
        if libdw is None:
            raise OSError("there is no libdw")
        self._libdw = libdw
        self._libc = ctypes.CDLL(None)
        self._libc.free.argtypes = [ctypes.c_void_p]
        self._dwarf = libdw.dwarf_begin(fd, _DWARF_C_READ)
        self._other = None
        if not self._dwarf:
            raise OSError("libdw finds no DWARF there")
        if supplementary is not None:
            self._other = libdw.dwarf_begin(supplementary, _DWARF_C_READ)
            if self._other:
                libdw.dwarf_setalt(self._dwarf, self._other)
        self._units: list[Die] | None = None
        self._functions: dict[int, list[_Function]] = {}
        """Of each unit that was looked through, those in namespaces, by start."""

    def names(self, address: int) -> list[str | None]:
        """One for each function that covers `address`, the innermost inlined one first.

        What has no linkage name, as static functions and lambdas have none, is named with what it
        is declared in; None where it has no name. Empty for code in C, where names are whole.
        """
        return [self._name(die) for die in self._covering(address)[1]]

    def calls(self, address: int) -> list[Call]:
        """Where each of these functions but the last is inlined into the next."""
        unit, covering = self._covering(address)
        return [self._call(unit, die) for die in covering[:-1]]

    def _covering(self, address: int) -> tuple[Die, list[Die]]:
        """The unit, and the functions of which `names` tells the names."""
        unit = self._unit(address)
        if unit is None or self._libdw.dwarf_srclang(ctypes.byref(unit)) in _C_LANGUAGES:
            return Die(), []
        around = self._scopes(self._libdw.dwarf_getscopes, ctypes.byref(unit), address)
        return unit, self._functions_of(around) or self._functions_of(self._within(unit, address))

    def _functions_of(self, around: list[Die]) -> list[Die]:
        """The functions that the innermost scope is in. Behind an inlined one `around` has those of
        its definition; these are where it was put.
        """
        found: list[Die] = []
        if not around:
            return found
        for die in self._scopes(self._libdw.dwarf_getscopes_die, ctypes.byref(around[0])):
            tag = self._libdw.dwarf_tag(ctypes.byref(die))
            if tag in (SUBPROGRAM, INLINED_SUBROUTINE):
                found.append(die)
            if tag == SUBPROGRAM:
                break
        return found

    def _within(self, unit: Die, address: int) -> list[Die]:
        """The scopes around `address` in a function that a namespace of the unit holds."""
        key = self._libdw.dwarf_dieoffset(ctypes.byref(unit))
        if key not in self._functions:
            self._functions[key] = sorted(self._functions_in_namespaces(unit))
        functions = self._functions[key]
        at = bisect_right(functions, (address, 1 << 64, 0)) - 1
        function = Die()
        if (
            at < 0
            or address >= functions[at][1]
            or not self._libdw.dwarf_offdie(self._dwarf, functions[at][2], ctypes.byref(function))
        ):
            return []
        inner = self._scopes(self._libdw.dwarf_getscopes, ctypes.byref(function), address)
        return inner or [function]

    def _functions_in_namespaces(self, unit: Die) -> Iterator[_Function]:
        left, spaces = _MOST_ENTRIES, [unit]
        while spaces and left:
            space, die = spaces.pop(), Die()
            ended = self._libdw.dwarf_child(ctypes.byref(space), ctypes.byref(die))
            while not ended and left:
                left -= 1
                tag = self._libdw.dwarf_tag(ctypes.byref(die))
                if tag in _SPACES:
                    spaces.append(Die.from_buffer_copy(die))
                elif tag == SUBPROGRAM and space is not unit:
                    yield from self._ranges(die)
                ended = self._libdw.dwarf_siblingof(ctypes.byref(die), ctypes.byref(die))

    def _ranges(self, die: Die) -> Iterator[_Function]:
        offset = self._libdw.dwarf_dieoffset(ctypes.byref(die))
        base, start, end = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_uint64()
        following = 0
        for _ in range(_MOST_RANGES):
            following = self._libdw.dwarf_ranges(
                ctypes.byref(die),
                following,
                ctypes.byref(base),
                ctypes.byref(start),
                ctypes.byref(end),
            )
            if following <= 0:
                break
            yield start.value, end.value, offset

    def _call(self, unit: Die, die: Die) -> Call:
        files, count = ctypes.c_void_p(), ctypes.c_size_t()
        number, path = self._number(die, _CALL_FILE), None
        if number is not None and not self._libdw.dwarf_getsrcfiles(
            ctypes.byref(unit), ctypes.byref(files), ctypes.byref(count)
        ):
            path = self._libdw.dwarf_filesrc(files, number, None, None)
        return (
            path.decode(errors="replace") if path and path != _NO_FILE else None,
            self._number(die, _CALL_LINE),
            self._number(die, _CALL_COLUMN),
        )

    def _number(self, die: Die, code: int) -> int | None:
        attribute, number = Attribute(), ctypes.c_uint64()
        if not self._libdw.dwarf_attr(ctypes.byref(die), code, ctypes.byref(attribute)):
            return None
        if self._libdw.dwarf_formudata(ctypes.byref(attribute), ctypes.byref(number)):
            return None
        return number.value if number.value <= _MOST_NUMBER else None

    def _scopes(self, function: Callable[..., int], *arguments: object) -> list[Die]:
        """What one of libdw's functions of that kind gives, copied."""
        scopes = ctypes.POINTER(Die)()
        count = function(*arguments, ctypes.byref(scopes))
        if count <= 0:
            return []
        dies = [Die.from_buffer_copy(scopes[n]) for n in range(min(count, _MOST_SCOPES))]
        self._libc.free(scopes)
        return dies

    def _name(self, die: Die) -> str | None:
        attribute = Attribute()
        for code in (_LINKAGE_NAME, _MIPS_LINKAGE_NAME):
            if self._libdw.dwarf_attr_integrate(ctypes.byref(die), code, ctypes.byref(attribute)):
                name: bytes | None = self._libdw.dwarf_formstring(ctypes.byref(attribute))
                return name.decode(errors="replace") if name else None
        return self._qualified(die)

    def _qualified(self, die: Die) -> str | None:
        """`app::(anonymous namespace)::make`: the names of what its declaration is in."""
        parts: list[str] = []
        around: Die | None = die
        for _ in range(_MOST_FUNCTIONS):
            if around is not None:
                around = self._name_scopes(self._declaration(around), parts)
        return "::".join(reversed(parts)) or None

    def _declaration(self, die: Die) -> Die:
        for code in (_ABSTRACT_ORIGIN, _SPECIFICATION):
            die = self._referred(die, code) or die
        return die

    def _name_scopes(self, die: Die, parts: list[str]) -> Die | None:
        """Add to `parts`, outward; what to go on with where a function is declared elsewhere."""
        for level, scope in enumerate(
            self._scopes(self._libdw.dwarf_getscopes_die, ctypes.byref(die))
        ):
            tag = self._libdw.dwarf_tag(ctypes.byref(scope))
            if level and tag == SUBPROGRAM and self._referred(scope, _SPECIFICATION):
                return scope
            name: bytes | None = self._libdw.dwarf_diename(ctypes.byref(scope))
            if name is None and tag == NAMESPACE:
                name = b"(anonymous namespace)"
            elif name is None and parts == ["operator()"]:
                name = b"'lambda'"
            if tag in _NAMING and name is not None:
                parts.append(name.decode(errors="replace"))
        return None

    def _referred(self, die: Die, code: int) -> Die | None:
        attribute, other = Attribute(), Die()
        if not self._libdw.dwarf_attr(ctypes.byref(die), code, ctypes.byref(attribute)):
            return None
        if not self._libdw.dwarf_formref_die(ctypes.byref(attribute), ctypes.byref(other)):
            return None
        return other

    def _unit(self, address: int) -> Die | None:
        die = Die()
        if self._libdw.dwarf_addrdie(self._dwarf, address, ctypes.byref(die)):
            return die
        # .debug_aranges is what that goes by, and clang writes none.
        if self._units is None:
            self._units = self._all_units()
        for unit in self._units:
            if self._libdw.dwarf_haspc(ctypes.byref(unit), address) > 0:
                return unit
        return None

    def _all_units(self) -> list[Die]:
        units: list[Die] = []
        offset, following, header = ctypes.c_uint64(0), ctypes.c_uint64(), ctypes.c_size_t()
        while len(units) < _MOST_UNITS and not self._libdw.dwarf_nextcu(
            self._dwarf,
            offset,
            ctypes.byref(following),
            ctypes.byref(header),
            None,
            None,
            None,
        ):
            die = Die()
            if self._libdw.dwarf_offdie(
                self._dwarf, offset.value + header.value, ctypes.byref(die)
            ):
                units.append(die)
            if following.value <= offset.value:
                break
            offset = following
            following = ctypes.c_uint64()
        return units

    def close(self) -> None:
        """Let go of it."""
        if self._dwarf:
            self._libdw.dwarf_end(self._dwarf)
        if self._other:
            self._libdw.dwarf_end(self._other)
        self._dwarf = self._other = None
