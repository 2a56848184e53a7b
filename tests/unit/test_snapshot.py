"""What a snapshot file gives back: all that was written, each thing once."""

import gc
import zlib
from array import array
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from ebpftrace.drain.space import site_id
from ebpftrace.model.ids import StackId
from ebpftrace.model.picture import Point
from ebpftrace.model.snapshot import BlockColumns, Host, Trigger
from ebpftrace.snapshot.files import File
from ebpftrace.snapshot.format import heads
from ebpftrace.snapshot.format.heads import head_of
from ebpftrace.snapshot.format.reading import read_snapshot
from ebpftrace.snapshot.format.sections import section
from ebpftrace.snapshot.format.sites_writing import MOST_BLOCKS
from ebpftrace.snapshot.format.writing import pieces
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.generated_pictures import pictures
from tests.unit.hostile import HOSTILE
from tests.unit.written_builders import block_columns, blocks_of, full, packed, process, snapshot

MOST = (1 << 64) - 1


@pytest.fixture
def through(tmp_path):
    """What is read of what was written."""

    def read(given):
        path = tmp_path / "snapshot"
        path.write_bytes(packed(given))
        return read_snapshot(str(path))

    return read


def without_blocks(given):
    return replace(given, blocks=None)


def no_offset_is_nil(drawn):
    return all(one.offset != MOST for made in drawn.sites for one in made.at.frames)


@given(drawn=pictures().filter(no_offset_is_nil))
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_picture_comes_back_whole(drawn, through):
    assert through(snapshot(picture=drawn)).picture == drawn


def test_for_how_many_others_stand_comes_back(through):
    drawn = picture(site("f"), mode="sample", scale=4, unseen=6)
    assert through(snapshot(picture=drawn)).picture == drawn


def test_everything_comes_back(through):
    read = through(full())
    assert without_blocks(read) == without_blocks(full())
    assert blocks_of(read) == blocks_of(full())


def test_blocks_are_read_as_often_as_they_are_asked_for(through):
    read = through(full())
    assert blocks_of(read) == blocks_of(read)


def test_blocks_that_were_not_kept_are_told_from_none_there_are(through):
    assert through(snapshot()).blocks is None
    nothing = through(snapshot(blocks=lambda: iter(())))
    assert nothing.blocks is not None
    assert blocks_of(nothing) == []


def test_many_blocks_are_read_in_parts(through):
    many = block_columns([0] * (MOST_BLOCKS + 1))
    read = through(snapshot(blocks=lambda: iter([many])))
    assert [len(chunk.site) for chunk in blocks_of(read)] == [MOST_BLOCKS, 1]


def test_blocks_are_taken_while_they_are_written():
    taken = []

    def chunks():
        for number in range(3):
            taken.append(number)
            yield block_columns([0])

    written = [
        list(taken)
        for piece in pieces(snapshot(blocks=chunks))
        if piece.startswith(b"\x94\xa6blocks")
    ]
    assert written == [[0], [0, 1], [0, 1, 2]]


def test_an_empty_picture_comes_back(through):
    nothing = snapshot(picture=picture(targets=(), totals=counts(0, 0)))
    assert through(nothing) == nothing


def test_nothing_known_comes_back_as_nothing_known(through):
    unknown = frame(None, module=None, build_id=None, offset=None)
    nothing = snapshot(
        site("f", frames=(unknown,), family=None, allocator=None, oldest_at=None, growth=None),
        host=Host("", "", "", "", None, 0, 0, None, None),
        processes=(
            process(
                command_line=(),
                started=None,
                parent=None,
                users=(),
                limits={},
                memory=None,
                group=None,
                mappings=(),
                environment=None,
            ),
        ),
        history=(Point(0.0, 0, None),),
    )
    assert through(nothing) == nothing


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_clean_however_they_were_written(name, through):
    read = through(
        snapshot(
            site("f", frames=(frame(name, module=name, source=name),), family=name),
            picture=picture(
                site("f", frames=(frame(name), frame("next\0one")), allocator=name),
                targets=(target(comm=name, exe=name),),
                mode=name,
            ),
            processes=(process(command_line=(name,)),),
            trigger=Trigger("rss", name),
            notes=(name,),
        )
    )
    shown = clean(name.encode("utf-8", "replace")).replace("?", "·")
    at = read.picture.sites[0].at
    assert at.allocator.replace("?", "·") == shown
    assert [one.function for one in at.frames] == [at.allocator, "next·one"]
    for text in (read.notes[0], read.trigger.sentence, read.picture.targets[0].comm):
        assert text.replace("?", "·") == shown


