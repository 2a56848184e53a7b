"""A stream of snapshots: what did not change is written once, and a cut or damaged one is read as far as
it is whole."""

from dataclasses import replace
from datetime import timedelta

import msgpack
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebpftrace.errors import UsageError
from ebpftrace.model.picture import Cohort, Point
from ebpftrace.snapshot.format.framing import MARKER, checksum
from ebpftrace.snapshot.format.reading import StreamReader
from ebpftrace.snapshot.format.writing import RECORDS, StreamWriter
from tests.unit.builders import counts, frame, picture, site
from tests.unit.generated_pictures import pictures
from tests.unit.test_snapshot import no_offset_is_nil
from tests.unit.written_builders import full, mapping, parts, process, snapshot

MANY = tuple(site(f"f{n}", id=f"1-{n:x}") for n in range(40))


def written(snapshots):
    """The head, then the records."""
    writer = StreamWriter()
    return [writer.start(), *map(writer.record, snapshots)]


def grown(before, n):
    """`before` with another size, `n` seconds later."""
    sites = list(before.picture.sites)
    place = n % len(sites)
    sites[place] = sites[place]._replace(counts=counts(n + 1, 100 * n + 1))
    time = before.picture.time + timedelta(seconds=n)
    return replace(before, picture=replace(before.picture, sites=tuple(sites), time=time))


def sequence(length, first=None):
    snapshots = [first or snapshot(*MANY)]
    for n in range(1, length):
        snapshots.append(grown(snapshots[-1], n))
    return snapshots


@pytest.fixture
def stream(tmp_path):
    """Opens a stream of these bytes."""
    readers = []

    def opened(data):
        path = tmp_path / "s.ebpfstream"
        path.write_bytes(data)
        readers.append(StreamReader(str(path)))
        return readers[-1]

    yield opened
    for reader in readers:
        reader.close()


def all_of(reader):
    return list(iter(reader.next, None))


def test_every_record_gives_its_snapshot(stream):
    snapshots = sequence(RECORDS + 5)
    reader = stream(b"".join(written(snapshots)))
    assert all_of(reader) == snapshots
    assert reader.notes() == ()


@given(drawn=st.lists(pictures().filter(no_offset_is_nil), min_size=2, max_size=4))
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_pictures_that_have_nothing_in_common_come_back_too(drawn, stream):
    snapshots = [snapshot(picture=one) for one in drawn]
    assert all_of(stream(b"".join(written(snapshots)))) == snapshots


def test_single_blocks_are_left_out(stream):
    (read,) = all_of(stream(b"".join(written([full()]))))
    assert read == replace(full(), blocks=None)


def test_a_record_does_not_say_that_single_blocks_were_kept():
    *_, payload = msgpack.unpackb(StreamWriter().record(full()))
    (name, _, _, frame), *_ = parts(payload)
    assert name == "facts"
    assert msgpack.unpackb(zstandard.decompress(frame))["blocks"] is False


def test_sites_that_come_go_and_change_keep_their_order(stream):
    f, g, h, i = (site(name, id=f"1-{name}") for name in "fghi")
    changed = g._replace(cohorts=(Cohort(1, 2, 3),), growth=5.0)
    snapshots = [
        snapshot(f, g, h),
        snapshot(f, changed, h, i),
        snapshot(f, h, i),
        snapshot(h, i, g),
        snapshot(picture=picture()),
        snapshot(g, f),
        snapshot(f, g),
    ]
    assert all_of(stream(b"".join(written(snapshots)))) == snapshots


def test_a_site_whose_lines_were_found_later_has_them(stream):
    named = site("f", id="1-f", frames=(frame("f", file="f.c", line=3),))
    snapshots = [snapshot(site("f", id="1-f")), snapshot(named)]
    assert all_of(stream(b"".join(written(snapshots)))) == snapshots


