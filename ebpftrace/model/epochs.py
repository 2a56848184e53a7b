"""Epochs: how births are grouped by time. The inverse of `epoch_at` of bpf/accounting.h.

1 s long in the first minute after the attach, 10 s to ten minutes, 60 s to two hours, then 600 s.
"""

# (first epoch, its start in seconds, length in seconds)
_SPANS = ((224, 7200, 600), (114, 600, 60), (60, 60, 10), (0, 0, 1))
LAST = 65535


def epoch_at(seconds: float) -> int:
    """The epoch that a birth `seconds` after the attach belongs to."""
    whole = max(0, int(seconds))
    for first, start, length in _SPANS:
        if whole >= start:
            return min(LAST, first + (whole - start) // length)
    raise AssertionError("the last span starts at 0")


def start_of(epoch: int) -> int:
    """Seconds from the attach to the start of `epoch`."""
    for first, start, length in _SPANS:
        if epoch >= first:
            return start + (epoch - first) * length
    raise AssertionError("the last span starts at epoch 0")


def length_of(epoch: int) -> int:
    """Seconds from the start of `epoch` to its end."""
    return next(length for first, _, length in _SPANS if epoch >= first)
