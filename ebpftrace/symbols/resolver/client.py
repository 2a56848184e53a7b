"""Debug information of many files, read in a process that is begun anew when need be.

A file that kills it, keeps it busy for too long or makes it too large fails alone: whoever asks does
not ask for it again. For one thread at a time, but for `interrupt`.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

from ebpftrace.symbols.locations import MOST_INLINED, MOST_NAME
from ebpftrace.symbols.resolver import wire
from ebpftrace.symbols.resolver.child import Child, ModuleFailed, ResolverGone
from ebpftrace.symbols.resolver.confined import NOBODY

__all__ = ["ModuleFailed", "Opened", "Place", "Resolver", "ResolverGone"]

_OPEN_S, _FETCH_S, _FIND_S = 10.0, 120.0, 10.0
_OWN_BYTES = 192 << 20
"""What it may take beside the files it has mapped; drgn on CPython's 11 MB of DWARF takes 90 MB."""
_TIRED = {"RssAnon": 80 << 20, "VmRSS": 384 << 20}
"""By which it is begun anew: it grows by 1 MB of its own for each unit of code that it looks into, and by
as much of the file, which the kernel can take back."""
_ENOUGH_MODULES = 64
_MOST_MAPPED = 8 << 30
_MOST_REFUSED = 16
_DEBUGINFOD = {"DEBUGINFOD_TIMEOUT": "5", "DEBUGINFOD_RETRY_LIMIT": "1"}

T = TypeVar("T")

Place = tuple[str | None, str | None, str | None, int | None, int | None]
"""Linkage name, plain name, file, line, column of one function that covers a place."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found. `refused`: paths of files that claimed to be the debug file.

    `unanswered`: why no server of debug files could be asked; none is asked from then on.
    """

    has_debug_info: bool
    refused: tuple[str, ...]
    unanswered: str | None


