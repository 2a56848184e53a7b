"""What one look-up costs: of the symbol table, of the demangler, of the lines that are kept."""

import random
import tempfile
import time
from pathlib import Path

from ebpftrace.model.ids import ImageAddress
from ebpftrace.symbols.demangling import demangled
from ebpftrace.symbols.store import NAME
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.elf import ElfImage
from scripts.bench.figures import Section, Spread, as_figures, table
from scripts.naming import mapped, pcs, programs
from scripts.naming.measured import HEADS, read, row
from scripts.naming.python_sites import libllvm, say

_LOOK_UPS, _NAMES, _PLACES = 20_000, 4_000, 1_000


def measure(rounds: int) -> Section:
    """Each on a file that there is; of another one nothing is told."""
    found: dict[str, Spread | None] = {}
    library = libllvm()
    if library is not None:
        with Path(library).open("rb") as file:
            image = ElfImage.open(file.fileno())
            found |= _of_table(image, Path(library).name, rounds)
            found |= _of_names(image, Path(library).name, rounds)
    for name, path in programs.installed():
        if name == "python3":
            found |= _of_store(path, rounds)
    rows = [row(name, spread, None, 1) for name, spread in found.items()]
    figures = {name: as_figures(spread) for name, spread in found.items()}
    return Section("rates", table(("Look-ups", *HEADS), rows), figures)


def _of_table(image: ElfImage, name: str, rounds: int) -> dict[str, Spread | None]:
    say(f"the symbol table of {name}")
    made, rates = [], []
    draw = random.Random(1)
    functions = [one for one in image.symbols() if one.size]
    for _ in range(rounds):
        start = time.perf_counter()
        symbols = SymbolTable(image)
        made.append((time.perf_counter() - start) * 1e3)
        places = [
            ImageAddress(one.value + draw.randrange(one.size))
            for one in draw.choices(functions, k=_LOOK_UPS)
        ]
        start = time.perf_counter()
        for place in places:
            symbols.find(place)
        rates.append(_LOOK_UPS / (time.perf_counter() - start) / 1e3)
    return {
        f"symbol table of {name}, {len(functions):,} functions: read, ms": Spread.of(made),
        "symbol table: thousand look-ups a second": Spread.of(rates),
    }


def _of_names(image: ElfImage, name: str, rounds: int) -> dict[str, Spread | None]:
    """Names that were not asked for before: those are kept."""
    say(f"names of {name}")
    mangled = sorted({one.name for one in image.symbols() if one.name.startswith("_Z")})
    random.Random(1).shuffle(mangled)
    demangled(mangled.pop())  # loads what reads them
    rates = []
    for number in range(rounds):
        some = mangled[number * _NAMES : (number + 1) * _NAMES]
        if len(some) < _NAMES:
            break
        start = time.perf_counter()
        for one in some:
            demangled(one)
        rates.append(_NAMES / (time.perf_counter() - start) / 1e3)
    return {f"C++ names of {name}: thousand a second": Spread.of(rates)}


def _of_store(path: Path, rounds: int) -> dict[str, Spread | None]:
    """Bytes of the file of lines a place, its log folded in, and what filling it took."""
    say("the lines that are kept")
    sizes, rates = [], []
    places = pcs.sample(path, _PLACES, 1, of_any_kind=False)
    with mapped.mapping(path) as pid:
        returns = mapped.return_addresses(pid, path, places)
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                reading = read(pid, returns, Path(cache))
                sizes.append(sum(f.stat().st_size for f in Path(cache).glob(f"{NAME}*")))
                rates.append(len(places) / reading.lines_ms * 1e3)
    return {
        f"kept lines of {len(places):,} places of python3: bytes a place": Spread.of(
            size / len(places) for size in sizes
        ),
        "looking them up, places a second, start and pauses included": Spread.of(rates),
    }
