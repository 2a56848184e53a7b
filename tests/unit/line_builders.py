"""A look-up of lines with everything beside it faked: files, store, and who reads them."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import cast

from ebpftrace.model.ids import ImageAddress
from ebpftrace.symbols.code_file import CodeFile, Identity
from ebpftrace.symbols.file_lines import Line
from ebpftrace.symbols.lines import Lines
from ebpftrace.symbols.locations import Location, Locations
from ebpftrace.symbols.resolver.client import Opened, Place, Resolver
from ebpftrace.symbols.store import LineStore

FIRST: Identity = (1, 1, 1, 1)
SECOND: Identity = (1, 2, 1, 1)


class FakeFile:
    """A file that says what it is called; its source says which line was asked for."""

    def __init__(self, identity: Identity = FIRST, key: str | None = None) -> None:
        self.identity = identity
        self.name = self.path = f"/lib/{identity[1]}.so"
        self.key = key
        self.build_id = None
        self.source = self
        self.closed = 0
        self.described = True

    def may_be_described(self) -> bool:
        return self.described

    def line(self, path: str | None, number: int | None) -> str | None:
        return None if path is None or number is None else f"text of {path}:{number}"

    def files(self) -> list[int]:
        return []

    def close(self) -> None:
        self.closed += 1


class FakeResolver:
    """Names the function at N of module M "fN" in line N, inlined into "main" of "M.c"."""

    pid = 4711
    asks_servers = False

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[int]]] = []
        self.opened: list[int] = []
        self.answer = Opened(has_debug_info=True, refused=(), unanswered=None)
        self.fails: Callable[[str, int], Exception | None] = lambda what, module: None
        self.gate = threading.Event()
        self.gate.set()
        self.interrupted = self.stopped = 0
        self._open: set[int] = set()

    def is_open(self, module: int) -> bool:
        return module in self._open

    def open(self, module: int, name: str, files: Sequence[int], build_id: str | None) -> Opened:
        self._wait("open", module)
        self.opened.append(module)
        self._open.add(module)
        return self.answer

    def find(self, module: int, addresses: Sequence[int]) -> list[list[Place]]:
        self._wait("find", module)
        self.asked.append((module, list(addresses)))
        return [self.places(module, address) for address in addresses]

    def places(self, module: int, n: int) -> list[Place]:
        return [(None, f"f{n}", f"/{module}.h", n, 1), ("main", "main", f"/{module}.c", 1, None)]

    def _wait(self, what: str, module: int) -> None:
        assert self.gate.wait(10)
        if error := self.fails(what, module):
            raise error

    def interrupt(self) -> None:
        self.interrupted += 1
        self.gate.set()

    def stop(self) -> None:
        self.stopped += 1
        self._open.clear()


class FakeStore:
    def __init__(self, **known: dict[int, Locations]) -> None:
        self.known = known
        self.closed = 0

    def find(self, key: str, addresses: Sequence[int]) -> dict[int, Locations]:
        held = self.known.get(key, {})
        return {address: held[address] for address in addresses if address in held}

    def add(self, key: str, found: dict[int, Locations]) -> None:
        self.known.setdefault(key, {}).update(found)

    def close(self) -> None:
        self.closed += 1


class LookUp:
    """`Lines` over fakes."""

    def __init__(
        self, store: FakeStore | None = None, opening: Callable[[], object] | None = None
    ) -> None:
        self.resolver = FakeResolver()
        self.files: dict[Identity, FakeFile] = {}
        self.described = True
        self.lines = Lines(
            cast(Resolver, self.resolver),
            cast(Callable[[], LineStore | None], opening or (lambda: store)),
        )

    def want(self, *addresses: int, identity: Identity = FIRST, key: str | None = None) -> None:
        def make() -> CodeFile:
            self.files[identity] = FakeFile(identity, key)
            self.files[identity].described = self.described
            return cast(CodeFile, self.files[identity])

        self.lines.want(identity, map(ImageAddress, addresses), make)

    def find(self, address: int, identity: Identity = FIRST) -> tuple[Line, ...] | None:
        return self.lines.find(identity, ImageAddress(address))

    def found(self, address: int, identity: Identity = FIRST) -> list[str | None]:
        """The functions at a place; it must have been looked up."""
        lines = self.find(address, identity)
        assert lines is not None
        return [line.location.function for line in lines]

    def settle(self) -> None:
        self.lines.settle(5)
        assert not self.lines.naming().pending


@contextlib.contextmanager
def looking_up(**options) -> Iterator[LookUp]:
    one = LookUp(**options)
    try:
        yield one
    finally:
        one.resolver.gate.set()
        one.lines.close()


def at(function: str, row: int) -> Locations:
    return (Location(function, "/stored.c", row, None),)