def test_history_and_processes_go_on(stream):
    points = tuple(Point(float(n), n, None) for n in range(5))
    one = process()
    moved = replace(one, mappings=(mapping(path="/new"),))
    snapshots = [
        snapshot(history=points[:2], processes=(one,)),
        snapshot(history=points, processes=(one,)),
        snapshot(history=(points[0], points[4]), processes=(moved,)),
        snapshot(history=(), processes=(moved, replace(one, memory=None))),
        snapshot(history=(), processes=()),
    ]
    assert all_of(stream(b"".join(written(snapshots)))) == snapshots


def test_what_did_not_change_is_not_written_again():
    snapshots = sequence(RECORDS + 1, snapshot(*MANY, processes=(process(),)))
    head, first, *others, again = written(snapshots)
    assert parts(head)[0]["ebpftrace"] == "stream"
    assert max(map(len, others)) < len(first) / 2
    names = [name for name, *_ in parts(parts(others[0])[0][4])]
    assert names == ["facts", "changes", "sites"]
    assert len(again) > len(first) / 2


def test_a_site_that_did_not_change_is_the_same_object(stream):
    one, other = all_of(stream(b"".join(written(sequence(2)))))
    assert one.picture.sites[0] is other.picture.sites[0]
    assert one.picture.sites[1] is not other.picture.sites[1]
    assert one.picture.sites[1].at is other.picture.sites[1].at


def test_a_stream_that_grows_is_read_on(tmp_path):
    path = tmp_path / "s"
    head, *records = written(sequence(3))
    path.write_bytes(head)
    reader = StreamReader(str(path))
    assert reader.next() is None
    with path.open("ab", buffering=0) as out:
        for record in records:
            out.write(record[:30])
            assert reader.next() is None
            assert "is writing it" in reader.notes()[0]
            out.write(record[30:])
            assert reader.next() is not None
            assert reader.next() is None
    assert reader.notes() == ()
    reader.close()


def test_a_cut_at_any_byte_leaves_the_whole_records_before_it(tmp_path):
    pieces = written(sequence(3, snapshot()))
    data = b"".join(pieces)
    ends = [sum(map(len, pieces[: n + 1])) for n in range(len(pieces))]
    path = tmp_path / "s"
    for size in range(ends[0], len(data)):
        path.write_bytes(data[:size])
        reader = StreamReader(str(path))
        assert len(all_of(reader)) == sum(end <= size for end in ends[1:])
        assert bool(reader.notes()) is (size not in ends)
        reader.close()


def test_a_head_that_was_cut_is_a_sentence(tmp_path):
    path = tmp_path / "s"
    head = StreamWriter().start()
    for size in range(len(head)):
        path.write_bytes(head[:size])
        with pytest.raises(UsageError):
            StreamReader(str(path))


def test_damage_at_any_byte_of_a_record_costs_those_that_rest_on_it_only(tmp_path, monkeypatch):
    monkeypatch.setattr("ebpftrace.snapshot.format.writing.RECORDS", 2)
    snapshots = sequence(5, snapshot())
    head, *records = written(snapshots)
    path = tmp_path / "s"
    start = len(head) + len(records[0]) + len(records[1])
    data = bytearray(b"".join([head, *records]))
    for place in range(start, start + len(records[2])):
        data[place] ^= 0x10
        path.write_bytes(data)
        reader = StreamReader(str(path))
        assert all_of(reader) == [snapshots[0], snapshots[1], snapshots[4]]
        (note,) = reader.notes()
        assert note.startswith(f"2 records of {path}, from byte {start} on, could not be read")
        assert f"{len(records[2])} bytes are damaged" in note
        reader.close()
        data[place] ^= 0x10


def test_a_record_that_was_written_in_part_costs_nothing_else(stream):
    writer = StreamWriter()
    data = writer.start()
    first, second, third = sequence(3)
    data += writer.record(first)
    data += writer.record(second)[:-5]
    writer.anew()
    data += writer.record(third)
    reader = stream(data)
    assert all_of(reader) == [first, third]
    assert "1 record" in reader.notes()[0]


