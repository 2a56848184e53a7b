import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from ebpftrace.symbols import database
from ebpftrace.symbols.store import NAME
from tests.unit.store_builders import KEY, at, filled, opened, places


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def empty(data: bytes) -> bytes:
    return data[:0]


def garbage(data: bytes) -> bytes:
    return random.Random(1).randbytes(len(data))


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def half_a_page(data: bytes) -> bytes:
    return data[: len(data) // 2 + 2048]


def half_zeroed(data: bytes) -> bytes:
    return half(data) + bytes(len(data) - len(data) // 2)


def pages_swapped(data: bytes) -> bytes:
    pages = [data[n : n + 4096] for n in range(0, len(data), 4096)]
    order = pages[4:]
    random.Random(2).shuffle(order)
    return b"".join(pages[:4] + order)


def another_write_version(data: bytes) -> bytes:
    return data[:18] + b"\7" + data[19:]


def another_schema_format(data: bytes) -> bytes:
    return data[:47] + b"\7" + data[48:]


def a_text(data: bytes) -> bytes:
    return b"not a database\n" * 1000


@pytest.mark.parametrize(
    "damage",
    [
        empty,
        garbage,
        half,
        half_a_page,
        half_zeroed,
        pages_swapped,
        another_write_version,
        another_schema_format,
        a_text,
    ],
)
def test_a_damaged_file_is_misses_and_takes_additions_again(directory, damage):
    path = filled(directory)
    path.write_bytes(damage(path.read_bytes()))
    with opened(directory) as store:
        assert store.find(KEY, places(0, 3000)).items() <= places(0, 3000).items()
        store.add(KEY, places(0, 3000))
        store.add(KEY, places(0, 3000))
    with opened(directory) as store:
        store.add(KEY, places(0, 3000))
        assert store.find(KEY, places(0, 3000)) == places(0, 3000)


def test_flipped_bits_never_raise_and_never_give_a_wrong_answer(directory):
    path = filled(directory, 800)
    whole = path.read_bytes()
    asked = places(0, 850)
    draw = random.Random(11)
    hits = 0
    for number in range(250):
        data = bytearray(whole)
        # Some fall on the header, some on the description of the tables.
        reach = 4096 if number % 5 == 0 else len(data)
        for _ in range(draw.choice([1, 1, 4, 30])):
            data[draw.randrange(100 if number % 25 == 0 else reach)] ^= 1 << draw.randrange(8)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.write_bytes(data)
        with opened(directory) as store:
            found = store.find(KEY, asked)
            store.add(KEY, places(800, 50))
            store.add("other-1", places(0, 20))
            again = store.find(KEY, asked)
        assert found.items() <= asked.items()
        assert again.items() <= asked.items()
        hits += len(found)
    assert hits > 50 * 800


def test_a_flipped_name_is_a_miss(directory):
    path = filled(directory, 50)
    data = path.read_bytes()
    assert data.count(b"\1f_17") == 1
    path.write_bytes(data.replace(b"\1f_17", b"\1f_71"))
    with opened(directory) as store:
        expected = places(0, 50)
        del expected[17 * 5]
        assert store.find(KEY, places(0, 50)) == expected


@pytest.mark.parametrize("row", [None, 7, 1.5, "text", b"", b"abc", b"abcd", b"a" * 10_000])
def test_a_row_of_another_kind_is_a_miss(directory, row):
    path = filled(directory, 10)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE places SET row = ? WHERE address = 5", (row,))
    with opened(directory) as store:
        assert store.find(KEY, [5, 10]) == {10: at(2)}


@pytest.mark.parametrize("text", [7, 1.5, "text", b"", b"abc", b"abcd\2", b"\0" * 9000])
def test_a_text_of_another_kind_is_a_miss(directory, text):
    path = filled(directory, 10)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE texts SET text = ?", (text,))
    with opened(directory) as store:
        assert store.find(KEY, places(0, 10)) == {}


def test_a_row_under_another_address_or_key_is_a_miss(directory):
    path = filled(directory, 10)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE places SET address = 1000 WHERE address = 5")
        db.execute("UPDATE keys SET key = ?", (b"other-1",))
    with opened(directory) as store:
        assert store.find("other-1", [*places(0, 10), 1000]) == {}


def test_a_file_of_other_tables_is_thrown_away(directory):
    path = filled(directory, 10)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("ALTER TABLE places RENAME COLUMN row TO line")
    with opened(directory) as store:
        assert store.find(KEY, [5]) == {}
        store.add(KEY, places(0, 10))
        assert store.find(KEY, [5]) == {5: at(1)}


def test_a_corrupt_file_is_thrown_away_once_and_then_done_without(directory, monkeypatch):
    def corrupt(*unused):
        raise sqlite3.DatabaseError("database disk image is malformed")

    filled(directory, 10)
    with opened(directory) as store:
        inode = (directory / NAME).stat().st_ino
        held = (directory / NAME).open("rb")
        monkeypatch.setattr(database, "key_number", corrupt)
        assert store.find(KEY, [5]) == {}
        renewed = (directory / NAME).stat().st_ino
        assert renewed != inode
        store.add(KEY, places(0, 10))
        monkeypatch.undo()
        store.add(KEY, places(0, 10))
        assert store.find(KEY, [5]) == {}
        assert (directory / NAME).stat().st_ino == renewed
        held.close()


def test_a_file_that_another_copy_renewed_is_not_thrown_away_again(directory):
    filled(directory, 10)
    with opened(directory) as late, opened(directory) as early:
        early._renew()
        early.add(KEY, places(0, 20))
        late._renew()
        assert late.find(KEY, places(0, 20)) == places(0, 20)
        late.add(KEY, places(20, 5))
        assert early.find(KEY, places(0, 25)) == places(0, 25)


def test_a_copy_goes_on_with_the_file_that_another_threw_away(directory):
    filled(directory, 10)
    with opened(directory) as other:
        assert other.find(KEY, [5]) == {5: at(1)}
        with opened(directory) as store:
            store._renew()
            store.add(KEY, places(0, 20))
            other.add(KEY, places(50, 5))
            assert other.find(KEY, [5]).items() <= {5: at(1)}.items()
            other.close()
            assert store.find(KEY, places(0, 60)) == places(0, 20)
    with opened(directory) as store:
        assert store.find(KEY, places(0, 60)) == places(0, 20)
