"""The kernel's own types, as far as a function's number or a member's offset is wanted.

Layout: Documentation/bpf/btf.rst. 5 MB of types are walked in 0.08 s; only what calls kernel
functions, or reads what it keeps of return probes and of the end of a process, needs them.
"""

import os
import struct
from array import array
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

_PATH = Path("/sys/kernel/btf/vmlinux")
_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_MOST = 64 << 20
_HEAD_WORDS = 3
_FUNC = 12
# Words behind the head, by kind: once, and for each of `vlen` members.
_EXTRA = {1: 1, 3: 3, 14: 1, 17: 1}
_EACH = {4: 3, 5: 3, 6: 2, 13: 2, 15: 3, 19: 3}
_MOST_KIND = 19


_STRUCT, _LARGE = 4, 1 << 31  # a struct with bit fields packs their sizes into the offsets

RETURN_MEMBERS = (
    ("task_struct", "utask"),
    ("uprobe_task", "return_instances"),
    ("return_instance", "stack"),
    ("return_instance", "orig_ret_vaddr"),
    ("return_instance", "next"),
)
"""Where the kernel keeps the return addresses that return probes have replaced."""

EXIT_MEMBERS = (
    ("task_struct", "signal"),
    ("task_struct", "group_leader"),
    ("task_struct", "exit_code"),
    ("task_struct", "real_parent"),
    ("task_struct", "tgid"),
    ("signal_struct", "live"),
    ("signal_struct", "flags"),
    ("signal_struct", "group_exit_code"),
    ("signal_struct", "oom_mm"),
)
"""Where it keeps by what a process ends, and whose child it is; `oom_mm` is there since 26db62f179d1 (4.9)."""

PID_MEMBERS = (
    ("task_struct", "thread_pid"),
    ("pid", "level"),
    ("pid", "numbers"),
    ("upid", "nr"),
    ("upid", "ns"),
    ("pid_namespace", "ns"),
    ("ns_common", "inum"),
)
"""Where it keeps the number that a process has in each pid namespace."""

FAULT_MEMBERS = (
    ("task_struct", "min_flt"),
    ("task_struct", "maj_flt"),
    ("task_struct", "stack"),
)
"""Where it keeps how many page faults a thread has behind it, and its kernel stack."""

Offsets = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@lru_cache(maxsize=8)
def kernel_function(name: str) -> int | None:
    """The type id of a function of the running kernel, by which a program calls it.

    None where there is none, or no types (CONFIG_DEBUG_INFO_BTF).
    """
    return function_id(_kernel_types(), name)


@lru_cache(maxsize=1)
def kernel_offsets() -> Offsets:
    """The offsets in bytes of RETURN_MEMBERS, EXIT_MEMBERS, PID_MEMBERS and FAULT_MEMBERS in the running kernel.

    () where it does not tell all of those.
    """
    groups = RETURN_MEMBERS, EXIT_MEMBERS, PID_MEMBERS, FAULT_MEMBERS
    returns, exits, pids, faults = member_offsets(_kernel_types(), *groups)
    return returns, exits, pids, faults


def _kernel_types() -> bytes:
    try:
        with _PATH.open("rb") as file:
            # So much is taken from the memory before anything is read.
            return file.read(min(os.fstat(file.fileno()).st_size, _MOST))
    except OSError:
        return b""


def function_id(btf: bytes, name: str) -> int | None:
    """The id of the FUNC `name` in raw BTF; None where there is none, or it is not BTF we know."""
    try:
        types = _Types(btf)
        wanted = types.name(name)
        if not wanted:
            return None
        found = (number for number, _ in types.of_kind(_FUNC, (wanted,)))
        return next(found, None)
    except (struct.error, IndexError, ValueError):
        return None


def member_offsets(btf: bytes, *groups: Sequence[tuple[str, str]]) -> list[tuple[int, ...]]:
    """The offsets in bytes of (struct, member), of each group all or none, in one walk.

    A member of a member is not found.
    """
    members = [member for group in groups for member in group]
    found: dict[tuple[str, str], int] = {}
    try:
        types = _Types(btf)
        structs = {types.name(name): name for name, _ in members}
        wanted = {types.name(member): member for _, member in members}
        for _, at in types.of_kind(_STRUCT, structs):
            for name, bits in types.members(at):
                if name in wanted:
                    found.setdefault((structs[types.words[at]], wanted[name]), bits // 8)
    except (struct.error, LookupError, ValueError):
        found.clear()
    return [
        tuple(found[one] for one in group) if found.keys() >= set(group) else () for group in groups
    ]


class _Types:
    """Raw BTF; struct.error, IndexError, ValueError where it is none that we know."""

    def __init__(self, btf: bytes) -> None:
        magic, _, _, size, types_at, types_size, strings_at, strings_size = _HEADER.unpack_from(btf)
        if magic != _MAGIC:
            raise ValueError(magic)
        self._strings = btf[size + strings_at : size + strings_at + strings_size]
        self.words = array("I", btf[size + types_at : size + types_at + types_size])

    def name(self, name: str) -> int:
        """By what number types are called so; 0 where none is."""
        return self._strings.find(b"\0" + name.encode() + b"\0") + 1

    def of_kind(self, wanted: int, names: Collection[int]) -> Iterator[tuple[int, int]]:
        """(type id, where it begins) of the types of one kind with one of these names."""
        words, at, number = self.words, 0, 1
        while at < len(words):
            info = words[at + 1]
            kind = info >> 24 & 0x1F
            if kind == wanted and words[at] in names:
                yield number, at
            if not 0 < kind <= _MOST_KIND:
                return  # a kind of later years, whose length is not known
            at += _HEAD_WORDS + _EXTRA.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
            number += 1

    def members(self, at: int) -> Iterator[tuple[int, int]]:
        """(name, offset in bits) of each member of the struct that begins at `at`."""
        info = self.words[at + 1]
        mask = 0xFFFFFF if info & _LARGE else 0xFFFFFFFF
        first = at + _HEAD_WORDS
        for member in range(first, first + 3 * (info & 0xFFFF), 3):
            yield self.words[member], self.words[member + 2] & mask
