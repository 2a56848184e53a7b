"""Functions, files and lines of random places in code, as ebpftrace and as another tool tell them.

The other one is llvm-symbolizer, else eu-addr2line, else binutils' addr2line. ebpftrace's are taken the
way they go in `attach`: from a process that has the file mapped. `names %` to `lines %` are of pairs of
frames that belong together; `or finer` counts names of which one says less. `chains %` are the
places where all frames agree so.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import ImageAddress
from ebpftrace.symbols.demangling import demangled
from ebpftrace.symbols.lines import Lines
from ebpftrace.symbols.resolver.client import Resolver
from ebpftrace.target.elf import ElfImage
from scripts.bench.command import run
from scripts.bench.figures import narrate, table
from scripts.naming import mapped, pcs, programs
from scripts.naming.differences import FINER, HEADS, Aliases, Comparison, report
from scripts.naming.other_tools import Chain, Place, Tool, choose
from scripts.naming.spelling import spelled

_LIMIT_S = 300.0


def _say(sentence: str) -> None:
    narrate("compare-lines", sentence)


def ours(path: Path, addresses: list[ImageAddress]) -> tuple[list[Chain], Aliases]:
    """What ebpftrace tells of each of `addresses`, and all names that symbol tables have for one."""
    lines = Lines(Resolver(), lambda: None)
    with mapped.mapping(path) as pid, mapped.named(pid, lines) as process:
        module = mapped.module_of(process.space, path)
        returns = [mapped.return_address(module, at) for at in addresses]
        found = process.with_lines(process.names(returns), _LIMIT_S)
        how = process.lines.naming()
        for note in how.notes:
            _say(note)
        if how.pending:
            _say(f"{how.pending} places of {path} had no answer in {_LIMIT_S:.0f} s.")
        assert module.image is not None
        return [tuple(map(_place, frames)) for frames in found], _aliases(path, module.image)


def _place(frame: Frame) -> Place:
    return Place(frame.function, frame.file, frame.line)


def _aliases(path: Path, image: ElfImage) -> Aliases:
    symbols = list(image.symbols())
    debug_file = programs.debug_file(path)
    if debug_file is not None:
        with debug_file.open("rb") as file:
            symbols += ElfImage.open(file.fileno()).symbols()
    functions = sorted({(one.value, one.size, one.name) for one in symbols})

    @lru_cache
    def names(address: int) -> frozenset[str]:
        return frozenset(
            spelled(demangled(name))
            for start, size, name in functions
            if start <= address < start + size
        )

    return names


def _compare(path: Path, tool: Tool, given: argparse.Namespace) -> Comparison:
    addresses = pcs.sample(path, given.places, given.seed, of_any_kind=given.any)
    mine, aliases = ours(path, addresses)
    found = Comparison()
    for address, one, other in zip(addresses, mine, tool.chains(path, addresses), strict=True):
        found.add(address, _if_told(one), _if_told(other), aliases)
    return found


def _if_told(chain: Chain) -> Chain:
    return chain if any(any(place) for place in chain) else ()


def _subjects(given: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path]]:
    if given.programs:
        yield from ((path.name, path.resolve()) for path in given.programs)
        return
    yield from programs.installed()
    yield from programs.compiled(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare-lines", description=__doc__)
    parser.add_argument("programs", nargs="*", type=Path, metavar="PROGRAM")
    parser.add_argument("--places", type=int, default=500, help="of each program (500)")
    parser.add_argument("--any", action="store_true", help="places of any kind, not calls only")
    parser.add_argument("--seed", type=int, default=1, help="by which places are drawn (1)")
    parser.add_argument("--tool", help="llvm-symbolizer, eu-addr2line or addr2line (the first)")
    parser.add_argument("--verbose", action="store_true", help="print every difference")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    tool = choose(given.tool)
    if tool is None:
        _say(f"There is no {given.tool or 'llvm-symbolizer, eu-addr2line or addr2line'} here.")
        return 2
    rows = []
    classes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, path in _subjects(given, Path(folder)):
            _say(name)
            found = _compare(path, tool, given)
            rows.append((name, *found.cells()))
            classes += found.classes
            if given.verbose:
                print("\n".join(report(found.differences, tool.name)), flush=True)
    print(table((f"against {tool.name}", *HEADS), rows))
    print()
    print(
        table(("differences", ""), ((_marked(name), str(n)) for name, n in classes.most_common()))
    )
    return int(any(name not in FINER for name in classes))


def _marked(name: str) -> str:
    return name if name not in FINER else f"{name} (finer)"


if __name__ == "__main__":
    run("compare-lines", main)