class Resolver:
    """Starts nothing before the first question."""

    def __init__(self, *, debuginfod: bool = False, cache: Path | None = None) -> None:
        """`debuginfod`: ask the servers of DEBUGINFOD_URLS, too, and keep what they send in `cache`."""
        self._network = self._debuginfod = debuginfod
        self._cache = cache
        self._keeps = False
        self._child: Child | None = None
        self._interrupted = threading.Event()
        self._open: dict[int, int] = {}
        """Modules that can be asked about, and the bytes that each has mapped."""

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        child = self._child
        return child.pid if child is not None else None

    @property
    def asks_servers(self) -> bool:
        """May debug files be fetched that are not there?"""
        return self._debuginfod

    def start(self) -> None:
        """Start it now, to see whether it can be. ResolverGone."""
        self._running()

    def is_open(self, module: int) -> bool:
        """Can it be asked about `module`, or has it to be opened (again)?"""
        return module in self._open

    def open(self, module: int, name: str, files: Sequence[int], build_id: str | None) -> Opened:
        """Find and open what describes the file `files[0]`; the rest may be its debug files.

        With a build id the file itself need not be there: that decides what describes it. `module`:
        a number for it. `files` stay the caller's. ModuleFailed, ResolverGone.
        """
        if len(self._open) >= _ENOUGH_MODULES:
            self.stop()
        self._running()  # that tells whether there is a cache
        request = {
            "do": "open",
            "module": module,
            "name": name,
            "build_id": build_id,
            "debuginfod": self._debuginfod and self._keeps,
        }
        size = sum(os.fstat(fd).st_size for fd in files)
        limit_s = _FETCH_S if self._debuginfod else _OPEN_S
        opened, mapped = self._ask(request, files, limit_s, size, _opened)
        if opened.has_debug_info:
            self._open[module] = size + mapped
        if self._debuginfod and not self._keeps:
            opened = replace(opened, unanswered="there is no directory for what it would send")
        if opened.unanswered is not None:
            self._debuginfod = False
        return opened

    def find(self, module: int, addresses: Sequence[int]) -> list[list[Place]]:
        """The functions that cover each of `addresses` of an open module, innermost first.

        ModuleFailed, ResolverGone.
        """
        request = {"do": "find", "module": module, "addresses": list(addresses)}
        found = self._ask(request, (), _FIND_S, 0, lambda told: _found(told, len(addresses)))
        child = self._child
        if child is not None and any(
            child.memory_bytes(what) > most for what, most in _TIRED.items()
        ):
            self.stop()
        return found

    def _ask(
        self,
        request: wire.Message,
        files: Sequence[int],
        limit_s: float,
        more_bytes: int,
        understand: Callable[[wire.Message], T],
    ) -> T:
        child = self._running()
        most = _OWN_BYTES + sum(self._open.values()) + more_bytes
        try:
            return understand(child.ask(request, files, limit_s, most))
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise child.senseless() from error
        finally:
            if child.stopped:
                self.stop()

    def _running(self) -> Child:
        if self._child is None:
            if self._interrupted.is_set():
                raise ResolverGone("Debug information is not read any more.")
            files = self._open_cache() if self._network else []
            self._keeps = bool(files)
            environment = _servers(files) if self._network else {}
            try:
                self._child = Child(environment, files, network=self._network)
            finally:
                for fd in files:
                    os.close(fd)
            if self._interrupted.is_set():  # before there was anybody to be ended
                self._child.interrupt()
        return self._child

    def _open_cache(self) -> list[int]:
        """The directory for what servers send, as a descriptor; its owner is who reads it there."""
        if self._cache is None:
            return []
        with suppress(OSError):
            self._cache.mkdir(mode=0o700, exist_ok=True)
            fd = os.open(self._cache, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            if os.geteuid() == 0:
                os.fchown(fd, NOBODY, NOBODY)
            return [fd]
        return []

    def interrupt(self) -> None:
        """Make whoever waits for an answer stop waiting; any thread may do this, at the end."""
        self._interrupted.set()
        child = self._child
        if child is not None:
            child.interrupt()

    def stop(self) -> None:
        """End the process. The next question starts another one."""
        child, self._child = self._child, None
        self._open.clear()
        if child is not None:
            child.stop()


def server_urls() -> str:
    """DEBUGINFOD_URLS, or what the distribution gives it in a login shell; empty where nothing does."""
    urls = os.environ.get("DEBUGINFOD_URLS", "")
    if not urls:
        with suppress(OSError):
            files = sorted(Path("/etc/debuginfod").glob("*.urls"))
            urls = " ".join(file.read_text(errors="replace") for file in files)
    return " ".join(urls.split())


def _servers(cache: Sequence[int]) -> dict[str, str]:
    """The environment of who asks servers; `cache`: the directory that it can reach by no path."""
    names = [n for n in os.environ if n.startswith("DEBUGINFOD_") or n.endswith("_proxy")]
    kept = _DEBUGINFOD | {name: os.environ[name] for name in names}
    kept["DEBUGINFOD_URLS"] = server_urls()
    if cache:
        kept["DEBUGINFOD_CACHE_PATH"] = f"/proc/self/fd/{cache[0]}"
    return kept


def _opened(told: wire.Message) -> tuple[Opened, int]:
    """LookupError, TypeError, ValueError, OverflowError where it is no answer."""
    why = told["unanswered"]
    refused = tuple(
        dict.fromkeys(str(path)[:MOST_NAME] for path in told["refused"][:_MOST_REFUSED])
    )
    mapped = min(max(int(told["mapped_bytes"]), 0), _MOST_MAPPED)
    return Opened(
        bool(told["has_debug_info"]), refused, None if why is None else str(why)[:MOST_NAME]
    ), mapped


def _found(told: wire.Message, count: int) -> list[list[Place]]:
    found = [[_place(one) for one in places[:MOST_INLINED]] for places in told["places"]]
    if len(found) != count:
        raise ValueError(len(found))
    return found


def _place(told: Sequence[object]) -> Place:
    linkage, name, file, line, column = told
    for text in (linkage, name, file):
        if text is not None and not (isinstance(text, str) and len(text) <= MOST_NAME):
            raise TypeError(text)
    for number in (line, column):
        if number is not None and (not isinstance(number, int) or not 0 <= number < 1 << 32):
            raise TypeError(number)
    return cast(Place, (linkage, name, file, line, column))
