"""A module with a gigabyte of debug information: made here, then asked for random places."""

import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import ElfImage
from scripts.bench.figures import Section, table
from scripts.naming import mapped
from scripts.naming.fresh import Reading
from scripts.naming.measured import HEADS, NothingMeasured, figures, read, row, spreads
from scripts.naming.python_sites import say

_SOURCE = Path(__file__).with_name("programs") / "heavy.cpp"
_COPIES, _PLACES = 400, 500
_LIMIT_S = 300.0


@contextmanager
def module(copies: int = _COPIES) -> Iterator[Path]:
    """A library of `copies` times the same unit under other names; some minutes."""
    with tempfile.TemporaryDirectory() as folder:
        yield _made(Path(folder), copies)


def _made(folder: Path, copies: int) -> Path:
    first, library = folder / "first.o", folder / "libhuge.so"
    say(f"{copies} copies of one object, some minutes")
    subprocess.run(["g++", "-g", "-O2", "-fPIC", "-c", "-o", first, _SOURCE], check=True)
    need = 2 * copies * first.stat().st_size
    if shutil.disk_usage(folder).free < need:
        raise NothingMeasured(f"{folder} has no room for {need / 1e9:.1f} GB.")
    objects: list[Path] = []
    for number in range(copies):
        prefix = f"p{number}_"
        objects.append(folder / f"{number}.o")
        # Groups of sections go by the names of their symbols, so these have to differ, too.
        step: list[str | Path] = ["objcopy", f"--prefix-symbols={prefix}", first, objects[-1]]
        subprocess.run(step, check=True)
        back = f"--redefine-sym={prefix}__dso_handle=__dso_handle"
        subprocess.run(["objcopy", back, objects[-1]], check=True)
    unresolved = "-Wl,--unresolved-symbols=ignore-all"
    subprocess.run(["g++", "-shared", unresolved, "-o", library, *objects], check=True)
    for one in objects:
        one.unlink()
    return library


def places(path: Path, count: int) -> list[ImageAddress]:
    """Random places in random functions."""
    with path.open("rb") as file:
        functions = [one for one in ElfImage.open(file.fileno()).symbols() if one.size > 1]
    draw = random.Random(1)
    return [
        ImageAddress(one.value + draw.randrange(one.size - 1))
        for one in draw.choices(functions, k=count)
    ]


def measure(rounds: int, path: Path) -> Section:
    """The first and the 500th line of a library such as `module` makes."""
    debug = _debug_bytes(path)
    readings: list[Reading] = []
    with mapped.mapping(path) as pid:
        asked = mapped.return_addresses(pid, path, places(path, _PLACES))
        for number in range(rounds):
            say(f"the huge module, {number + 1} of {rounds}")
            readings.append(read(pid, asked, None, _LIMIT_S))
    found = spreads(readings)
    rows = [
        row("names alone, ms", found["names_ms"], None, 0),
        row("to the first lines, ms", found["first_ms"], None, 0),
        row("to the last line, ms", found["lines_ms"], None, 0),
        row(f"places without an answer after {_LIMIT_S:.0f} s", found["pending"], None, 0),
        row("places with a line", found["located"], None, 0),
        row("processes that were begun", found["resolvers"], None, 0),
        row("the most that one had resident, MB", found["resolver_mb"], None, 0),
    ]
    text = table((f"{debug / 1e6:,.0f} MB of DWARF, {_PLACES} places", *HEADS), rows)
    return Section("huge", text, {"dwarf_bytes": debug, **figures(found)})


def _debug_bytes(path: Path) -> int:
    said = subprocess.run(
        ["readelf", "-SW", path], capture_output=True, text=True, check=False
    ).stdout
    return sum(
        int(line.split("PROGBITS")[1].split()[2], 16)
        for line in said.splitlines()
        if " .debug_" in line and "PROGBITS" in line
    )
