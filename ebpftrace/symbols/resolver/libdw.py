"""libdw of elfutils, which drgn brings along and has loaded: what is used of it, and its structures."""

import ctypes
from functools import cache
from pathlib import Path

# Tags of DWARF 5, 7.5.3.
SUBPROGRAM, INLINED_SUBROUTINE = 0x2E, 0x1D
NAMESPACE, MODULE = 0x39, 0x1E
CLASS, STRUCTURE, UNION = 0x02, 0x13, 0x17


class Die(ctypes.Structure):
    """DwarfDie of libdw.h."""

    _fields_ = [
        ("addr", ctypes.c_void_p),
        ("cu", ctypes.c_void_p),
        ("abbrev", ctypes.c_void_p),
        ("padding", ctypes.c_long),
    ]


class Attribute(ctypes.Structure):
    """DwarfAttribute of libdw.h."""

    _fields_ = [
        ("code", ctypes.c_uint),
        ("form", ctypes.c_uint),
        ("valp", ctypes.c_void_p),
        ("cu", ctypes.c_void_p),
    ]


@cache
def library() -> ctypes.CDLL | None:
    """The libdw that drgn runs on; None where it has none of its own to show.

    Asked for the first time before any file of a target is mapped: of those, one may be called so, and
    what is loaded runs.
    """
    for line in Path("/proc/self/maps").read_text(errors="surrogateescape").split("\n"):
        path = line.partition("/")[2]
        if path.rpartition("/")[2].startswith("libdw"):
            return _declared(ctypes.CDLL("/" + path))
    return None


def _declared(libdw: ctypes.CDLL) -> ctypes.CDLL:
    die, dwarf, address = ctypes.POINTER(Die), ctypes.c_void_p, ctypes.c_uint64
    libdw.dwarf_begin.restype = dwarf
    libdw.dwarf_begin.argtypes = [ctypes.c_int, ctypes.c_int]
    libdw.dwarf_end.argtypes = [dwarf]
    libdw.dwarf_setalt.argtypes = [dwarf, dwarf]
    libdw.dwarf_setalt.restype = None
    libdw.dwarf_addrdie.restype = ctypes.c_void_p
    libdw.dwarf_addrdie.argtypes = [dwarf, address, die]
    libdw.dwarf_getscopes.argtypes = [die, address, ctypes.POINTER(ctypes.POINTER(Die))]
    libdw.dwarf_getscopes_die.argtypes = [die, ctypes.POINTER(ctypes.POINTER(Die))]
    libdw.dwarf_tag.argtypes = [die]
    libdw.dwarf_srclang.argtypes = [die]
    libdw.dwarf_haspc.argtypes = [die, address]
    libdw.dwarf_attr_integrate.restype = ctypes.c_void_p
    libdw.dwarf_attr_integrate.argtypes = [die, ctypes.c_uint, ctypes.POINTER(Attribute)]
    libdw.dwarf_attr.restype = ctypes.c_void_p
    libdw.dwarf_attr.argtypes = [die, ctypes.c_uint, ctypes.POINTER(Attribute)]
    libdw.dwarf_formref_die.restype = ctypes.c_void_p
    libdw.dwarf_formref_die.argtypes = [ctypes.POINTER(Attribute), die]
    libdw.dwarf_diename.restype = ctypes.c_char_p
    libdw.dwarf_diename.argtypes = [die]
    libdw.dwarf_formstring.restype = ctypes.c_char_p
    libdw.dwarf_formstring.argtypes = [ctypes.POINTER(Attribute)]
    libdw.dwarf_formudata.argtypes = [ctypes.POINTER(Attribute), ctypes.POINTER(address)]
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