def test_what_looks_like_a_record_in_damaged_bytes_is_not_taken_for_one(stream):
    head, first, second = written(sequence(2))
    false = b"\x95\xc4\x10" + MARKER
    reader = stream(head + false + b"\xff" * 50 + false + first + second)
    assert len(all_of(reader)) == 2
    (note,) = reader.notes()
    assert f"from byte {len(head)} on" in note


def test_a_file_of_nothing_but_beginnings_is_refused(stream):
    reader = stream(StreamWriter().start() + (b"\x95\xc4\x10" + MARKER + b"\x01\xc1") * 1000)
    with pytest.raises(UsageError, match="is damaged in its records"):
        reader.next()


def test_a_record_that_is_whole_but_no_snapshot_is_passed_over(stream):
    payload = b"nonsense"
    crc = checksum(0, 0, payload)
    head, first = written(sequence(1))
    reader = stream(head + msgpack.packb([MARKER, 0, False, crc, payload]) + first)
    assert len(all_of(reader)) == 1
    assert "not as it is written" in reader.notes()[0]


def test_a_writer_that_starts_again_repeats_everything(tmp_path):
    writer = StreamWriter()
    first, second = sequence(2)
    writer.start()
    writer.record(first)
    path = tmp_path / "next"
    path.write_bytes(writer.start() + writer.record(second))
    reader = StreamReader(str(path))
    assert all_of(reader) == [second]
    reader.close()


def test_nothing_is_called_cut_off_that_was_not_read_yet(stream):
    reader = stream(b"".join(written(sequence(3))))
    assert reader.notes() == ()
    while reader.next() is not None:
        assert reader.notes() == ()


def test_the_last_record_is_found_without_reading_those_that_it_does_not_rest_on(stream):
    snapshots = sequence(3 * RECORDS + 5)
    pieces = written(snapshots)
    pieces[1] = b"\0" * len(pieces[1])
    reader = stream(b"".join(pieces))
    assert reader.last() == snapshots[-1]
    assert reader.notes() == ()
    assert reader.next() is None


@pytest.mark.parametrize("damaged", [RECORDS, RECORDS + 1, 2 * RECORDS])
def test_where_the_last_records_cannot_be_read_those_before_count(damaged, stream):
    snapshots = sequence(RECORDS + 3)
    pieces = written(snapshots)
    for n in range(RECORDS, len(snapshots)) if damaged > RECORDS + 1 else (damaged,):
        record = bytearray(pieces[n + 1])
        record[-1] ^= 1
        pieces[n + 1] = bytes(record)
    reader = stream(b"".join(pieces))
    assert reader.last() == snapshots[RECORDS if damaged == RECORDS + 1 else RECORDS - 1]
    assert reader.notes() != ()


def test_a_record_whose_sections_are_unfit_is_not_the_last(stream):
    snapshots = sequence(2)
    head, *records = written(snapshots)
    payload = b"\xc0"
    crc = checksum(2, 0, payload)
    records.append(msgpack.packb([MARKER, 2, False, crc, payload]))
    reader = stream(b"".join([head, *records]))
    assert reader.last() == snapshots[-1]


def test_zeros_behind_the_last_record_are_given_up_soon_and_cost_no_record(stream, monkeypatch):
    monkeypatch.setattr("ebpftrace.snapshot.format.stream_reading._MOST_SEARCHED", 1 << 20)
    snapshots = sequence(2)
    reader = stream(b"".join(written(snapshots)) + bytes(4 << 20))
    assert reader.last() == snapshots[-1]
    assert reader.next() is None
    assert f"The last {4 << 20} bytes" in reader.notes()[0]


def test_long_records_that_are_none_are_given_up_soon(stream, monkeypatch):
    monkeypatch.setattr("ebpftrace.snapshot.format.stream_reading._MOST_GUESSED", 10_000)
    forged = msgpack.packb([MARKER, 0, False, 0, bytes(4000)])
    reader = stream(StreamWriter().start() + forged * 9)
    with pytest.raises(UsageError, match="too many are"):
        reader.last()
