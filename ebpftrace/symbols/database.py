"""The tables of the store: made, checked, and kept small. Rows are `rows`, files are `ebpftrace.private`.

All of it raises `FAILURES`; `is_corrupt` tells which of them mean the file.
"""

import sqlite3
import zlib
from pathlib import Path

from ebpftrace.symbols import rows

_TABLES = (
    "CREATE TABLE keys(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL)",
    # The address as SQLite keeps 64 bits: signed.
    "CREATE TABLE places(key INTEGER, address INTEGER, row BLOB, PRIMARY KEY(key, address)) WITHOUT ROWID",
    # The upper half of a text's id is its key's id, the lower one its number.
    "CREATE TABLE texts(id INTEGER PRIMARY KEY, text BLOB NOT NULL)",
)
FAILURES = (sqlite3.Error, MemoryError, UnicodeDecodeError)
"""The last where SQLite quotes damaged text in its message."""

_OF_THE_HEADER = ("attempt to write a readonly database", "unsupported file format")
"""Said of a file of ours where the versions in its header are damaged. Python 3.10 tells no code."""
_INCREMENTAL = 2
_BUSY_S = 0.2
_LOG_BYTES = 4 << 20
_BATCH = 20_000
"""Rows deleted in one transaction, which the log has to hold."""
_MOST_KEYS = 1 << 31
_TRIES = 8
"""Numbers tried for a text whose checksum another one has."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, which exists; make the tables if it is empty. One copy at a time."""
    db = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        # Who closes it at the end need not be the thread that used it.
        check_same_thread=False,
    )
    try:
        _set_up(db)
    except FAILURES as error:
        db.close()
        if str(error) in _OF_THE_HEADER:
            raise sqlite3.DatabaseError(str(error)) from error
        raise
    return db


def _set_up(db: sqlite3.Connection) -> None:
    # Damage can make a text of any bytes.
    db.text_factory = bytes
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    db.execute("PRAGMA synchronous = NORMAL")
    # Only an empty file takes this; with its log it is not empty any more.
    db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}").fetchall()
    if not _tables(db):
        db.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            db.execute(table)
        db.execute("COMMIT")
    if (
        mode != b"wal"
        or _pragma(db, "auto_vacuum") != _INCREMENTAL
        or _tables(db) != {table.encode() for table in _TABLES}
    ):
        raise sqlite3.DatabaseError("this is not a database of ebpftrace")


def is_corrupt(error: Exception) -> bool:
    """Whether SQLite means the file, and not a lock, the disk or the memory.

    SQLITE_CORRUPT and SQLITE_NOTADB come as the base class itself; a row that contradicts the
    index comes as IntegrityError.
    """
    return type(error) is sqlite3.DatabaseError or isinstance(
        error, (sqlite3.IntegrityError, UnicodeDecodeError)
    )


def key_number(db: sqlite3.Connection, key: bytes) -> int | None:
    row = db.execute("SELECT id FROM keys WHERE key = ?", (key,)).fetchone()
    return None if row is None else valid_key(row[0])


def valid_key(number: object) -> int:
    if not isinstance(number, int) or not 0 < number < _MOST_KEYS:
        raise sqlite3.DatabaseError("A key has a number that was never given.")
    return number


def delete(db: sqlite3.Connection, key: int) -> None:
    """Delete a key and all of it, its own row last: a kill leaves what the next run goes on with."""
    db.execute("UPDATE keys SET used = 0 WHERE id = ?", (key,))
    first = key << 32
    while True:
        db.execute("BEGIN IMMEDIATE")
        bound = db.execute(
            "SELECT address FROM places WHERE key = ? ORDER BY address LIMIT 1 OFFSET ?",
            (key, _BATCH),
        ).fetchone()
        if bound is None:
            break
        db.execute("DELETE FROM places WHERE key = ? AND address < ?", (key, bound[0]))
        db.execute("COMMIT")
    db.execute("DELETE FROM places WHERE key = ?", (key,))
    db.execute("DELETE FROM texts WHERE id BETWEEN ? AND ?", (first, first | 0xFFFFFFFF))
    db.execute("DELETE FROM keys WHERE id = ?", (key,))
    db.execute("COMMIT")


def live_bytes(db: sqlite3.Connection) -> int:
    pages = _pragma(db, "page_count") - _pragma(db, "freelist_count")
    return pages * _pragma(db, "page_size")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _tables(db: sqlite3.Connection) -> set[object]:
    rows_of = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {sql for (sql,) in rows_of}


def file_bytes(db: sqlite3.Connection) -> int:
    return _pragma(db, "page_count") * _pragma(db, "page_size")


def shrink(db: sqlite3.Connection) -> None:
    """Give unused pages back to the disk."""
    while free := _pragma(db, "freelist_count"):
        db.execute("PRAGMA incremental_vacuum(1000)").fetchall()
        if _pragma(db, "freelist_count") >= free:
            break
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


class Crowded(Exception):
    """All numbers that a text may have are other texts'."""


class Texts:
    """The texts of one key within one transaction."""

    def __init__(self, db: sqlite3.Connection, key: int) -> None:
        self._db = db
        self._first = key << 32
        self._numbers: dict[bytes, int] = {}
        self._scopes: dict[int, rows.Scope] = {}
        self.added_bytes = 0

    def number(self, text: bytes) -> int:
        """The number of `text`, kept from now on."""
        if text not in self._numbers:
            self._numbers[text] = self._number(text)
        return self._numbers[text]

    def _number(self, text: bytes) -> int:
        start = zlib.crc32(text)
        for step in range(_TRIES):
            number = (start + step) & 0xFFFFFFFF or 1
            kept = self._get(number)
            if kept == text:
                return number
            if kept is None:
                self._db.execute("INSERT INTO texts VALUES(?, ?)", (self._first | number, text))
                self.added_bytes += len(text) + 16
                return number
        raise Crowded

    def scope(self, number: int) -> rows.Scope:
        if number not in self._scopes:
            self._scopes[number] = rows.read_scope(self._text(number), self._text)
        return self._scopes[number]

    def _text(self, number: int) -> bytes:
        text = self._get(number)
        if not isinstance(text, bytes):
            raise rows.Damaged
        return text

    def _get(self, number: int) -> object:
        row = self._db.execute("SELECT text FROM texts WHERE id = ?", (self._first | number,))
        found: tuple[object] | None = row.fetchone()
        return None if found is None else found[0]
