"""Memory that was needed for a moment, given back.

Thousands of misses come in the first moment, some KB each: 50 MB that the C library would keep.
"""

import ctypes
import gc

_OFTEN_S = 30.0


def settle() -> None:
    """What is there by now stays: full collections pass over it.

    A picture of 50,000 sites is 100,000 tuples that replace as many, and none is in a cycle: with the
    defaults each picture is followed by a full collection of 200 to 400 ms.
    """
    gc.freeze()
    gc.set_threshold(250_000, 20, 50)


class Trimming:
    """Soon after the start, and twice a minute; 0.5 to 4 ms."""

    def __init__(self) -> None:
        self._due = 0.5
        # Of glibc; others give back by themselves.
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def at(self, since_attach_s: float) -> None:
        """Give back what is free, if it is time."""
        if self._trim is not None and since_attach_s >= self._due:
            self._trim(ctypes.c_size_t(0))
            self._due = since_attach_s + _OFTEN_S
