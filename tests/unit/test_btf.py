"""Finding a function, and the place of a member, in the kernel's types."""

import struct

import pytest

from ebpftrace.kernel.btf import (
    EXIT_MEMBERS,
    FAULT_MEMBERS,
    PID_MEMBERS,
    RETURN_MEMBERS,
    function_id,
    kernel_offsets,
    member_offsets,
)

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FUNC, FUNC_PROTO, VAR, DATASEC = (
    1,
    2,
    3,
    4,
    5,
    6,
    12,
    13,
    14,
    15,
)
FLOAT, DECL_TAG, ENUM64 = 16, 17, 19


class Types:
    """Raw BTF, type after type (Documentation/bpf/btf.rst)."""

    def __init__(self):
        self.strings = b"\0"
        self.types = b""
        self.count = 0

    def add(self, kind, name="", members=0, words=0):
        self.types += struct.pack("<III", self.name(name), kind << 24 | members, 0)
        self.types += bytes(4 * words)
        self.count += 1
        return self.count

    def name(self, name):
        """Where the string is, once; 0: none."""
        found = self.strings.find(b"\0" + name.encode() + b"\0") + 1
        if name and not found:
            found = len(self.strings)
            self.strings += name.encode() + b"\0"
        return found if name else 0

    def struct(self, name, members, kind=STRUCT, packed=False):
        self.add(kind | packed << 7, name, members=len(members))
        for member, offset in members.items():
            self.types += struct.pack("<III", self.name(member), 0, offset)

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


def offsets_of(btf, members):
    (found,) = member_offsets(btf, members)
    return found


SIZES = {"seconds": 0, "nanoseconds": 64, "next": 128}


def with_struct(name="time", members=None, kind=STRUCT, packed=False):
    """One struct behind every kind of type; `members` by name, at offsets in bits.

    `packed`: it has a bit field, so that each offset has a size in its upper 8 bits.
    """
    types = one_of_each_kind()
    types.struct(name, SIZES if members is None else members, kind, packed)
    return types


def test_the_offsets_of_members_are_in_bytes_in_the_order_that_was_asked_for():
    btf = with_struct().raw()
    wanted = [("time", "next"), ("time", "seconds"), ("time", "nanoseconds")]
    assert offsets_of(btf, wanted) == (16, 0, 8)


def test_members_of_the_same_name_are_told_apart_by_their_structs():
    types = with_struct("task", {"next": 320})
    types.struct("probe", {"other": 0, "next": 64})
    assert offsets_of(types.raw(), [("probe", "next"), ("task", "next")]) == (8, 40)


@pytest.mark.parametrize("missing", [("time", "years"), ("space", "next"), ("pair", "next")])
def test_where_one_member_is_missing_none_is_found(missing):
    assert offsets_of(with_struct().raw(), [("time", "next"), missing]) == ()


def test_a_member_of_a_union_of_that_name_is_not_found():
    assert offsets_of(with_struct(kind=UNION).raw(), [("time", "next")]) == ()


def test_the_sizes_of_bit_fields_are_no_part_of_the_offsets():
    types = with_struct(members={"flag": 3 << 24 | 5, "next": 192}, packed=True)
    assert offsets_of(types.raw(), [("time", "next")]) == (24,)
    types = with_struct(members={"flag": 0, "late": 8 << 24 | 4096}, packed=True)
    assert offsets_of(types.raw(), [("time", "late")]) == (512,)


def test_a_struct_without_bit_fields_may_be_larger_than_those_leave_room_for():
    types = with_struct(members={"far": 1 << 27})
    assert offsets_of(types.raw(), [("time", "far")]) == (1 << 24,)


def test_of_structs_that_share_a_name_the_first_that_has_the_member_counts():
    types = with_struct(members={"other": 0})
    types.struct("time", {"next": 64})
    types.struct("time", {"next": 128})
    assert offsets_of(types.raw(), [("time", "next")]) == (8,)


def test_members_cut_short_at_any_byte_are_none_or_what_they_are():
    btf = with_struct().raw()
    for cut in range(len(btf)):
        assert offsets_of(btf[:cut], [("time", "next")]) in {(), (16,)}
    assert offsets_of(btf, [("time", "next")]) == (16,)


@pytest.mark.parametrize("byte", [0x00, 0x7F, 0xFF])
def test_damaged_types_are_read_to_an_end(byte):
    btf = with_struct().raw()
    for at in range(len(btf)):
        damaged = btf[:at] + bytes([byte]) + btf[at + 1 :]
        found = offsets_of(damaged, [("time", "next"), ("time", "seconds")])
        assert len(found) in {0, 2}


def test_a_struct_that_claims_more_members_than_there_are_has_none():
    types = Types()
    types.struct("time", SIZES)
    types.types = types.types[:4] + struct.pack("<I", STRUCT << 24 | 0xFFFF) + types.types[8:]
    assert offsets_of(types.raw(), [("time", "years")]) == ()


def test_members_behind_a_kind_of_later_years_are_none():
    types = Types()
    types.add(31)
    types.struct("time", SIZES)
    assert offsets_of(types.raw(), [("time", "next")]) == ()


def test_of_several_groups_each_is_found_or_not_by_itself():
    groups = [("time", "next")], [("time", "years"), ("time", "next")], [("time", "seconds")]
    assert member_offsets(with_struct().raw(), *groups) == [(16,), (), (0,)]


def test_the_running_kernel_tells_all_members_of_a_group_or_none():
    groups = RETURN_MEMBERS, EXIT_MEMBERS, PID_MEMBERS, FAULT_MEMBERS
    for found, members in zip(kernel_offsets(), groups, strict=True):
        assert len(found) in {0, len(members)}
        assert all(0 <= offset < 1 << 16 and offset % 4 == 0 for offset in found)
