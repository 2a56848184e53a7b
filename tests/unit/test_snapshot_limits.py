"""What is more than is read is not written: it is left out, and said; and reading is bounded."""

import subprocess
import sys
from array import array
from datetime import timedelta

import pytest
from msgpack import ExtType

from ebpftrace.errors import UsageError
from ebpftrace.model.picture import Cohort, Point
from ebpftrace.snapshot.format import limits, sections, writing
from ebpftrace.snapshot.format.columns import whole
from ebpftrace.snapshot.format.limits import Room, TooMuch
from ebpftrace.snapshot.format.reading import StreamReader, read_snapshot
from ebpftrace.snapshot.format.sections import section
from ebpftrace.snapshot.format.writing import StreamWriter, pieces
from ebpftrace.symbols.locations import MOST_INLINED
from tests.unit.builders import counts, frame, picture, site
from tests.unit.written_builders import (
    block_columns,
    blocks_of,
    mapping,
    packed,
    parts,
    process,
    snapshot,
)

SITES = tuple(
    site(
        f"f{n}",
        id=f"1-{n:016x}",
        counts=counts(1, 100 * (n % 10) + n),
        cohorts=(Cohort(0, 1, n), Cohort(3, 1, n)),
        frames=(frame(f"f{n}"), frame(f"g{n}"), frame("main")),
    )
    for n in range(40)
)


@pytest.fixture
def through(tmp_path):
    def read(given):
        path = tmp_path / "snapshot"
        path.write_bytes(packed(given))
        return read_snapshot(str(path))

    return read


def lowered(monkeypatch, name, most, of=None):
    if of is None:
        monkeypatch.setattr(limits, name, most)
    else:
        monkeypatch.setitem(limits.MOST_ROWS_OF, of, most)


LIMITS = [
    ("MOST_ROWS_OF", 12, "sites"),
    ("MOST_ROWS_OF", 12, "callsites"),
    ("MOST_ROWS_OF", 20, "cohorts"),
    ("MOST_ROWS", 25, None),
    ("MOST_IN_STACKS", 50, None),
    ("MOST_TEXT", 300, None),
    ("MOST_MEMORY", 5000, None),
]


@pytest.mark.parametrize("name, most, of", LIMITS)
def test_of_too_many_sites_those_that_hold_most_are_written(name, most, of, monkeypatch, through):
    lowered(monkeypatch, name, most, of)
    given = snapshot(*SITES, blocks=lambda: iter([block_columns([0, 39, -1])]), notes=("a.",))
    read = through(given)
    kept = read.picture.sites
    left = {one.at.id for one in kept}
    assert 0 < len(kept) < len(SITES)
    assert [one for one in SITES if one.at.id in left] == list(kept)
    smallest = min(one.counts.bytes for one in kept)
    assert all(one.counts.bytes <= smallest for one in SITES if one.at.id not in left)
    assert read.picture.totals == given.picture.totals
    assert read.notes[0] == "a."
    assert f"{40 - len(kept)} of 40 call sites" in read.notes[1]
    missing, present, none = blocks_of(read)[0].site
    assert (missing, kept[present], none) == (-1, SITES[39], -1)


def test_of_a_long_history_the_last_points_are_written(monkeypatch, through):
    lowered(monkeypatch, "", 3, "history")
    points = tuple(Point(float(n), n, None) for n in range(9))
    read = through(snapshot(history=points))
    assert read.history == points[-3:]
    assert "only the last 3 points" in read.notes[0]


def test_too_many_mappings_are_left_out(monkeypatch, through):
    lowered(monkeypatch, "", 3, "mappings")
    read = through(snapshot(processes=(process(mappings=(mapping(),) * 9), process())))
    assert [one.mappings for one in read.processes] == [(), ()]
    assert "mappings" in read.notes[0]


def test_a_section_that_is_too_long_is_not_written(monkeypatch, through):
    monkeypatch.setattr(sections, "MOST_RAW", 1000)
    assert 0 < len(through(snapshot(*SITES)).picture.sites) < 40
    monkeypatch.setattr(sections, "_MOST_PLAIN", 100)
    with pytest.raises(UsageError, match="facts of it could not be read again"):
        packed(snapshot())


def test_command_lines_are_bounded_by_their_bytes(through):
    long = tuple(["\U0001f600" * 500_000] * 20)
    (read,) = through(snapshot(processes=(process(command_line=long),))).processes
    assert read.command_line == (*long[:2], "…")


