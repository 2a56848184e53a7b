"""Root without its right to read everything, so that tests of refused files run as root, too."""

import ctypes
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522
_DAC = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def obeyed() -> Iterator[None]:
    """The modes of files bind this thread; children that it starts get the rights back."""
    header = struct.pack("<Ii", _VERSION_3, 0)
    before = ctypes.create_string_buffer(24)
    assert _libc.capget(header, before) == 0
    sets = list(struct.unpack("<6I", before.raw))
    sets[0] &= ~_DAC  # effective, low
    assert _libc.capset(header, struct.pack("<6I", *sets)) == 0
    try:
        yield
    finally:
        assert _libc.capset(header, before.raw) == 0
