"""Stores filled with places whose locations tell which place they are of."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ebpftrace.symbols.locations import Location, Locations
from ebpftrace.symbols.store import NAME, LineStore

KEY = "c0ffee-4096"
ROOT = Path(__file__).parents[2]
CHILD = """
import resource, sys
from pathlib import Path
from ebpftrace.symbols.store import LineStore
from tests.unit.store_builders import KEY, places
"""


def at(n: int, name: str = "f") -> Locations:
    """Two locations that tell their `n`, with names that many places share."""
    return (
        Location(f"{name}_{n % 50}", f"/src/{n % 7}.h", n, None),
        Location("main", "/src/main.c", 1, n),
    )


def places(first: int, count: int, name: str = "f") -> dict[int, Locations]:
    return {n * 5: at(n, name) for n in range(first, first + count)}


@contextlib.contextmanager
def opened(directory: Path, most_bytes: int = 64 << 20) -> Iterator[LineStore]:
    store = LineStore.open(directory, most_bytes)
    try:
        yield store
    finally:
        store.close()


def filled(directory: Path, count: int = 3000) -> Path:
    """A store of `count` places in one file, closed."""
    with opened(directory) as store:
        store.add(KEY, places(0, count))
    return directory / NAME


def child(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process of its own that runs `code` with the names of `CHILD`."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
