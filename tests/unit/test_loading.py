"""What a path leads to: told apart, loaded, shown as one picture; and what is no such file."""

import gzip
import io
import os
import pickle

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.cli.exits import Exit, exit_of
from ebpftrace.cli.main import main
from ebpftrace.errors import UsageError
from ebpftrace.export import jsonl
from ebpftrace.model.picture import SourceLines
from ebpftrace.model.snapshot import BlockColumns, Trigger
from ebpftrace.snapshot.loading import Kind, following, kind_of, load, pictures
from ebpftrace.snapshot.source import Still
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site
from tests.unit.kept_files import Stream, keep
from tests.unit.snapshot_builders import snapshot


def line(*sites, **given):
    out = io.StringIO()
    jsonl.write(picture(*sites, **given), Selection(top=0), out)
    return out.getvalue().encode()


def named(name):
    return site(name, id=f"1-{sum(name.encode()):016x}")


def at(seconds, *names, **given):
    drawn = picture(*(named(name) for name in names), since_attach_s=seconds)
    return snapshot(drawn, **given)


def titles(found):
    return [one.at.frames[0].function for one in found.sites]


def given(source):
    """The snapshot of the latest picture."""
    assert source.given is not None
    return source.given


def refused(path, call=load):
    with pytest.raises(UsageError) as error:
        call(str(path))
    assert exit_of(error.value) is Exit.USAGE
    said = str(error.value)
    assert said.startswith(str(path))
    assert said.endswith(".")
    return said


def test_each_kind_is_told_by_what_is_in_it(tmp_path):
    lines, packed = tmp_path / "a", tmp_path / "b"
    lines.write_bytes(line())
    packed.write_bytes(gzip.compress(line()))
    stream = Stream(tmp_path, 1)
    stream.add(snapshot())
    assert kind_of(str(keep(tmp_path, 0, snapshot()))) is Kind.SNAPSHOT
    assert kind_of(str(stream.path)) is Kind.STREAM
    assert kind_of(str(lines)) is kind_of(str(packed)) is Kind.LINES
    assert kind_of(str(tmp_path)) is Kind.DIRECTORY


def test_a_snapshot_is_loaded_with_all_it_has(tmp_path):
    kept = at(5.0, "a", trigger=Trigger("oom", "the group ran out of memory"), notes=("one",))
    found = load(str(keep(tmp_path, 0, kept)))
    assert (found.trigger, found.host, found.notes) == (kept.trigger, kept.host, ("one",))
    assert titles(found.picture) == ["a"]


def test_of_a_stream_the_last_whole_record_is_loaded(tmp_path):
    stream = Stream(tmp_path, 0)
    stream.add(at(1.0, "a"))
    stream.add(at(2.0, "a", "b"))
    whole = len(stream.path.read_bytes())
    stream.add(at(3.0, "a", "b", "c"))
    os.truncate(stream.path, whole + 20)
    assert load(str(stream.path)).picture.since_attach_s == 2.0


def test_of_a_directory_the_newest_file_is_loaded(tmp_path):
    for number in range(3):
        keep(tmp_path, number, at(float(number), "a"))
    (tmp_path / ".tmp-9").write_text("no")
    (tmp_path / "zzz").write_text("no")
    found = load(f"{tmp_path}/")
    assert found.picture.since_attach_s == 2.0
    assert found.file == str(keep(tmp_path, 2, at(2.0, "a")))


