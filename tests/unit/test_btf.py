"""Finding a function in the kernel's types."""

import struct

import pytest

from ebpftrace.kernel.btf import function_id

INT, PTR, ARRAY, STRUCT, ENUM, FUNC, FUNC_PROTO, VAR, DATASEC = 1, 2, 3, 4, 6, 12, 13, 14, 15
FLOAT, DECL_TAG, ENUM64 = 16, 17, 19


class Types:
    """Raw BTF, type after type (Documentation/bpf/btf.rst)."""

    def __init__(self):
        self.strings = b"\0"
        self.types = b""
        self.count = 0

    def add(self, kind, name="", members=0, words=0):
        at = 0
        if name:
            at = len(self.strings)
            self.strings += name.encode() + b"\0"
        self.types += struct.pack("<III", at, kind << 24 | members, 0) + bytes(4 * words)
        self.count += 1
        return self.count

    def raw(self, magic=0xEB9F):
        sizes = (0, len(self.types), len(self.types), len(self.strings))
        return struct.pack("<HBBIIIII", magic, 1, 0, 24, *sizes) + self.types + self.strings


def one_of_each_kind():
    types = Types()
    types.add(INT, "int", words=1)
    types.add(PTR)
    types.add(ARRAY, words=3)
    types.add(STRUCT, "pair", members=2, words=6)
    types.add(ENUM, "colour", members=3, words=6)
    types.add(FUNC_PROTO, members=2, words=4)
    types.add(VAR, "jiffies", words=1)
    types.add(DATASEC, ".data", members=1, words=3)
    types.add(FLOAT, "float")
    types.add(DECL_TAG, "tag", words=1)
    types.add(ENUM64, "wide", members=1, words=3)
    return types


def test_a_function_has_the_number_of_its_place_behind_every_kind_of_type():
    types = one_of_each_kind()
    number = types.add(FUNC, "bpf_session_is_return")
    types.add(FUNC, "another")
    assert function_id(types.raw(), "bpf_session_is_return") == number == 12


def test_a_name_that_is_part_of_another_or_no_function_is_not_found():
    types = one_of_each_kind()
    types.add(FUNC, "bpf_session_is_return")
    for name in ("is_return", "bpf_session", "pair", "nothing"):
        assert function_id(types.raw(), name) is None


@pytest.mark.parametrize("cut", [0, 3, 23, 30, 60])
def test_types_cut_short_are_none(cut):
    types = one_of_each_kind()
    types.add(FUNC, "bpf_session_is_return")
    assert function_id(types.raw()[:cut], "bpf_session_is_return") is None


def test_another_magic_and_a_kind_of_later_years_are_none():
    types = Types()
    types.add(31)
    types.add(FUNC, "late")
    assert function_id(types.raw(), "late") is None
    types = Types()
    types.add(FUNC, "f")
    assert function_id(types.raw(magic=0x9FEB), "f") is None
    assert function_id(types.raw(), "f") == 1
