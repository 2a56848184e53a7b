"""What debug information says of one place in the code."""

from typing import NamedTuple


class Location(NamedTuple):
    """A function that covers the place, and where in its source that is; None for what is not told.

    Names are as the debug information has them, demangled, at most `MOST_NAME` characters; a line
    and a column count from 1.
    """

    function: str | None
    file: str | None
    line: int | None
    column: int | None


Locations = tuple[Location, ...]
"""All of one place: the innermost inlined function first, the one with the code of its own last.

Empty where debug information is there and says nothing of the place.
"""

MOST_NAME = 4096
MOST_INLINED = 64
