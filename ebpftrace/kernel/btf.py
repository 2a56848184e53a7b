"""The kernel's own types, as far as a number of one of its functions is wanted.

Layout: Documentation/bpf/btf.rst. 5 MB of types are walked in 0.08 s; only what calls kernel
functions needs them.
"""

import struct
from array import array
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


@lru_cache(maxsize=8)
def kernel_function(name: str) -> int | None:
    """The type id of a function of the running kernel, by which a program calls it.

    None where there is none, or no types (CONFIG_DEBUG_INFO_BTF).
    """
    try:
        with _PATH.open("rb") as file:
            return function_id(file.read(_MOST), name)
    except OSError:
        return None


def function_id(btf: bytes, name: str) -> int | None:
    """The id of the FUNC `name` in raw BTF; None where there is none, or it is not BTF we know."""
    try:
        return _function_id(btf, name)
    except (struct.error, IndexError, ValueError):
        return None


def _function_id(btf: bytes, name: str) -> int | None:
    magic, _, _, size, types_at, types_size, strings_at, strings_size = _HEADER.unpack_from(btf)
    if magic != _MAGIC:
        return None
    strings = btf[size + strings_at : size + strings_at + strings_size]
    wanted = strings.find(b"\0" + name.encode() + b"\0") + 1
    if not wanted:
        return None
    words = array("I", btf[size + types_at : size + types_at + types_size])
    at, number = 0, 1
    while at < len(words):
        info = words[at + 1]
        kind = info >> 24 & 0x1F
        if kind == _FUNC and words[at] == wanted:
            return number
        if not 0 < kind <= _MOST_KIND:
            return None  # a kind of later years, whose length is not known
        at += _HEAD_WORDS + _EXTRA.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
        number += 1
    return None
