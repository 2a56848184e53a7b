"""Source locations kept on disk from one run to the next. Who resolves them is not known here.

One SQLite file that several copies of the tool read and fill at once. With a write-ahead log and
`synchronous` NORMAL, a kill or a power cut loses at worst the newest additions; what the disk
returns wrong all the same, a row's checksum finds. Texts are kept as they were given: to make them
fit to print is left to who shows them.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from ebpftrace import private
from ebpftrace.errors import EbpftraceError
from ebpftrace.symbols import database, rows
from ebpftrace.symbols.locations import Locations

P = ParamSpec("P")
T = TypeVar("T")

NAME = "lines-1.sqlite"
"""The number is the version of the tables and the rows; a file of another version stays."""

_OPENING_S = 1.0
"""One copy at a time sets up or replaces the file; a slow disk takes 0.1 s for it."""


class StoreUnusable(EbpftraceError):
    """Nothing can be kept there; the message says why. The caller goes on without."""


def key_of(fd: int, build_id: str | None) -> str | None:
    """The key of the lines of an open file; None where they must not be kept.

    Whoever makes a file chooses its build id: one that claims libc's must not put its names where
    libc's are looked up. So only files count that nobody but root and ourselves could make.
    """
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    if not build_id or not private.only_ours(status):
        return None
    return f"{build_id}-{status.st_size}"


class LineStore:
    """Locations by key and address. Used from one thread only.

    After `open` nothing raises: what cannot be read or written is a miss, and a file that SQLite
    calls corrupt is thrown away once. `most_bytes` is for the file; its log adds some MiB while it
    is open.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        """Use `open`."""
        self._path = path
        self._most_bytes = most_bytes
        self._step_bytes = max(1, min(1 << 20, most_bytes // 8))
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._renewed = False
        self._seen: set[bytes] = set()
        self._unsaved: list[bytes] = []

    @classmethod
    def open(cls, directory: Path, most_bytes: int = 64 << 20) -> "LineStore":
        """Open the store in `directory`, made where it is missing; StoreUnusable says why not."""
        try:
            store = cls(private.directory(directory) / NAME, most_bytes)
            with _locked(store._path.parent):
                try:
                    store._connect()
                except database.FAILURES as error:
                    if not database.is_corrupt(error):
                        raise
                    store._replace()
        except (OSError, ValueError, *database.FAILURES) as error:
            why = str(error)
            if isinstance(error, OSError):
                why = f"{error.filename or directory}: {error.strerror}"
            raise StoreUnusable(
                f"Source lines are not kept in {directory}: {why}. "
                "They are looked up anew in every run."
            ) from error
        store._attempt(store._make_room, 0)
        return store

    def find(self, key: str, addresses: Collection[int]) -> dict[int, Locations]:
        """What is known of `addresses`, those that are not left out."""
        name = _bytes(key)
        self._use(name)
        return self._attempt(self._find, name, addresses) or {}

    def add(self, key: str, found: Mapping[int, Locations]) -> None:
        """Keep `found`, in steps of 1 MiB; what is there of the same places is replaced."""
        name = _bytes(key)
        self._use(name)
        self._attempt(self._save_uses)
        rest = sorted(found.items(), reverse=True)
        while rest:
            if not self._attempt(self._add_some, name, rest):
                return

    def close(self) -> None:
        """Note which keys were used, and close; every later call is a miss."""
        self._attempt(self._save_uses)
        self._drop_connection()

    def _attempt(
        self,
        work: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T | None:
        """The result of `work`, None where it failed: nothing of its transaction is left then."""
        if self._db is None:
            return None
        try:
            return work(self._db, *args, **kwargs)
        except database.FAILURES as error:
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            if database.is_corrupt(error):
                self._renew()
            return None

    def _find(
        self, db: sqlite3.Connection, key: bytes, addresses: Collection[int]
    ) -> dict[int, Locations]:
        found: dict[int, Locations] = {}
        db.execute("BEGIN")
        if (number := database.key_number(db, key)) is not None:
            texts = database.Texts(db, number)
            for address in addresses:
                if not _is_address(address):
                    continue
                row = db.execute(
                    "SELECT row FROM places WHERE key = ? AND address = ?",
                    (number, _signed(address)),
                ).fetchone()
                if row is not None:
                    with contextlib.suppress(rows.Damaged):
                        found[address] = rows.unpack(key, address, row[0], texts.scope)
        db.execute("COMMIT")
        return found

    def _add_some(
        self, db: sqlite3.Connection, key: bytes, rest: list[tuple[int, Locations]]
    ) -> bool:
        """Keep the last of `rest` and take them off it, about `_step_bytes` of them."""
        self._make_room(db, self._step_bytes)
        db.execute("BEGIN IMMEDIATE")
        number = database.key_number(db, key)
        if number is None:
            number = db.execute(
                "INSERT INTO keys(key, used) SELECT ?, coalesce(max(used), 0) + 1 FROM keys", (key,)
            ).lastrowid
        texts = database.Texts(db, database.valid_key(number))
        size = 0
        while rest and size + texts.added_bytes < self._step_bytes:
            address, locations = rest.pop()
            if not _is_address(address) or not rows.storable(locations):
                continue
            with contextlib.suppress(database.Crowded):
                row = rows.pack(key, address, locations, texts.number)
                place = (number, _signed(address), row)
                db.execute("INSERT OR REPLACE INTO places VALUES(?, ?, ?)", place)
                size += len(row) + 16
        db.execute("COMMIT")
        return True

    def _use(self, key: bytes) -> None:
        if key not in self._seen:
            self._seen.add(key)
            self._unsaved.append(key)

    def _save_uses(self, db: sqlite3.Connection) -> None:
        """Write which keys were used since the last time: `find` itself waits for no writer."""
        keys, self._unsaved = self._unsaved, []
        if not keys:
            return
        db.execute("BEGIN IMMEDIATE")
        # A count, not a time: clocks are set back.
        db.executemany(
            "UPDATE keys SET used = (SELECT max(used) + 1 FROM keys) WHERE key = ?",
            [(key,) for key in keys],
        )
        db.execute("COMMIT")

    def _make_room(self, db: sqlite3.Connection, more_bytes: int) -> None:
        """Delete keys where `more_bytes` more would not fit, those not used for longest first."""
        if database.live_bytes(db) + more_bytes > self._most_bytes:
            while database.live_bytes(db) > self._most_bytes * 3 // 4:
                oldest = db.execute("SELECT id FROM keys ORDER BY used, id LIMIT 1").fetchone()
                if oldest is None:
                    raise sqlite3.DatabaseError("Pages are in use that belong to no key.")
                database.delete(db, database.valid_key(oldest[0]))
        if database.file_bytes(db) > self._most_bytes:
            database.shrink(db)

    def _connect(self) -> None:
        """Open the file, made if it is missing. The directory is locked meanwhile."""
        self._inode = private.file(self._path).st_ino
        self._db = database.connect(self._path)

    def _renew(self) -> None:
        """Replace a corrupt file, the first time; without a store after that."""
        again, self._renewed = self._renewed, True
        try:
            if again:
                self._drop_connection()
                return
            with _locked(self._path.parent):
                self._replace()
        except (OSError, *database.FAILURES):
            self._drop_connection()

    def _replace(self) -> None:
        """Throw the file away, unless another copy has done so already, and begin anew."""
        self._renewed = True
        # Compared while it is open: until then its inode number cannot be another file's.
        with contextlib.suppress(FileNotFoundError):
            same = self._path.lstat().st_ino == self._inode
            self._drop_connection()
            if same:
                for suffix in ("", "-wal", "-shm", "-journal"):
                    Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        self._drop_connection()
        self._connect()

    def _drop_connection(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock of `directory`; OSError where it does not come within `_OPENING_S`."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _OPENING_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    why = "another copy of the tool is setting it up"
                    raise OSError(error.errno, why, str(directory)) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _is_address(address: int) -> bool:
    return 0 <= address < 1 << 64


def _signed(address: int) -> int:
    """As SQLite keeps 64 bits."""
    return address - (1 << 64) if address >> 63 else address
