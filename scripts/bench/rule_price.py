"""What one unwind rule costs in Python, over return addresses of large libraries.

Needs neither root nor a kernel: python -m scripts.bench.rule_price
"""

import os
import random
import sys
from pathlib import Path
from time import process_time

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import ElfImage
from ebpftrace.unwind.table import UnwindTable
from scripts.bench.figures import Section, Spread, Target, as_figures, median, narrate, table, wide

MOST_US = 25
_LIBRARIES = ("libc.so.6", "libcrypto.so.3", "libcrypto.so.1.1")
_ADDRESSES, _READINGS = 4000, 7


def measure() -> Section:
    """CPU microseconds a rule with warm caches, of addresses drawn from all rows alike: functions
    that save much, whose programs are long, count more than they do in a stack.
    """
    spreads = {path.name: Spread.of(_readings(path)) for path in _mapped(_LIBRARIES)}
    worst = max(filter(None, map(median, spreads.values())), default=None)
    text = table(
        ("A rule at an address of", "us of Python"),
        [(name, wide(spread, 1)) for name, spread in spreads.items()],
    )
    return Section(
        "rules",
        text,
        {name: as_figures(spread) for name, spread in spreads.items()},
        [Target("Python per rule, us", MOST_US, worst)],
    )


def _mapped(names: tuple[str, ...]) -> list[Path]:
    """Those of `names` that this process has loaded; `ssl` brings libcrypto."""
    import ssl

    narrate("rules", f"the price of rules of libc and of {ssl.OPENSSL_VERSION}")
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {Path(line.split(maxsplit=5)[-1]) for line in lines if "/" in line}
    return sorted(path for path in paths if path.name in names)


def _readings(path: Path) -> list[float]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        rules = UnwindTable(ElfImage.open(fd))
        stretches = list(rules.every_row())
        choice = random.Random(1)
        drawn = choice.choices(stretches, k=_ADDRESSES)
        addresses = [ImageAddress(choice.randrange(one.start, one.end)) for one in drawn]
        return [_us_per_rule(rules, addresses) for _ in range(_READINGS + 1)][1:]
    finally:
        os.close(fd)


def _us_per_rule(rules: UnwindTable, addresses: list[ImageAddress]) -> float:
    start = process_time()
    for address in addresses:
        rules.rule_at(address)
    return (process_time() - start) / len(addresses) * 1e6


def main() -> int:
    section = measure()
    print(section.text, *(target.text() for target in section.targets), sep="\n")
    return 0 if all(target.reached for target in section.targets) else 1


if __name__ == "__main__":
    sys.exit(main())