def test_of_a_recording_the_last_line_alone_is_decoded(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(line(since_attach_s=1.0) + b'{"nonsense"\n' + line(named("b"), final=True))
    found = load(str(path))
    assert titles(found.picture) == ["b"]
    assert (found.watch, found.tool, found.host, found.history) == ("", "", None, ())


def test_a_line_that_was_cut_is_left_out_and_said(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(line(named("a")) + line(named("b"))[:200])
    found = load(str(path))
    assert titles(found.picture) == ["a"]
    assert "its last line not whole" in found.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"\x7fELF\x02\x01\x01",
        b"\x1f\x8b",
        b"\x1f\x8b" + b"\0" * 50,
        b"\x81\xa9ebpftrace\xa8snapshot",
        b"\x81\xa9ebpftrace\xa6stream",
        b"\x81\xa9ebpftrace\xa8snapshot" + b"\xff" * 99,
        b"\x81\xa9ebpftrace\xa4ring",
        b"\x00" * 4096,
        pickle.dumps(["no", "snapshot"]),
    ],
)
def test_what_is_no_snapshot_is_a_sentence(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    for call in (load, pictures):
        assert refused(path, call)


def test_what_is_no_file_is_a_sentence(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    assert "No such file" in refused(tmp_path / "nowhere")
    assert "no regular file" in refused(tmp_path / "pipe")
    assert "no regular file" in refused("/dev/null")
    assert "holds no snapshot (yet)" in refused(tmp_path / "empty")
    with pytest.raises(UsageError, match="cannot be read"):
        load("a\0b")


def test_a_sparse_file_of_ten_gigabytes_is_refused_at_once(tmp_path):
    for head in (b"", b"{", b"\x81\xa9ebpftrace\xa8snapshot"):
        path = tmp_path / "large"
        path.write_bytes(head)
        os.truncate(path, 10 << 30)
        refused(path)


def test_what_does_not_grow_is_not_followed(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(line())
    assert "--follow takes a directory" in refused(path, following)
    assert "--follow takes a directory" in refused(keep(tmp_path, 0, snapshot()), following)


# --- one picture ----------------------------------------------------------------------------------


def test_a_snapshot_is_one_picture_and_the_last():
    kept = at(5.0, "a", "b")
    with Still(kept) as source:
        seen = source.after(None, 0.0)
        assert seen is source.latest()
        assert seen.final
        assert source.after(seen, 0.01) is None
        assert not given(source).picture.final
        assert source.snapshot(seen) is given(source)


def test_its_code_is_named_before_it_is_given():
    def refined(shown):
        return picture(*shown.sites, mode="named")

    with Still(at(5.0, "a"), refined) as source:
        assert source.latest().mode == "named"
        assert given(source).picture.mode == "named"


def test_the_one_line_of_source_that_was_recorded_is_given():
    known = frame(file="/srv/a.c", line=7, source="p = malloc(n);")
    with Still(at(5.0, "a")) as source:
        given = source.source(source.latest().sites[0], known, 5)
    assert given == SourceLines("/srv/a.c", 7, ("p = malloc(n);",))


def blocks(site_of_each):
    count = len(site_of_each)
    columns = (site_of_each, list(range(count)), [8] * count, [10**9] * count, [7] * count)
    return BlockColumns(*columns)


def test_the_blocks_of_a_site_are_those_that_were_kept():
    kept = at(5.0, "a", "b", blocks=lambda: iter([blocks([0, 1, 1, -1]), blocks([1])]))
    with Still(kept) as source:
        first, second = source.latest().sites
        one, three = source.blocks(first), source.blocks(second)
        assert one is not None
        assert three is not None
        assert (one.blocks, three.blocks, three.bytes) == (1, 3, 24)
        assert three.last[0].age_s == 4.0
        assert source.blocks(named("c")) is None


def test_without_kept_blocks_there_are_none():
    with Still(at(5.0, "a")) as source:
        assert source.blocks(source.latest().sites[0]) is None


def test_blocks_that_cannot_be_read_are_noted_once():
    def broken():
        raise UsageError("x is damaged.")

    with Still(at(5.0, "a", blocks=broken)) as source:
        for _ in range(3):
            assert source.blocks(source.latest().sites[0]) is None
        assert source.notes() == ("x is damaged.",)


# --- a stream that is played ----------------------------------------------------------------------


def following_one(source, seen):
    found = source.after(seen, 5.0)
    assert found is not None
    return found


def reason(source, shown):
    found = source.snapshot(shown)
    assert found is not None
    return found.trigger.sentence


def test_a_stream_is_played_record_by_record_and_ends(tmp_path):
    stream = Stream(tmp_path, 0)
    for seconds in range(4):
        stream.add(at(float(seconds), "a", trigger=Trigger("interval", f"number {seconds}")))
    with pictures(str(stream.path), 1000.0) as source:
        seen = [source.latest()]
        while not seen[-1].final:
            seen.append(following_one(source, seen[-1]))
            assert reason(source, seen[-1]) == f"number {seen[-1].since_attach_s:.0f}"
        assert [one.since_attach_s for one in seen] == [0.0, 1.0, 2.0, 3.0, 3.0]


def test_the_snapshot_of_a_held_picture_is_known_while_others_come(tmp_path):
    stream = Stream(tmp_path, 0)
    for seconds in range(30):
        stream.add(at(float(seconds), "a", trigger=Trigger("interval", f"number {seconds}")))
    with pictures(str(stream.path), float("inf")) as source:
        held = seen = source.latest()
        while not seen.final:
            seen = following_one(source, seen)
            assert reason(source, seen)
            assert reason(source, held) == "number 0"


def test_a_stream_without_a_record_is_refused(tmp_path):
    assert "no whole picture" in refused(Stream(tmp_path, 0).path, pictures)


def test_counts_of_a_site_are_as_recorded(tmp_path):
    kept = snapshot(picture(site(counts=counts(3, 300))))
    assert load(str(keep(tmp_path, 0, kept))).picture.totals.bytes == 300


@pytest.mark.parametrize("cut", [1, 20, 200, 2000])
def test_the_name_of_a_file_moves_no_cursor(cut, tmp_path, capsys):
    hostile = tmp_path / "a\x1b[2J\u202eb"
    hostile.mkdir()
    whole, stream = keep(hostile, 0, snapshot()), Stream(hostile, 1)
    for seconds in range(2):
        stream.add(at(float(seconds), "a"))
    lines = hostile / "lines"
    lines.write_bytes(line())
    for path in (whole, stream.path, lines):
        os.truncate(path, max(1, path.stat().st_size - cut))
        for arguments in (["report"], ["open", "--text", "--speed", "inf"], ["diff", str(path)]):
            main([*arguments, str(path)])
            said = capsys.readouterr()
            for one in (*said.out.split("\n"), *said.err.split("\n")):
                assert one == clean(one)
