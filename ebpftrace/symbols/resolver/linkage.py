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
from pathlib import Path

_DWARF_C_READ = 0
_SUBPROGRAM, _INLINED_SUBROUTINE = 0x2E, 0x1D
_NAMESPACE = 0x39
_SPACES = frozenset({0x1E, _NAMESPACE})  # module, namespace
_NAMING = frozenset({0x02, 0x13, 0x17, _SUBPROGRAM, _NAMESPACE})  # class, structure, union
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


class _Die(ctypes.Structure):
    """Dwarf_Die of libdw.h."""

    _fields_ = [
        ("addr", ctypes.c_void_p),
        ("cu", ctypes.c_void_p),
        ("abbrev", ctypes.c_void_p),
        ("padding", ctypes.c_long),
    ]


class _Attribute(ctypes.Structure):
    """Dwarf_Attribute of libdw.h."""

    _fields_ = [
        ("code", ctypes.c_uint),
        ("form", ctypes.c_uint),
        ("valp", ctypes.c_void_p),
        ("cu", ctypes.c_void_p),
    ]


def _library() -> ctypes.CDLL | None:
    """The libdw that drgn runs on; None where it has none of its own to show."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/")[2]
        if path.rpartition("/")[2].startswith("libdw"):
            return _declared(ctypes.CDLL("/" + path))
    return None


def _declared(libdw: ctypes.CDLL) -> ctypes.CDLL:
    die, dwarf, address = ctypes.POINTER(_Die), ctypes.c_void_p, ctypes.c_uint64
    libdw.dwarf_begin.restype = dwarf
    libdw.dwarf_begin.argtypes = [ctypes.c_int, ctypes.c_int]
    libdw.dwarf_end.argtypes = [dwarf]
    libdw.dwarf_setalt.argtypes = [dwarf, dwarf]
    libdw.dwarf_setalt.restype = None
    libdw.dwarf_addrdie.restype = ctypes.c_void_p
    libdw.dwarf_addrdie.argtypes = [dwarf, address, die]
    libdw.dwarf_getscopes.argtypes = [die, address, ctypes.POINTER(ctypes.POINTER(_Die))]
    libdw.dwarf_getscopes_die.argtypes = [die, ctypes.POINTER(ctypes.POINTER(_Die))]
    libdw.dwarf_tag.argtypes = [die]
    libdw.dwarf_srclang.argtypes = [die]
    libdw.dwarf_haspc.argtypes = [die, address]
    libdw.dwarf_attr_integrate.restype = ctypes.c_void_p
    libdw.dwarf_attr_integrate.argtypes = [die, ctypes.c_uint, ctypes.POINTER(_Attribute)]
    libdw.dwarf_attr.restype = ctypes.c_void_p
    libdw.dwarf_attr.argtypes = [die, ctypes.c_uint, ctypes.POINTER(_Attribute)]
    libdw.dwarf_formref_die.restype = ctypes.c_void_p
    libdw.dwarf_formref_die.argtypes = [ctypes.POINTER(_Attribute), die]
    libdw.dwarf_diename.restype = ctypes.c_char_p
    libdw.dwarf_diename.argtypes = [die]
    libdw.dwarf_formstring.restype = ctypes.c_char_p
    libdw.dwarf_formstring.argtypes = [ctypes.POINTER(_Attribute)]
    libdw.dwarf_formudata.argtypes = [ctypes.POINTER(_Attribute), ctypes.POINTER(address)]
    libdw.dwarf_child.argtypes = [die, die]
    libdw.dwarf_siblingof.argtypes = [die, die]
    libdw.dwarf_dieoffset.argtypes = [die]
    libdw.dwarf_dieoffset.restype = address
    libdw.dwarf_ranges.argtypes = [die, ctypes.c_ssize_t, *[ctypes.POINTER(address)] * 3]
    libdw.dwarf_ranges.restype = ctypes.c_ssize_t
    libdw.dwarf_getsrcfiles.argtypes = [die, ctypes.POINTER(dwarf), ctypes.POINTER(ctypes.c_size_t)]
    libdw.dwarf_filesrc.argtypes = [dwarf, ctypes.c_size_t, dwarf, dwarf]
    libdw.dwarf_filesrc.restype = ctypes.c_char_p
    libdw.dwarf_nextcu.argtypes = [
        dwarf,
        ctypes.c_uint64,
        ctypes.POINTER(ctypes.c_uint64),
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    libdw.dwarf_offdie.restype = ctypes.c_void_p
    libdw.dwarf_offdie.argtypes = [dwarf, ctypes.c_uint64, die]
    return libdw


class LinkageNames:
    """Of one debug file. Close it; what it found stays good."""

    def __init__(self, fd: int, supplementary: int | None = None) -> None:
        """`fd`: the file with the DWARF, `supplementary`: the one that dwz moved parts of it to.

        Both stay the caller's, and open until `close`. OSError where libdw has no use for it.
        """
        libdw = _library()
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
        self._units: list[_Die] | None = None
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

    def _covering(self, address: int) -> tuple[_Die, list[_Die]]:
        """The unit, and the functions of which `names` tells the names."""
        unit = self._unit(address)
        if unit is None or self._libdw.dwarf_srclang(ctypes.byref(unit)) in _C_LANGUAGES:
            return _Die(), []
        around = self._scopes(self._libdw.dwarf_getscopes, ctypes.byref(unit), address)
        return unit, self._functions_of(around) or self._functions_of(self._within(unit, address))

    def _functions_of(self, around: list[_Die]) -> list[_Die]:
        """The functions that the innermost scope is in. Behind an inlined one `around` has those of
        its definition; these are where it was put.
        """
        found: list[_Die] = []
        if not around:
            return found
        for die in self._scopes(self._libdw.dwarf_getscopes_die, ctypes.byref(around[0])):
            tag = self._libdw.dwarf_tag(ctypes.byref(die))
            if tag in (_SUBPROGRAM, _INLINED_SUBROUTINE):
                found.append(die)
            if tag == _SUBPROGRAM:
                break
        return found

    def _within(self, unit: _Die, address: int) -> list[_Die]:
        """The scopes around `address` in a function that a namespace of the unit holds."""
        key = self._libdw.dwarf_dieoffset(ctypes.byref(unit))
        if key not in self._functions:
            self._functions[key] = sorted(self._functions_in_namespaces(unit))
        functions = self._functions[key]
        at = bisect_right(functions, (address, 1 << 64, 0)) - 1
        function = _Die()
        if (
            at < 0
            or address >= functions[at][1]
            or not self._libdw.dwarf_offdie(self._dwarf, functions[at][2], ctypes.byref(function))
        ):
            return []
        inner = self._scopes(self._libdw.dwarf_getscopes, ctypes.byref(function), address)
        return inner or [function]

    def _functions_in_namespaces(self, unit: _Die) -> Iterator[_Function]:
        left, spaces = _MOST_ENTRIES, [unit]
        while spaces and left:
            space, die = spaces.pop(), _Die()
            ended = self._libdw.dwarf_child(ctypes.byref(space), ctypes.byref(die))
            while not ended and left:
                left -= 1
                tag = self._libdw.dwarf_tag(ctypes.byref(die))
                if tag in _SPACES:
                    spaces.append(_Die.from_buffer_copy(die))
                elif tag == _SUBPROGRAM and space is not unit:
                    yield from self._ranges(die)
                ended = self._libdw.dwarf_siblingof(ctypes.byref(die), ctypes.byref(die))

    def _ranges(self, die: _Die) -> Iterator[_Function]:
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

    def _call(self, unit: _Die, die: _Die) -> Call:
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

    def _number(self, die: _Die, code: int) -> int | None:
        attribute, number = _Attribute(), ctypes.c_uint64()
        if not self._libdw.dwarf_attr(ctypes.byref(die), code, ctypes.byref(attribute)):
            return None
        if self._libdw.dwarf_formudata(ctypes.byref(attribute), ctypes.byref(number)):
            return None
        return number.value if number.value <= _MOST_NUMBER else None

    def _scopes(self, function: Callable[..., int], *arguments: object) -> list[_Die]:
        """What one of libdw's functions of that kind gives, copied."""
        scopes = ctypes.POINTER(_Die)()
        count = function(*arguments, ctypes.byref(scopes))
        if count <= 0:
            return []
        dies = [_Die.from_buffer_copy(scopes[n]) for n in range(min(count, _MOST_SCOPES))]
        self._libc.free(scopes)
        return dies

    def _name(self, die: _Die) -> str | None:
        attribute = _Attribute()
        for code in (_LINKAGE_NAME, _MIPS_LINKAGE_NAME):
            if self._libdw.dwarf_attr_integrate(ctypes.byref(die), code, ctypes.byref(attribute)):
                name: bytes | None = self._libdw.dwarf_formstring(ctypes.byref(attribute))
                return name.decode(errors="replace") if name else None
        return self._qualified(die)

    def _qualified(self, die: _Die) -> str | None:
        """`app::(anonymous namespace)::make`: the names of what its declaration is in."""
        parts: list[str] = []
        around: _Die | None = die
        for _ in range(_MOST_FUNCTIONS):
            if around is not None:
                around = self._name_scopes(self._declaration(around), parts)
        return "::".join(reversed(parts)) or None

    def _declaration(self, die: _Die) -> _Die:
        for code in (_ABSTRACT_ORIGIN, _SPECIFICATION):
            die = self._referred(die, code) or die
        return die

    def _name_scopes(self, die: _Die, parts: list[str]) -> _Die | None:
        """Add to `parts`, outward; what to go on with where a function is declared elsewhere."""
        for level, scope in enumerate(
            self._scopes(self._libdw.dwarf_getscopes_die, ctypes.byref(die))
        ):
            tag = self._libdw.dwarf_tag(ctypes.byref(scope))
            if level and tag == _SUBPROGRAM and self._referred(scope, _SPECIFICATION):
                return scope
            name: bytes | None = self._libdw.dwarf_diename(ctypes.byref(scope))
            if name is None and tag == _NAMESPACE:
                name = b"(anonymous namespace)"
            elif name is None and parts == ["operator()"]:
                name = b"'lambda'"
            if tag in _NAMING and name is not None:
                parts.append(name.decode(errors="replace"))
        return None

    def _referred(self, die: _Die, code: int) -> _Die | None:
        attribute, other = _Attribute(), _Die()
        if not self._libdw.dwarf_attr(ctypes.byref(die), code, ctypes.byref(attribute)):
            return None
        if not self._libdw.dwarf_formref_die(ctypes.byref(attribute), ctypes.byref(other)):
            return None
        return other

    def _unit(self, address: int) -> _Die | None:
        die = _Die()
        if self._libdw.dwarf_addrdie(self._dwarf, address, ctypes.byref(die)):
            return die
        # .debug_aranges is what that goes by, and clang writes none.
        if self._units is None:
            self._units = self._all_units()
        for unit in self._units:
            if self._libdw.dwarf_haspc(ctypes.byref(unit), address) > 0:
                return unit
        return None

    def _all_units(self) -> list[_Die]:
        units: list[_Die] = []
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
            die = _Die()
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
