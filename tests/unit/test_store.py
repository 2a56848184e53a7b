import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from ebpftrace.symbols.locations import MOST_INLINED, MOST_NAME, Location
from ebpftrace.symbols.store import NAME, LineStore
from tests.unit.store_builders import KEY, at, child, filled, opened, places


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "found",
    [
        (),
        (Location(None, None, None, None),),
        (Location("", "", 0, 0),),
        (Location("f", None, 1, None), Location(None, "f.c", None, 2)),
        (Location("größe<漢字>::😀()", "/src/ü.cc", 2**64 - 1, 1),),
        (Location("a\nb\0c\x1b[2J", "line\nbreak", 1, 1),),
        (Location("lone \udcff surrogate", "\udc80", 1, 1),),
        (Location("x" * MOST_NAME, "漢" * MOST_NAME, 1, 1),),
        (Location("f", "f.c", 1, 1),) * MOST_INLINED,
    ],
    ids=["empty", "nothing", "blank", "parts", "unicode", "control", "surrogates", "long", "deep"],
)
def test_what_was_added_is_found_in_the_next_run(directory, found):
    with opened(directory) as store:
        store.add(KEY, {0: found, 2**64 - 1: found})
        assert store.find(KEY, [0, 1, 2**64 - 1]) == {0: found, 2**64 - 1: found}
    with opened(directory) as store:
        assert store.find(KEY, {0, 1, 2**64 - 1}) == {0: found, 2**64 - 1: found}
        assert all(type(location) is Location for location in store.find(KEY, [0])[0])


def test_keys_do_not_mix(directory):
    with opened(directory) as store:
        store.add("a-1", {5: at(1)})
        store.add("b-1", {5: at(2)})
        assert store.find("a-1", [5]) == {5: at(1)}
        assert store.find("b-1", [5]) == {5: at(2)}
        assert store.find("c-1", [5]) == {}


def test_the_newest_of_a_place_is_kept(directory):
    with opened(directory) as store:
        store.add(KEY, {5: at(1)})
        store.add(KEY, {5: at(2)})
        assert store.find(KEY, [5]) == {5: at(2)}


def test_a_place_beyond_the_bounds_is_not_kept_and_the_others_are(directory):
    too_much = {
        1: (Location("x" * (MOST_NAME + 1), None, None, None),),
        2: (Location("f", "f.c", -1, None),),
        3: (Location("f", "f.c", 2**64, None),),
        4: (Location("f", "f.c", 1, 1),) * (MOST_INLINED + 1),
        -1: at(1),
        2**64: at(1),
    }
    with opened(directory) as store:
        store.add(KEY, {**too_much, 5: at(1)})
        assert store.find(KEY, [*too_much, 5]) == {5: at(1)}


def test_texts_of_one_checksum_are_told_apart(directory, monkeypatch):
    monkeypatch.setattr("ebpftrace.symbols.database.zlib.crc32", lambda *unused: 2**32 - 1)
    with opened(directory) as store:
        found = {n: (Location(f"f{n}", None, 1, 1),) for n in range(12)}
        store.add(KEY, found)
        kept = store.find(KEY, found)
    assert 6 <= len(kept) < 12
    assert kept.items() <= found.items()


def test_a_closed_store_finds_nothing_and_takes_nothing(directory):
    store = LineStore.open(directory)
    store.close()
    store.add(KEY, {5: at(1)})
    assert store.find(KEY, [5]) == {}
    store.close()


def test_another_version_s_file_is_left_alone(directory):
    directory.mkdir(0o700)
    other = directory / "lines-0.sqlite"
    other.write_text("old")
    filled(directory)
    assert other.read_text() == "old"


def test_two_processes_add_different_and_the_same_places_at_once(directory):
    code = """
with_store = LineStore.open(Path(sys.argv[1]))
first = int(sys.argv[2])
for step in range(0, 1000, 100):
    with_store.add(KEY, places(first + step, 100))
    with_store.add(KEY, places(step, 50))
found = with_store.find(KEY, places(first, 1000))
assert found.items() <= places(first, 1000).items()
print(len(found))
with_store.close()
"""
    children = [child(code, directory, first) for first in (10_000, 20_000)]
    told = [process.communicate(timeout=60)[0] for process in children]
    assert [process.returncode for process in children] == [0, 0]
    with opened(directory) as store:
        both = {**places(10_000, 1000), **places(20_000, 1000), **places(0, 1000)}
        found = store.find(KEY, both)
    assert found.items() <= both.items()
    # An addition whose lock does not come is a miss; most come.
    assert sum(map(int, told)) >= 1000
    assert len(found) >= sum(map(int, told))