def test_numbers_that_fit_nowhere_are_kept_as_the_nearest_that_do(through):
    huge = frame("f", line=-5, offset=MOST, address=1 << 70)
    (read,) = through(snapshot(site("f", frames=(huge,), growth=float("inf")))).picture.sites
    assert (read.at.frames[0].line, read.at.frames[0].offset) == (0, MOST - 1)
    assert read.at.frames[0].address == MOST
    assert read.growth is None


def test_what_is_equal_is_one_object(through):
    shared = frame("main")
    one, other = through(
        snapshot(
            site("f", frames=(frame("f"), shared)),
            site("g", frames=(frame("g"), frame("main"))),
            site("h", id="2-1", frames=(frame("f"), shared)),
        )
    ).picture.sites[:2]
    assert one.at.frames[1] is other.at.frames[1]
    assert one.at.frames[0].module is other.at.frames[0].module


def test_equal_stacks_are_one_object(through):
    one, other = through(snapshot(site("f"), site("f", id="2-1"))).picture.sites
    assert one.at.frames is other.at.frames


@pytest.mark.parametrize(
    "name",
    [site_id(3, StackId(0xAB)), site_id(0, StackId(0)), "", "-", "3-ab", "A-00000000000000ab", "é"],
)
def test_an_id_comes_back_whether_it_is_made_of_numbers_or_not(name, through):
    made = snapshot(site("f", id=name, stack=StackId(0xAB)))
    assert through(made).picture.sites[0].at.id == name


def test_an_id_of_the_drain_is_kept_as_numbers():
    made = snapshot(site("f", id=site_id(3, StackId(0xAB)), stack=StackId(0xAB)))
    assert b"00000000000000ab" not in packed(made)


def test_a_listing_needs_the_head_only(tmp_path):
    path = tmp_path / "snapshot"
    path.write_bytes(packed(snapshot(trigger=Trigger("oom", "It was killed.")))[:200])
    head = head_of(File(str(path)))
    assert (head.kind, head.trigger, head.watch) == ("snapshot", "oom", "a1")
    assert head.taken == picture().time


def test_a_section_of_a_later_version_is_passed_over(tmp_path):
    head, *sections, _ = pieces(snapshot())
    extra = section("verdicts", {"leak": 1})
    end = section("end", {"head": zlib.crc32(head), "sections": len(sections) + 1})
    path = tmp_path / "snapshot"
    path.write_bytes(b"".join([head, *sections, extra, end]))
    assert read_snapshot(str(path)) == snapshot()


def test_every_older_version_is_brought_up(tmp_path, monkeypatch):
    assert set(heads.MIGRATIONS) == set(range(1, heads.VERSION))
    path = tmp_path / "old"
    path.write_bytes(packed(full()))

    def brought_up(sections):
        if "blocks" in sections:
            sections["blocks"]["size"] = sections["blocks"]["thread"]
        else:
            sections["facts"]["mode"] = "sample"
        return sections

    monkeypatch.setattr(heads, "VERSION", 2)
    monkeypatch.setattr(heads, "MIGRATIONS", {1: brought_up})
    read = read_snapshot(str(path))
    assert read.picture.mode == "sample"
    assert blocks_of(read)[0].size == [42, 42, 42]


def test_the_collector_runs_again_after_reading(through):
    through(snapshot())
    assert gc.isenabled()


def test_long_command_lines_are_cut_before_they_are_too_long_to_be_read(through):
    long = tuple(["x" * 1_000_000] * 20)
    (read,) = through(snapshot(processes=(process(command_line=long),))).processes
    assert read.command_line == (*long[:4], "…")


def test_columns_of_blocks_may_be_of_any_sequence(through):
    chunk = BlockColumns(
        array("i", [0, -1]), array("Q", [16, 32]), (1, 2), array("Q", [5, 6]), range(7, 9)
    )
    (read,) = blocks_of(through(snapshot(blocks=lambda: iter([chunk]))))
    assert read == BlockColumns([0, -1], [16, 32], [1, 2], [5, 6], [7, 8])
