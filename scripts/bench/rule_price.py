"""What one unwind rule costs the tool: found in a file, and installed where walks look it up.

At random return addresses, so that hardly one helps the next: real misses lie closer together.
"""

import mmap
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ebpftrace.kernel import syscalls
from ebpftrace.kernel.rules import RuleTable
from ebpftrace.kernel.sizes import RULES_PER_OVERFLOW
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Address, ImageAddress, Slot
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process
from ebpftrace.unwind.table import UnwindTable
from scripts.bench.figures import Section, Spread, Target, as_figures, median, narrate, table, wide
from scripts.bench.loops import Child

MOST_US = 25.0
LIBRARIES = ("libc", "libcrypto")
_RULES = 2000
_WARMING = 20
_ENTRIES = 1 << 16
_SLOT = Slot(1)
_WITH_LIBCRYPTO = "import ssl, sys; print('ready', flush=True); sys.stdin.read()"
_MAP_TYPE_ARRAY, _MMAPABLE = 2, 1024


@contextmanager
def _images() -> Iterator[dict[str, ElfImage]]:
    """Those of LIBRARIES that a python3 has mapped."""
    found = {}
    python = Child(Path(sys.executable), "-c", _WITH_LIBCRYPTO)
    with python, Process.open(python.pid) as process:
        modules = open_modules(process)
        try:
            for module in modules:
                name = module.path.rpartition("/")[2].partition(".")[0].partition("-")[0]
                if name in LIBRARIES and module.image is not None:
                    found[name] = module.image
            yield found
        finally:
            for module in modules:
                module.close()


@contextmanager
def _rule_table() -> Iterator[RuleTable]:
    """Empty, on maps as `bpf/maps.h` has them."""
    with ExitStack() as undo:

        def made(kind: int, key_size: int, value_size: int, entries: int, flags: int = 0) -> int:
            fd = syscalls.create_map(kind, key_size, value_size, entries, flags)
            undo.callback(os.close, fd)
            return fd

        array = made(_MAP_TYPE_ARRAY, 4, 16, _ENTRIES, _MMAPABLE)
        more = Table(made(syscalls.MAP_TYPE_HASH, 8, 8, _ENTRIES // RULES_PER_OVERFLOW), 8, 8)
        reported = Table(made(syscalls.MAP_TYPE_HASH, 8, 4, mmap.PAGESIZE), 8, 4)
        rules = RuleTable(array, _ENTRIES, more, reported)
        undo.callback(rules.close)
        yield rules


def _addresses(image: ElfImage, chance: random.Random) -> list[ImageAddress]:
    """One in each of `_RULES` rows of the file's tables, in no order."""
    rows = [row for row in UnwindTable(image).every_row() if row.start < row.end]
    chosen = chance.sample(rows, min(_RULES + _WARMING, len(rows)))
    return [ImageAddress(chance.randrange(row.start, row.end)) for row in chosen]


def _price(image: ElfImage, addresses: Sequence[ImageAddress]) -> float:
    """CPU time of each in us, by a table that has only looked up a few before."""
    rules = UnwindTable(image)
    for address in addresses[:_WARMING]:
        rules.rule_at(address)
    wanted = addresses[_WARMING:]
    with _rule_table() as installed:
        start = time.thread_time_ns()
        for address in wanted:
            rule = rules.rule_at(address).rule
            installed.install(_SLOT, Address(address + 1), rule.pack())
        spent = time.thread_time_ns() - start
    return spent / 1000 / len(wanted)


def measure(times: int) -> Section:
    """Each library `times`, at new addresses each time."""
    chance = random.Random(1)
    found: dict[str, list[float]] = {}
    with _images() as images:
        for name, image in images.items():
            for number in range(times):
                narrate("overhead", f"rules of {name}, {number + 1} of {times}")
                found.setdefault(name, []).append(_price(image, _addresses(image, chance)))
    spreads = {name: Spread.of(found.get(name, ())) for name in LIBRARIES}
    text = table(
        (f"One rule, of {_RULES:,} at random addresses", "us of CPU time"),
        [(name, wide(spread, 1)) for name, spread in spreads.items()],
    )
    targets = [
        Target(f"us of Python per rule, {name}", MOST_US, median(spread))
        for name, spread in spreads.items()
    ]
    figures = {name: as_figures(spread) for name, spread in spreads.items()}
    return Section("rules", text, figures, targets)