def test_a_writer_that_holds_the_lock_makes_misses_of_additions_and_keeps_no_reader(directory):
    with opened(directory) as store:
        store.add(KEY, places(0, 10))
        writer = sqlite3.connect(directory / NAME, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        begin = time.monotonic()
        store.add(KEY, places(10, 10))
        assert time.monotonic() - begin < 5
        assert store.find(KEY, places(0, 20)) == places(0, 10)
        writer.close()
        store.add(KEY, places(10, 10))
        assert store.find(KEY, places(0, 20)) == places(0, 20)


def test_killed_while_it_adds_it_leaves_a_store_to_read(directory):
    code = """
store = LineStore.open(Path(sys.argv[1]))
print("open", flush=True)
for n in range(10_000):
    store.add(KEY, places(n * 100, 100))
"""
    draw = random.Random(7)
    for _ in range(5):
        process = child(code, directory)
        assert process.stdout
        process.stdout.readline()
        time.sleep(draw.uniform(0.05, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        assert process.returncode == -signal.SIGKILL
        inode = (directory / NAME).stat().st_ino
        with opened(directory) as store:
            found = store.find(KEY, places(0, 2000))
            assert (directory / NAME).stat().st_ino == inode
        assert found
        assert found.items() <= places(0, 2000).items()
        # Whole additions or nothing of them.
        assert len(found) % 100 == 0


def test_keys_unused_for_longest_go_first(directory):
    with opened(directory) as store:
        for key in "abcd":
            store.add(key, places(0, 5000, key))
    size = (directory / NAME).stat().st_size
    with opened(directory) as store:
        assert store.find("a", [5])
    with opened(directory, size - 4096) as store:
        kept = [key for key in "abcd" if store.find(key, [5])]
    assert kept == ["a", "d"]
    assert (directory / NAME).stat().st_size <= size * 3 // 4


def test_the_file_stays_within_its_size(directory):
    most = 1 << 20
    largest = 0
    with opened(directory, most) as store:
        for n in range(40):
            store.add(f"{n}-1", places(0, 3000, f"function_{n}"))
            largest = max(largest, (directory / NAME).stat().st_size)
            assert store.find(f"{n}-1", [5]) == {5: at(1, f"function_{n}")}
    assert most // 2 < largest <= most * 9 // 8
    assert (directory / NAME).stat().st_size <= most * 9 // 8


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_a_key_too_large_for_the_file_does_not_make_it_grow(directory, most):
    found = places(0, 200 if most == 0 else 60_000)
    with opened(directory, most) as store:
        store.add(KEY, found)
        assert store.find(KEY, found).items() <= found.items()
    assert (directory / NAME).stat().st_size <= most + (1 << 17)


def test_a_full_disk_makes_misses_of_additions_and_keeps_the_rest(directory):
    filled(directory, 1000)
    code = """
store = LineStore.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
for n in range(1, 30):
    store.add(KEY, places(n * 1000, 1000))
assert store.find(KEY, places(0, 1000)) == places(0, 1000)
everything = places(0, 30_000)
found = store.find(KEY, everything)
assert found.items() <= everything.items()
print(len(found))
store.close()
"""
    process = child(code, directory)
    told = int(process.communicate(timeout=60)[0])
    assert process.returncode == 0
    assert 1000 <= told < 30_000
    with opened(directory) as store:
        assert store.find(KEY, places(0, 1000)) == places(0, 1000)
        store.add(KEY, places(1000, 1000))
        assert store.find(KEY, places(0, 2000)) == places(0, 2000)


def test_a_directory_on_a_full_disk_ends_in_a_sentence(directory):
    code = """
from ebpftrace.symbols.store import StoreUnusable
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    LineStore.open(Path(sys.argv[1]))
except StoreUnusable as error:
    print(error)
"""
    told = child(code, directory).communicate(timeout=60)[0]
    assert told.startswith(f"Source lines are not kept in {directory}: ")
