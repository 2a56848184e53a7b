"""Files and lines of places in the code, looked up in a thread of its own.

Who asks never waits: names from symbol tables are there at once, lines come when they come. What was
found once is kept on disk. A file whose debug information cannot be read has no lines, and nothing else
happens.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from ebpftrace import shortage
from ebpftrace.caches import default_directory
from ebpftrace.model.ids import ImageAddress
from ebpftrace.model.picture import Naming
from ebpftrace.symbols.code_file import CodeFile, Identity
from ebpftrace.symbols.file_lines import FileLines, Line
from ebpftrace.symbols.locations import Locations
from ebpftrace.symbols.resolver.client import Resolver
from ebpftrace.symbols.store import LineStore, StoreUnusable
from ebpftrace.threads import Thread

log = logging.getLogger(__name__)

_BATCH = 64
_MOST_FILES = 512
_MOST_PLACES = 200_000
_MOST_NOTES = 20
_BURST_S = 5.0
"""So long it works without a pause; then `_SHARE` of the time."""
_SHARE = 0.15
_IDLE_S = 5.0
_END_S = 2.0


def standard_lines(*, debuginfod: bool = False) -> "Lines":
    """Kept in the user's cache directory; `debuginfod`: servers may be asked for debug files."""
    directory = default_directory()
    fetched = None if directory is None else directory / "debuginfod"
    return Lines(
        Resolver(debuginfod=debuginfod, cache=fetched),
        lambda: None if directory is None else LineStore.open(directory),
    )


