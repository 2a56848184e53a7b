"""Python's cyclic collector, kept from looking through many objects of which none is in a cycle."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_GARBAGE = 250_000  # objects; a dashboard leaves 170 in cycles at each refresh and key, 30 MB here
_OF_A_SITE = 6  # Site, Counts, its cohorts


@contextmanager
def collector_paused() -> Iterator[None]:
    """Where many are made: it looks through all of them again and again, of 400,000 a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


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
