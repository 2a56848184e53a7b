"""Intervals against a map of single bytes, and the cases by name."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ebpftrace.drain.intervals import Intervals, Mapped, Piece
from ebpftrace.model.ids import StackId

MOST = 40
RANGE = st.tuples(st.integers(0, MOST), st.integers(0, MOST)).map(sorted)


def mapping(size=0):
    return Mapped(StackId(1), 0, 0, 1, size)


def whose(intervals):
    """The owner of each address, as the pieces say."""
    found = {}
    for start, end, owner in intervals:
        for address in range(start, end):
            assert address not in found, "two owners"
            found[address] = owner
    return found


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.booleans(), RANGE), max_size=30))
def test_intervals_are_what_a_map_of_bytes_is(steps):
    intervals = Intervals()
    bytewise: dict[int, Mapped] = {}
    for puts, (start, end) in steps:
        owner = mapping()
        met = intervals.put(Piece(start, end, owner)) if puts else intervals.take(start, end)
        expected = {at: bytewise.pop(at) for at in range(start, end) if at in bytewise}
        assert whose(met) == expected
        if puts:
            bytewise |= dict.fromkeys(range(start, end), owner)
        assert whose(intervals) == bytewise
        pieces = list(intervals)
        assert pieces == sorted(pieces, key=lambda piece: piece.start)
        assert all(piece.size > 0 for piece in pieces)


@settings(deadline=None, max_examples=200)
@given(st.lists(RANGE, max_size=12), st.lists(RANGE, max_size=12))
def test_what_is_outside_of_the_known_ranges_is_told_to_the_byte(held, known):
    intervals = Intervals()
    for start, end in held:
        intervals.put(Piece(start, end, mapping()))
    inside = {at for start, end in known for at in range(start, end)}
    ascending = sorted((start, end) for start, end in known if start < end)
    apart = [one for n, one in enumerate(ascending) if not n or ascending[n - 1][1] <= one[0]]
    inside = {at for start, end in apart for at in range(start, end)}
    expected = {at: owner for at, owner in whose(intervals).items() if at not in inside}
    assert whose(intervals.outside(apart)) == expected


def cut(start, end):
    """What is left of [10, 20) when [start, end) is taken, as pairs."""
    intervals = Intervals()
    intervals.put(Piece(10, 20, mapping()))
    taken = [(piece.start, piece.end) for piece in intervals.take(start, end)]
    return taken, [(piece.start, piece.end) for piece in intervals]


def test_a_range_is_cut_in_front_in_the_middle_and_behind():
    assert cut(10, 13) == ([(10, 13)], [(13, 20)])
    assert cut(13, 15) == ([(13, 15)], [(10, 13), (15, 20)])
    assert cut(15, 30) == ([(15, 20)], [(10, 15)])
    assert cut(0, 99) == ([(10, 20)], [])
    assert cut(20, 30) == cut(0, 10) == cut(15, 15) == ([], [(10, 20)])