class Lines:
    """One for all processes: they share files. Any thread may ask."""

    def __init__(self, resolver: Resolver, open_store: Callable[[], LineStore | None]) -> None:
        """`open_store`: where lines are kept; called on the thread that uses it. StoreUnusable."""
        self._resolver = resolver
        self._open_store = open_store
        self._store: LineStore | None = None
        self._files: dict[Identity, CodeFile | None] = {}
        self._queues: dict[Identity, deque[ImageAddress]] = {}
        self._found: dict[tuple[Identity, ImageAddress], tuple[Line, ...]] = {}
        self._asked: set[tuple[Identity, ImageAddress]] = set()
        self._file_lines = FileLines(resolver, self._note)
        self._arrived: list[tuple[Identity, ImageAddress]] = []
        self._notes: dict[str, None] = {}
        self._pending = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._thread = Thread(self._run, "lines")

    # --- whoever asks -----------------------------------------------------------------------------

    def want(
        self,
        identity: Identity,
        addresses: Iterable[ImageAddress],
        make: Callable[[], CodeFile],
    ) -> None:
        """Look up `addresses` of the file `identity`, after what was asked for before.

        `make` opens the file, on the first question about it. What is known, or was asked for
        already, costs nothing.
        """
        with self._changed:
            if self._stopped or identity in self._file_lines.empty:
                return
            if not self._knows(identity, make):
                self._file_lines.empty.add(identity)
                return
            queue = self._queues.setdefault(identity, deque())
            for address in addresses:
                place = identity, address
                if place in self._asked:
                    continue
                if len(self._asked) >= _MOST_PLACES:
                    self._note(f"Of more than {_MOST_PLACES} places no lines are looked up.")
                    break
                self._asked.add(place)
                queue.append(address)
                self._pending += 1
            if not self._thread.native_id and self._pending:
                self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads
            self._give_up(error)

    def _knows(self, identity: Identity, make: Callable[[], CodeFile]) -> bool:
        if identity not in self._files:
            if len(self._files) >= _MOST_FILES:
                self._note(f"Of more than {_MOST_FILES} files no lines are looked up.")
                return False
            self._files[identity] = None
            try:
                self._files[identity] = make()
            except OSError as error:
                self._note(f"A file has no lines, as it cannot be held open: {error.strerror}.")
        return self._files[identity] is not None

    def find(self, identity: Identity, address: ImageAddress) -> tuple[Line, ...] | None:
        """The lines of a place, the innermost inlined function first.

        Empty where there are none, None as long as it is pending.
        """
        known = self._found.get((identity, address))
        if known is not None:
            return known
        place = identity, address
        return None if place in self._asked and identity not in self._file_lines.empty else ()

    def arrived(self, since: int) -> list[tuple[Identity, ImageAddress]]:
        """The places that were looked up, from the how many-th on."""
        return self._arrived[since:]

    def naming(self) -> Naming:
        """How far it is."""
        with self._changed:
            return Naming(len(self._asked), self._pending, tuple(self._notes))

    def settle(self, limit_s: float) -> None:
        """Wait until nothing is pending, `limit_s` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, limit_s)

    @property
    def resolver_pid(self) -> int | None:
        """The process that reads debug information, while there is one: its price is ours."""
        return self._resolver.pid

    def close(self) -> None:
        """Stop, in the middle of whatever it does."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.native_id:
            self._resolver.interrupt()
            self._thread.join(_END_S)
        if self._thread.is_alive():  # in a file system that hangs; it uses the files
            return
        for file in self._files.values():
            if file is not None:
                file.close()
        self._files.clear()

    # --- its thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._look_up_all()
        except (MemoryError, OSError, RuntimeError) as error:
            log.debug("lines", exc_info=True)
            self._give_up(error)
        self._resolver.stop()
        if self._store is not None:
            self._store.close()

    def _give_up(self, error: Exception) -> None:
        """What the host gives too little for is no reason to end the watch."""
        told = shortage.told(error)
        self._note(f"No more lines are looked up. {told[0] if told else error}")
        with self._changed:
            self._stopped = True
            for place in self._asked - self._found.keys():
                self._found[place] = ()
                self._arrived.append(place)
            self._queues.clear()
            self._pending = 0
            self._changed.notify_all()

    def _look_up_all(self) -> None:
        try:
            self._store = self._open_store()
        except StoreUnusable as error:
            log.info("lines are not kept: %s", error)
        busy = 0.0
        while (batch := self._next()) is not None:
            start = time.monotonic()
            self._publish(batch[0].identity, batch[1], self._look_up(*batch))
            took = time.monotonic() - start
            busy += took
            if busy > _BURST_S:
                self._pause(took * (1 / _SHARE - 1))

    def _next(self) -> tuple[CodeFile, list[ImageAddress]] | None:
        """Places of the file that was asked about first; None at the end."""
        with self._changed:
            while not self._changed.wait_for(lambda: self._pending or self._stopped, _IDLE_S):
                self._resolver.stop()  # it holds 100 MB, and is there again in 0.2 s
            if self._stopped:
                return None
            identity, queue = next((i, q) for i, q in self._queues.items() if q)
            file = self._files[identity]
            assert file is not None, "else nothing is asked of it"
            return file, [queue.popleft() for _ in range(min(len(queue), _BATCH))]

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)

    def _publish(
        self,
        identity: Identity,
        batch: list[ImageAddress],
        found: dict[ImageAddress, tuple[Line, ...]],
    ) -> None:
        with self._changed:
            for address in batch:
                self._found[identity, address] = found.get(address, ())
                self._arrived.append((identity, address))
            self._pending -= len(batch)
            self._changed.notify_all()

    def _look_up(
        self, file: CodeFile, batch: list[ImageAddress]
    ) -> dict[ImageAddress, tuple[Line, ...]]:
        """What is known of these places; those of which nothing is are left out."""
        found: dict[ImageAddress, Locations] = {}
        if self._store is not None and file.key is not None:
            known = self._store.find(file.key, batch)
            found = {ImageAddress(address): known[address] for address in known}
        missing = [address for address in batch if address not in found]
        if missing:
            fresh = self._file_lines.locations(file, missing)
            found |= fresh
            if fresh and self._store is not None and file.key is not None:
                self._store.add(file.key, {int(address): fresh[address] for address in fresh})
        return {
            address: self._file_lines.lines(file, locations)
            for address, locations in found.items()
            if locations
        }

    def _note(self, sentence: str) -> None:
        log.info("%s", sentence)
        with self._changed:
            if not self._stopped and len(self._notes) < _MOST_NOTES:
                self._notes[sentence] = None
