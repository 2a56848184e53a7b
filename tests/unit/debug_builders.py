"""Programs with known lines, built by gcc, and a resolver that is asked about them."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ebpftrace.symbols.resolver.client import Opened, Place, Resolver
from ebpftrace.target.elf import BadElf, ElfImage

SOURCE = Path(__file__).parent / "debug_program.cpp"

CHAIN = [
    ("_ZN3app4PoolIiE4takeEj", "take", 17, 22),
    ("app::run::'lambda'::operator()", "operator()", 23, 25),
    ("_ZN3appL3runERNS_4PoolIiEEj.constprop.0", "run", 25, 16),
]
"""At the jump at the end of `run`: linkage name, name, line, column."""
TAIL = ("run", "jmp")
"""The symbol and the instruction of `CHAIN`."""


def build(target: Path, *flags: str, source: Path = SOURCE) -> Path:
    """`source` compiled and linked by g++ or gcc with -O2 and `flags`."""
    compiler = "gcc" if source.suffix == ".c" else "g++"
    run(compiler, "-O2", "-w", *flags, "-o", target, source, cwd=target.parent)
    return target


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """One that everybody may enter, which pytest's are not: the resolver is nobody."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, check=True, capture_output=True)
    return done.stdout.decode(errors="replace")


def at(path: Path, symbol: str, instruction: str) -> int:
    """The address of the first `instruction` of the function with `symbol` in its name."""
    inside = False
    for line in run("objdump", "-d", "--no-show-raw-insn", path).splitlines():
        if line.endswith(">:"):
            inside = symbol in line
        elif inside and f"\t{instruction}" in line:
            return int(line.partition(":")[0], 16)
    raise LookupError(symbol)


def stripped(path: Path, debug: Path, *, link: bool = True) -> Path:
    """Move the debug information of `path` to `debug`, named in .gnu_debuglink if `link`."""
    run("objcopy", "--only-keep-debug", path, debug)
    run("strip", path)
    if link:
        run("objcopy", f"--add-gnu-debuglink={debug}", path)
    return path


def build_id(path: Path) -> str | None:
    with path.open("rb") as file, contextlib.suppress(BadElf):
        return ElfImage.open(file.fileno()).build_id
    return None


class Asking:
    """A resolver, and how often its process was started."""

    def __init__(self, **options) -> None:
        self.resolver = Resolver(**options)
        self.pids: set[int] = set()
        self._number = 0

    def open(self, path: Path, *others: Path, name: str | None = None) -> Opened:
        """`path` as a module of its own, `others` offered as what describes it."""
        self._number += 1
        fds = [os.open(one, os.O_RDONLY) for one in (path, *others)]
        try:
            return self.resolver.open(self._number, name or str(path), fds, build_id(path))
        finally:
            for fd in fds:
                os.close(fd)
            self.pids.update({self.resolver.pid} - {None})  # type: ignore[arg-type]

    def find(self, addresses: Sequence[int]) -> list[list[Place]]:
        """In the module opened last."""
        return self.resolver.find(self._number, addresses)

    def places(self, path: Path, address: int, *others: Path, name: str | None = None):
        """The functions at `address`; None where there is no debug information."""
        if not self.open(path, *others, name=name).has_debug_info:
            return None
        return self.find([address])[0]

    def chain(self, path: Path, address: int, *others: Path, name: str | None = None):
        """As `places`, in the form of `CHAIN`."""
        found = self.places(path, address, *others, name=name)
        return found and [(linkage, plain, row, column) for linkage, plain, _, row, column in found]


@contextlib.contextmanager
def asking(**options) -> Iterator[Asking]:
    one = Asking(**options)
    try:
        yield one
    finally:
        one.resolver.stop()


ODD = """#include <stdlib.h>
#line 7 "/tmp/a\\033[31mb\\nc\\u202ed"
void *odd(int n) { return malloc(n); }
int main(int n, char **v) { return odd(n) == 0; }
"""
"""A program whose source file has terminal escapes, a new line and a bidirectional override in its name."""
