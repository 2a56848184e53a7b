"""Memory that was needed for a moment, given back.

Thousands of misses come in the first moment, some KB each: 50 MB that the C library would keep.
"""

import ctypes
import gc

_OFTEN_S = 30.0
_GARBAGE = 250_000  # objects; a dashboard leaves 170 in cycles at each refresh and key, 30 MB here
_OF_A_SITE = 6  # Site, Counts, its cohorts


def settle() -> None:
    """What is there by now stays: full collections pass over it."""
    gc.freeze()
    make_room(0)


def make_room(sites: int) -> None:
    """Let a picture of so many sites be made without a collection.

    One of 100,000 is 500,000 tuples that replace as many, and none is in a cycle: they were looked
    through two or three times a picture, 60 ms each. With the defaults each picture is followed by a
    full collection of 200 to 400 ms.
    """
    gc.set_threshold(_GARBAGE + _OF_A_SITE * sites, 20, 50)


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
