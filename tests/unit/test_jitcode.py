import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebpftrace.symbols import jitcode
from ebpftrace.symbols.jitcode import MOST_LINE, JitCode


def code(*texts: str | bytes) -> JitCode:
    made = JitCode()
    for text in texts:
        made.add(text.encode() if isinstance(text, str) else text)
        made.settle()
    return made


def test_an_address_is_named_by_the_entry_it_lies_in():
    made = code("1000 10 a\n1010 8 b with blanks\n")
    assert [made.find(at) for at in (0xFFF, 0x1000, 0x100F)] == [None, b"a", b"a"]
    assert [made.find(at) for at in (0x1010, 0x1018)] == [b"b with blanks", None]


@pytest.mark.parametrize("line", ["0x1000 0x10 a", "00001000 10 a", "1000 0x10 a", "1000 10 a\r"])
def test_numbers_are_hex_with_or_without_a_prefix(line):
    name = code(line + "\n").find(0x100F)
    assert name
    assert name.strip() == b"a"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1000",
        "1000 10",
        "1000 10 ",
        "x 10 a",
        "1000 -1 a",
        "1000 0 a",
        "11111111111111111 10 a",
        "ffffffffffffffff 10 a",
        "1000 10 " + "a" * MOST_LINE,
    ],
)
def test_a_line_that_is_no_entry_costs_no_other(line):
    made = code(f"10 10 before\n{line}\n30 10 after\n")
    assert len(made) == 2
    assert (made.find(0x10), made.find(0x30), made.find(0x1000)) == (b"before", b"after", None)


def test_a_later_entry_wins_where_it_overlaps_an_earlier_one():
    made = code("1000 100 old\n1040 20 new\n")
    assert [made.find(at) for at in (0x103F, 0x1040, 0x105F, 0x1060)] == [
        b"old",
        b"new",
        b"new",
        b"old",
    ]
    made.add(b"1000 41 newest\n")
    made.settle()
    assert [made.find(at) for at in (0x1000, 0x1040, 0x1041, 0x1060)] == [
        b"newest",
        b"newest",
        b"new",
        b"old",
    ]


ENTRIES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=40)


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=4))
def test_the_last_entry_that_covers_an_address_is_found(batches):
    made = JitCode()
    written: list[tuple[int, int]] = []
    least, jitcode._LEAST_RECENT = jitcode._LEAST_RECENT, 5
    try:
        for batch in batches:
            for start, size in batch:
                made.add(f"{start:x} {size:x} {len(written)}\n".encode())
                written.append((start, size))
            made.settle()
    finally:
        jitcode._LEAST_RECENT = least
    for address in range(100):
        covering = [n for n, (start, size) in enumerate(written) if 0 <= address - start < size]
        assert made.find(address) == (str(covering[-1]).encode() if covering else None)


def test_a_hundred_thousand_entries_over_each_other_are_read_in_a_second():
    chance = random.Random(1)
    lines = "".join(
        f"{chance.randrange(1 << 30):x} {chance.randrange(1, 1 << 30):x} f{n}\n"
        for n in range(100_000)
    )
    start = time.thread_time()
    made = code(lines)
    assert made.find(1 << 30)
    assert time.thread_time() - start < 2


def test_a_few_lines_more_do_not_sort_all_again():
    made = code("".join(f"{n * 16:x} 10 f{n}\n" for n in range(200_000)))
    start = time.thread_time()
    for n in range(100):
        made.add(f"{n * 16:x} 10 again{n}\n".encode())
        made.settle()
    assert time.thread_time() - start < 0.2
    assert (made.find(16 * 7), made.find(16 * 150_000)) == (b"again7", b"f150000")


def test_no_more_than_the_most_entries_are_kept(monkeypatch):
    monkeypatch.setattr(jitcode, "MOST_ENTRIES", 3)
    assert len(code("10 10 a\n20 10 b\n", "30 10 c\n40 10 d\n")) == 3
