"""Files that were cut, damaged, forged, or never were snapshots: each is a sentence that says where."""

import gzip
import os
import struct
import tracemalloc
from math import nan
from typing import Any

import msgpack
import pytest
import zstandard

from ebpftrace.errors import UsageError
from ebpftrace.snapshot.format import sections
from ebpftrace.snapshot.format.columns import whole
from ebpftrace.snapshot.format.reading import StreamReader, read_snapshot
from ebpftrace.snapshot.format.sections import section
from ebpftrace.snapshot.format.writing import StreamWriter, pieces
from tests.unit.written_builders import blocks_of, forged, full, packed, parts, snapshot


def why_not(path):
    """The sentence of a refusal, of single blocks too; None if all could be read."""
    try:
        blocks_of(read_snapshot(str(path)))
    except UsageError as error:
        return str(error)
    return None


@pytest.fixture
def refused(tmp_path):
    """The sentence about a file of these bytes, without its name."""
    path = tmp_path / "file"

    def why(data):
        path.write_bytes(data)
        sentence = why_not(path) or "it was read"
        assert sentence.startswith(str(path))
        assert sentence.endswith(".")
        return sentence.removeprefix(str(path))

    return why


def with_section(name, content=None, raw=None):
    """A snapshot whose section of this name is another one."""
    head, *rest, end = pieces(full())
    made = section(name, content) if raw is None else raw
    rest = [made if parts(piece)[0][0] == name else piece for piece in rest]
    return b"".join([head, *rest, end])


