"""What our child processes give up of what a fork copies."""

import os

_HIGHEST = 1 << 20


def keep_only(*descriptors: int) -> None:
    """Close every other one but the standard three.

    Else a copy of a socket's end would keep its other end waiting for us, too.
    """
    start = 3
    for descriptor in sorted(descriptors):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, _HIGHEST)
