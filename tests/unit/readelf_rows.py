"""The rows of call frame information as `readelf --debug-dump=frames-interp` prints them."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LIBRARY_FOLDERS = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64")

FDE = re.compile(
    r"^[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ FDE cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.([0-9a-f]+)"
)
CIE = re.compile(r'^([0-9a-f]+) [0-9a-f]+ [0-9a-f]+ CIE "(\w*)"')
NAMED_REGISTER = re.compile(r"\b(r\d+) \(\w+\)")
"""Another register is printed with its name behind it: `r1 (rdx)`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `columns` by register, `u` where nothing is said, and `CFA`."""

    start: int
    end: int
    signal: bool
    columns: dict[str, str]


@dataclass
class _Entry:
    """An FDE or a CIE that is being read."""

    start: int = 0
    end: int = 0
    augmentation: str = ""
    heads: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)


def find_library(*names: str) -> Path:
    """The first of `names` that is installed."""
    for name in names:
        for folder in LIBRARY_FOLDERS:
            if (found := Path(folder, name)).exists():
                return found
    folders = ", ".join(LIBRARY_FOLDERS)
    raise AssertionError(f"{' or '.join(names)} is in none of {folders}: run scripts/setup --dev.")


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of all FDEs, those of no length left out."""
    # Its exit status is 1 where a file of debug information is named and missing.
    text = subprocess.run(
        ["readelf", "--debug-dump=frames-interp", path], capture_output=True, text=True, check=False
    ).stdout
    cies: dict[str, _Entry] = {}
    entry = _Entry()
    for line in text.splitlines():
        if match := CIE.match(line):
            entry = cies[match[1].lstrip("0")] = _Entry(augmentation=match[2])
        elif match := FDE.match(line):
            yield from _ended(entry)
            cie = cies[match[1].lstrip("0")]
            entry = _Entry(int(match[2], 16), int(match[3], 16), cie.augmentation)
            # One without instructions is printed without rows.
            entry.rows = [(entry.start, columns) for _, columns in cie.rows[-1:]]
        elif line.startswith("   LOC"):
            entry.heads = line.split()[1:]
            entry.rows = []
        elif entry.heads and line.strip():
            location, *cells = NAMED_REGISTER.sub(r"\1", line).split()
            columns = dict(zip(entry.heads, cells, strict=True))
            entry.rows.append((int(location, 16), columns))
        else:
            yield from _ended(entry)
            entry.heads = []
    yield from _ended(entry)


def _ended(entry: _Entry) -> Iterator[Row]:
    """The rows of an FDE, each to the start of the next. It is empty from then on."""
    starts = [start for start, _ in entry.rows] + [entry.end]
    for (start, columns), end in zip(entry.rows, starts[1:], strict=True):
        if start < end:
            yield Row(start, end, "S" in entry.augmentation, columns)
    if entry.end:
        entry.rows = []