@pytest.mark.parametrize("name, most, of", [*LIMITS, ("record", 1700, None)])
def test_no_record_is_more_than_is_read(name, most, of, monkeypatch, tmp_path):
    if name == "record":
        monkeypatch.setattr(writing, "MOST_RECORD", most)
    else:
        lowered(monkeypatch, name, most, of)
    snapshots = []
    for n in range(1, 12):
        time = picture().time + timedelta(seconds=n)
        shown = picture(*SITES[: 4 * n], totals=counts(1, 10**6), time=time)
        snapshots.append(snapshot(picture=shown))
    writer = StreamWriter()
    written = [writer.start(), *map(writer.record, snapshots)]
    writer.anew()
    snapshots += [snapshots[-1], snapshots[0]]
    written += map(writer.record, snapshots[-2:])
    path = tmp_path / "s"
    path.write_bytes(b"".join(written))
    reader = StreamReader(str(path))
    read = list(iter(reader.next, None))
    assert reader.notes() == ()
    reader.close()
    assert [one.picture.time for one in read] == [one.picture.time for one in snapshots]
    assert read[-1] == snapshots[-1]
    assert read[-2].notes != ()


def test_the_rows_of_tables_count_over_records_that_rest_on_one_another(monkeypatch):
    lowered(monkeypatch, "", 5, "callsites")
    room = Room()
    for _ in range(2):
        room.take("callsites", {"hash": whole([1, 2])})
        room.take("sites", {"callsite": whole([1] * 9)})
        room.turn()
    with pytest.raises(TooMuch, match="there are 6 rows"):
        room.take("callsites", {"hash": whole([1, 2])})


def test_what_is_written_and_what_is_read_are_measured_alike():
    for name, content in (
        ("sites", {"a": array("B", b"12"), "b": array("Q", [1, 2]), "c": array("d", [1.0, 2.0])}),
        ("stacks", {"lengths": array("H", [2]), "frames": array("I", [1, 2])}),
        ("strings", {"texts": b"a\0b\0"}),
    ):
        one, other = Room(), Room()
        one.take(name, content)
        other.take(
            name,
            {
                key: ExtType(ord(value.typecode), value.tobytes())
                if isinstance(value, array)
                else value
                for key, value in content.items()
            },
        )
        assert vars(one) == vars(other)


def test_the_deepest_stack_there_is_may_be_read():
    assert 127 * (MOST_INLINED + 1) <= limits.MOST_FRAMES


def forged(given, others):
    """The bytes of a snapshot with other sections."""
    head, *rest, end = pieces(given)
    made = [
        section(name, others[name]) if (name := parts(piece)[0][0]) in others else piece
        for piece in rest
    ]
    return b"".join([head, *made, end])


def test_a_stack_that_no_program_has_is_refused(tmp_path):
    path = tmp_path / "file"
    frames = {"lengths": whole([1 << 20, 0]), "frames": whole([0] * (1 << 20))}
    path.write_bytes(forged(snapshot(), {"stacks": frames}))
    with pytest.raises(UsageError, match=r"section stacks at byte .* more than 16384 frames"):
        read_snapshot(str(path))


def test_a_small_file_of_many_frames_takes_little_memory(tmp_path):
    path = tmp_path / "file"
    many = 1 << 17
    stacks = {"lengths": whole([128] * many), "frames": ExtType(66, bytes(128 * many))}
    path.write_bytes(forged(snapshot(), {"stacks": stacks}))
    code = (
        "import sys\n"
        "from ebpftrace.snapshot.format.reading import read_snapshot\n"
        "read_snapshot(sys.argv[1])\n"
        # ru_maxrss is that of this process here: exec(2) keeps it.
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM:')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True)
    assert int(done.stdout.split()[1]) << 10 < 240 << 20  # a pointer a frame is 128 MB


def test_a_long_text_is_cut_and_one_that_is_not_ascii_takes_no_more(tmp_path):
    path = tmp_path / "file"
    name = "\U0001f600" + "x" * 100_000
    path.write_bytes(packed(snapshot(site("f", frames=(frame(name),)))))
    (read,) = read_snapshot(str(path)).picture.sites
    assert read.at.frames[0].function == name[: limits.MOST_LENGTH - 1] + "…"
