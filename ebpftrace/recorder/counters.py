"""Files of control groups that count, a name and a number a line (Documentation: flat keyed)."""

from pathlib import Path

_MOST_BYTES = 16 << 10


def counters_of(file: Path) -> dict[str, int]:
    """OSError where it cannot be read; a line that is no such pair is left out."""
    with file.open("rb") as opened:
        return parse(opened.read(_MOST_BYTES))


def parse(text: bytes) -> dict[str, int]:
    """Of the text of such a file."""
    pairs = (line.split() for line in text.decode(errors="replace").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