def test_a_file_that_was_cut_anywhere_says_where_it_ends(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(packed(full()))
    for size in reversed(range(1, path.stat().st_size)):
        os.truncate(path, size)
        assert f"ends at byte {size}," in why_not(path)


def test_an_empty_file_is_a_sentence(refused):
    assert "is empty" in refused(b"")


def test_damage_at_any_byte_is_a_sentence(refused):
    data = bytearray(packed(full()))
    for place in range(len(data)):
        flip = 0x80 >> place % 8
        data[place] ^= flip
        assert refused(data)
        data[place] ^= flip


def test_damage_is_told_by_section_and_offset(refused):
    head, facts, *_ = pieces(full())
    data = bytearray(packed(full()))
    data[len(head) + len(facts) // 2] ^= 1
    assert f"is damaged in its section facts at byte {len(head)}: its checksum" in refused(data)


def test_damage_to_single_blocks_leaves_the_rest_readable(tmp_path):
    *_, last, end = pieces(full())
    data = bytearray(packed(full()))
    data[-len(end) - len(last) // 2] ^= 1
    path = tmp_path / "file"
    path.write_bytes(data)
    read = read_snapshot(str(path))
    assert read.picture == full().picture
    with pytest.raises(UsageError, match="section blocks at byte"):
        blocks_of(read)


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\x01\x01",
        b'{"schema": "ebpftrace.picture/1"}\n',
        gzip.compress(b"x" * 100, mtime=0),
        b"\x00" * 100,
        b"\x81\xa9another..\x01",
        msgpack.packb(["ebpftrace", "snapshot"]),
    ],
)
def test_a_file_of_another_kind_is_told_as_such(data, refused):
    assert "was not written by ebpftrace" in refused(data)


def test_a_newer_version_names_both_and_says_to_take_a_newer_tool(refused):
    newer = msgpack.packb({"ebpftrace": "snapshot", "version": 7, "tool": "ebpftrace 9.1\x1b"})
    sentence = refused(newer + b"whatever it is")
    assert "by ebpftrace 9.1· in version 7" in sentence
    assert "reads version 1 and older. Take a newer ebpftrace." in sentence


@pytest.mark.parametrize(
    "said",
    [
        {"ebpftrace": "snapshot"},
        {"ebpftrace": "snapshot", "version": "1", "tool": ""},
        {"ebpftrace": "snapshot", "version": 0, "tool": ""},
        {"ebpftrace": "other", "version": 1, "tool": ""},
        {"ebpftrace": "snapshot", "version": 1, "tool": "", "taken": "now"},
        {"ebpftrace": [], "version": 1},
    ],
)
def test_a_head_that_is_not_as_it_should_be_is_damaged(said, refused):
    assert "is damaged in its head at byte 0" in refused(msgpack.packb(said) + b"\xc0" * 100)


def test_a_head_without_an_end_is_damaged(refused):
    assert "head" in refused(b"\x81\xa9ebpftrace\xdb\xff\xff\xff\xff" + b"x" * 100_000)


def test_what_is_no_regular_file_is_a_sentence(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo):
        with pytest.raises(UsageError, match="is no regular file"):
            read_snapshot(str(path))
    with pytest.raises(UsageError, match="No such file"):
        read_snapshot(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="null"):
        read_snapshot("a\0b")


@pytest.mark.usefixtures("modes_bind")
def test_a_file_that_may_not_be_read_is_a_sentence(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(packed(snapshot()))
    path.chmod(0)
    with pytest.raises(UsageError, match="Permission denied"):
        read_snapshot(str(path))


def test_a_stream_is_no_snapshot_and_a_snapshot_no_stream(tmp_path, refused):
    assert "is a stream" in refused(StreamWriter().start())
    path = tmp_path / "snapshot"
    path.write_bytes(packed(snapshot()))
    with pytest.raises(UsageError, match="not a stream"):
        StreamReader(str(path))


def test_what_stands_behind_the_end_is_not_passed_over(refused):
    assert "something stands behind it" in refused(packed(full()) + b"\x00")


@pytest.mark.parametrize("behind_the_head", [False, True])
def test_ten_gigabytes_are_refused_in_little_memory(behind_the_head, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(next(pieces(full())) if behind_the_head else b"")
    os.truncate(path, 10 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(UsageError):
            read_snapshot(str(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 << 20


def frame_of(size, said=None):
    """zstd of so many zeros, which says it were `said`."""
    made = bytearray(zstandard.ZstdCompressor().compress(bytes(size)))
    if said is not None:
        at = made.index(struct.pack("<I", size))
        made[at : at + 4] = struct.pack("<I", said)
    return bytes(made)


def test_a_section_that_would_take_too_much_is_refused_unread(refused):
    size = sections.MOST_RAW + 1
    bomb = forged("stacks", size, frame_of(1 << 20, said=size))
    assert f"says that it takes {size} bytes" in refused(with_section("stacks", raw=bomb))


@pytest.mark.parametrize("said, told", [(10, "its sizes differ"), (1 << 20, "decompressed")])
def test_a_frame_that_lies_about_its_size_is_refused(said, told, refused):
    bomb = forged("facts", said, frame_of(1 << 20, said=None if said == 10 else said))
    if said != 10:
        bomb = forged("facts", said, frame_of(1 << 19, said=said))
    assert told in refused(with_section("facts", raw=bomb))


@pytest.mark.parametrize(
    "name, raw",
    [
        ("facts", b"\x91" * 5000),
        ("facts", b"\xdd\xff\xff\xff\xff" * 900),
        ("facts", b"\xdd\x00\x03\xff\xff" * 900),
        ("facts", (b"\x9f" + b"\x90" * 15) * 100_000),
        ("facts", b"\xc1"),
        ("facts", b"\x01\x02"),
        ("facts", b"\x81\x01\x02"),
        ("facts", b"\x81\xa1\xff\x02"),
        ("facts", b"\xc7\x01\x42\x00"),
        ("sites", b"\x81\xa8callsite\x93\x01\x02\x03"),
        ("sites", b"\x81\xa8callsite\xc7\x03\x49\x00\x00\x00"),
        ("sites", b"\x81\xa8callsite\xc7\x01\x05\x00"),
        ("sites", b"\x81\xa8callsite\xc7\x08\xff\x00\x00\x00\x00\x00\x00\x00\x00"),
    ],
)
def test_hostile_msgpack_is_refused(name, raw, refused):
    frame = zstandard.ZstdCompressor().compress(raw)
    made = forged(name, len(raw), frame)
    assert f"section {name} at byte" in refused(with_section(name, raw=made))


def content_of(name):
    """The maps of the section of a good file."""
    for given, _, _, frame in parts(packed(full()))[1:]:
        if given == name:
            return msgpack.unpackb(zstandard.decompress(frame))
    raise AssertionError


# Files of earlier versions do not have them, or their value is not always known.
MAY_BE_MISSING = (
    "drain",
    "error_bytes",
    "growth_bytes_per_s",
    "host",
    "mapped",
    "mode_changes",
    "scale",
    "unseen_blocks",
    "waiting_for",
)
EVERY_FIELD = [
    (given, field)
    for given, _, _, frame in parts(packed(full()))[1:]
    if given not in {"end", "blocks"}
    for field in msgpack.unpackb(zstandard.decompress(frame))
    if (given, field) not in {("facts", name) for name in MAY_BE_MISSING}
]


@pytest.mark.parametrize("name, field", EVERY_FIELD)
def test_a_field_that_is_missing_or_another_kind_is_a_sentence(name, field, tmp_path, refused):
    content = content_of(name)
    path = tmp_path / "forged"
    others: list[Any] = [
        b"bytes",
        [b"x"],
        whole([1 << 40] * 3),
        whole([]),
        {"x": []},
        nan,
        "x",
        -1,
        None,
    ]
    for other in others:
        path.write_bytes(with_section(name, {**content, field: other}))
        assert "is damaged in its section" in (why_not(path) or "is damaged in its section")
    assert "is damaged in its section" in refused(
        with_section(name, {key: one for key, one in content.items() if key != field})
    )


def test_two_sites_of_one_id_are_refused(refused):
    content = content_of("sites")
    content["callsite"] = whole([0, 0, 1, 2])
    assert "the same id" in refused(with_section("sites", content))


def test_cohorts_that_are_not_in_the_order_of_time_are_refused(refused):
    content = content_of("cohorts")
    content["epoch"] = whole([5, 0])
    assert "order of time" in refused(with_section("cohorts", content))


@pytest.mark.parametrize("name", ["facts", "sites", "strings"])
def test_a_section_that_is_missing_or_there_twice_is_a_sentence(name, refused):
    head, *rest, end = pieces(full())
    one = next(piece for piece in rest if parts(piece)[0][0] == name)
    without = [piece for piece in rest if piece is not one]
    assert "others were written" in refused(b"".join([head, *without, end]))
    assert "there twice" in refused(b"".join([head, *rest, one, end]))


def test_very_many_sections_are_refused(refused, monkeypatch):
    monkeypatch.setattr("ebpftrace.snapshot.format.reading._MOST_SECTIONS", 100)
    head, *_ = pieces(full())
    one = section("blocks", {})
    assert "more than 100" in refused(head + one * 200)
