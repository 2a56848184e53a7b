"""What was recorded, in the dashboard: it says when, why and where, and never that it is live."""

import asyncio
from dataclasses import fields
from datetime import datetime, timedelta, timezone

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.cli.dashboard import recorded_options
from ebpftrace.model.picture import Point
from ebpftrace.model.snapshot import BlockColumns, Trigger
from ebpftrace.snapshot.loading import following, load, pictures
from ebpftrace.snapshot.source import Still
from tests.unit.builders import counts, frame, picture, target
from tests.unit.hostile import HOSTILE
from tests.unit.kept_files import Stream, keep
from tests.unit.pilot import (
    THREE,
    dashboard,
    named,
    names,
    press,
    resize,
    said,
    screen,
    shows,
    size_of,
    until,
)
from tests.unit.snapshot_builders import host, snapshot

TWO_DAYS_AGO = datetime.now(timezone.utc) - timedelta(days=2, hours=4, minutes=20)
OOM = Trigger("end", "app (pid 42) ended: SIGKILL, out of memory.")
LIVE = ("no picture for", "q leaves", "attaching", "last figures")


class Signals:
    stopped = False


def kept(*sites, at=12.0, **given):
    ended = target(ended="exited", ended_by="SIGKILL, out of memory")
    drawn = picture(
        *(sites or THREE), since_attach_s=at, time=TWO_DAYS_AGO, targets=(ended,), final=True
    )
    return snapshot(drawn, **{"trigger": OOM, **given})


class Watched:
    """A source of which the pilot knows the newest picture."""

    failure = None

    def __init__(self, source):
        self._source = source

    def __getattr__(self, name):
        return getattr(self._source, name)

    @property
    def newest(self):
        return self._source._latest


def play(scene, source, size=(100, 30), *, at_once=True):
    """Run `scene(app, pilot)` on a dashboard that was opened on `source`; it has a picture already."""

    async def main():
        options = recorded_options(source, Selection(top=0), Signals())  # type: ignore[arg-type]
        given = {one.name: getattr(options, one.name) for one in fields(options)}
        async with dashboard(Watched(source), size, **given) as (app, pilot):
            if at_once:
                await until(pilot, lambda: app.shown is not None)
            await scene(app, pilot)

    with source:
        asyncio.run(main())


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 50)])
def test_it_says_when_it_was_taken_and_how_long_ago_and_where_and_why(size):
    async def scene(app, pilot):
        local = f"{TWO_DAYS_AGO.astimezone():%Y-%m-%d %H:%M:%S}"
        first = screen(app)[0]
        assert first.startswith(f"taken    {local} (2d 04h ago)  web1: app (pid 42) ended: ")
        await until(pilot, lambda: names(app) == ["big", "mid", "low"])
        assert not any(words in said(app) for words in LIVE)

    play(scene, Still(kept()), size)


@pytest.mark.parametrize("height", [5, 8, 12])
def test_on_the_smallest_screen_it_still_says_that_it_is_old_and_what_it_holds(height):
    async def scene(app, pilot):
        assert "(2d 04h ago)" in screen(app)[0]
        assert shows(app, "tracked 5.9 KiB in 15 blocks")

    play(scene, Still(kept()), (100, height))


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 100_000])
def test_a_hostile_host_and_reason_spoil_no_line(name):
    async def scene(app, _pilot):
        assert set(size_of(app)) == {100}
        assert "(2d 04h ago)" in screen(app)[0]
        assert "\x1b" not in said(app)

    play(scene, Still(kept(host=host(name=name), trigger=Trigger("end", name))))


def test_the_line_of_time_begins_with_what_was_before():
    before = tuple(Point(float(n), 100 * n, 1 << 20) for n in range(12))

    async def scene(app, _pilot):
        assert [point.at for point in app.past.points(app.picture)] == [
            *map(float, range(12)),
            12.0,
        ]
        assert shows(app, "+5.9 KiB")

    play(scene, Still(kept(history=before)))


def test_the_words_on_how_long_ago_go_on():
    recent = snapshot(picture(*THREE, time=datetime.now(timezone.utc)))

    async def scene(app, pilot):
        await until(pilot, lambda: "(2 s ago)" in said(app))

    play(scene, Still(recent))


