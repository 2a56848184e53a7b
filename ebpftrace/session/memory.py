"""Memory that was needed for a moment, given back.

Thousands of misses come in the first moment, some KB each: 50 MB that the C library would keep.
"""

import ctypes

_OFTEN_S = 30.0


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
