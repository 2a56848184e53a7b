"""The blocks of a site, of the columns that a snapshot has."""

import random

from ebpftrace.model.snapshot import BlockColumns
from ebpftrace.model.tally import of_site

NOW = 9_000_000_000
GENEROUS_S = 2.0


def columns(*rows):
    """Rows of site, address, size, born_ns, thread."""
    return BlockColumns(*(list(column) for column in zip(*rows, strict=True)))


def test_only_those_of_the_site_are_counted_from_all_columns():
    first = columns((0, 0x1000, 10, 1, 7), (1, 0x2000, 100, 2, 7), (-1, 0x3000, 1000, 3, 7))
    second = columns((2, 0x4000, 5, 9, 7), (0, 0x5000, 20, 4, 8))
    found = of_site([first, second], 0, NOW, 20)
    assert (found.blocks, found.bytes) == (2, 30)
    assert [one.address for one in found.last] == [0x5000, 0x1000]
    assert found.sizes == ((8, 1, 10), (16, 1, 20))
    assert of_site([first, second], 7, NOW, 20) == (0, 0, (), ())
    assert of_site([], 0, NOW, 20) == (0, 0, (), ())


def test_a_block_has_its_address_size_age_and_thread():
    found = of_site([columns((0, 0x7FFF_FFFF_F000, 33, 7_500_000_000, 42))], 0, NOW, 20)
    assert found.last == ((0x7FFF_FFFF_F000, 33, 1.5, 42),)


def test_one_that_is_younger_than_the_picture_has_no_age():
    assert of_site([columns((0, 1, 33, NOW + 5, 42))], 0, NOW, 20).last[0].age_s == 0.0


def test_the_youngest_of_all_columns_come_first_and_no_more_than_asked_for():
    chance = random.Random(3)
    rows = [(chance.randrange(3), at, at, chance.randrange(NOW), 1) for at in range(500)]
    parts = [columns(*rows[at : at + 60]) for at in range(0, 500, 60)]
    ours = sorted(((born, at) for site, at, _, born, _ in rows if site == 1), reverse=True)
    for last in (0, 1, 20, 999):
        found = of_site(parts, 1, NOW, last)
        assert [one.address for one in found.last] == [at for _, at in ours[:last]]
        assert found.blocks == len(ours)