def test_the_blocks_that_were_kept_are_in_the_pane():
    columns = BlockColumns([0] * 3, [0x7F00_0000_1000] * 3, [512] * 3, [10**9] * 3, [7] * 3)

    async def scene(app, pilot):
        await until(pilot, lambda: "Last blocks" in said(app))
        assert "0x7f0000001000" in said(app)

    play(scene, Still(kept(blocks=lambda: iter([columns]))), (120, 60))


def test_save_writes_the_same_snapshot_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = kept(history=(Point(1.0, 2, None),), notes=("one",))

    async def scene(app, pilot):
        await press(pilot, "s")
        await until(pilot, lambda: "saved to" in said(app))

    play(scene, Still(opened))
    (file,) = tmp_path.iterdir()
    again = load(str(file))
    assert (again.trigger, again.host, again.processes) == (OOM, opened.host, opened.processes)
    assert again.history == opened.history
    assert again.picture.final
    assert len(again.picture.sites) == 3


def test_a_stream_is_played_and_its_end_is_said(tmp_path):
    stream = Stream(tmp_path, 0)
    for seconds in range(3):
        stream.add(snapshot(picture(*THREE, since_attach_s=float(seconds))))

    async def scene(app, pilot):
        await until(pilot, lambda: "the recording ends here; q leaves" in said(app))
        assert app.picture.since_attach_s == 2.0

    play(scene, pictures(str(stream.path), 20.0))


def grown(seconds, watch="a1", **given):
    one = named("leak", counts=counts(1 + int(seconds), 1000), frames=(frame("leak"),))
    return snapshot(picture(one, since_attach_s=seconds), watch=watch, **given)


def test_a_directory_is_shown_as_it_is_written(tmp_path):
    keep(tmp_path, 0, grown(1.0))

    async def scene(app, pilot):
        keep(tmp_path, 1, grown(2.0, trigger=Trigger("rss", "Resident memory passed 2G.")))
        await until(pilot, lambda: "Resident memory passed 2G." in said(app))
        assert app.picture.since_attach_s == 2.0
        assert not any(words in said(app) for words in LIVE)

    play(scene, following(str(tmp_path)))


def test_another_watch_begins_anew_with_its_own_time_and_without_marks(tmp_path):
    keep(tmp_path, 0, grown(50.0, history=(Point(40.0, 1, None),)))

    async def scene(app, pilot):
        await press(pilot, "m", "enter")
        assert len(app.marks) == 1
        keep(tmp_path, 1, grown(3.0, watch="b2", history=(Point(1.0, 1, None),)))
        await until(pilot, lambda: app.picture.since_attach_s == 3.0)
        assert [point.at for point in app.past.points(app.picture)] == [1.0, 3.0]
        assert len(app.marks) == 0
        assert app.view.mark is None
        assert "this is another watch" in said(app)

    play(scene, following(str(tmp_path)))


def test_a_held_picture_keeps_its_time_while_another_watch_comes(tmp_path):
    keep(tmp_path, 0, grown(50.0, trigger=Trigger("asked", "The first reason.")))

    async def scene(app, pilot):
        await press(pilot, "p")
        for number in range(1, 5):
            keep(tmp_path, number, grown(float(number), watch="b2"))
        await until(pilot, lambda: app.newest.since_attach_s == 4.0)
        assert "The first reason." in screen(app)[0]
        assert [point.at for point in app.past.points(app.picture)] == [50.0]
        await press(pilot, "p")
        times = [point.at for point in app.past.points(app.picture)]
        assert times[-1] == max(times) == 4.0

    play(scene, following(str(tmp_path)))


def test_until_a_recorder_has_written_something_it_says_what_it_waits_for(tmp_path):
    async def scene(app, pilot):
        assert "waiting for the first snapshot in" in said(app)
        keep(tmp_path, 0, grown(1.0))
        await until(pilot, lambda: "leak" in said(app))
        await resize(pilot, 60, 12)
        assert "ago)" in screen(app)[0]

    play(scene, following(str(tmp_path)), (200, 30), at_once=False)
