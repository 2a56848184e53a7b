"""What the dashboard does with the call site under the cursor, and with the picture."""

import contextlib
import os
import threading
import time

import pytest

from ebpftrace.model.picture import SourceLines
from tests.unit.builders import frame, picture
from tests.unit.frozen import BLOCKS
from tests.unit.hostile import HOSTILE
from tests.unit.pilot import (
    ended,
    give,
    here,
    named,
    play,
    press,
    said,
    until,
)

TEXT = SourceLines("/src/a.c", 1, tuple(f"text of line {n}" for n in range(1, 30)), "/src/a.c")


def with_source(**given):
    frames = (
        frame("inner", file="/src/a.c", line=3),
        frame("outer", file="/src/a.c", line=20),
    )
    return named("inner", frames=frames, **given)


def toasts(app):
    return [one.message for one in app._notifications]


def test_frames_outward_and_inward_change_the_source_text():
    async def scene(app, pilot, source):
        source.text = TEXT
        for key, marked in [
            (None, "▸  3 │ text of line 3"),
            ("full_stop", "▸ 20 │ text of line 20"),
            ("full_stop", "▸ 20 │ text of line 20"),
            ("comma", "▸  3 │ text of line 3"),
            ("comma", "▸  3 │ text of line 3"),
        ]:
            if key:
                await press(pilot, key)
            await until(pilot, lambda marked=marked: marked in said(app))

    play(scene, picture(with_source()), size=(120, 60))


def test_the_pane_shows_the_blocks_of_the_site_under_the_cursor_and_of_no_other():
    async def scene(app, pilot, source):
        source.found = BLOCKS
        await until(pilot, lambda: "Last blocks" in said(app))
        assert "0x7f0000001000" in said(app)
        source.found = None
        await press(pilot, "down")
        assert "Last blocks" not in said(app)

    play(scene, size=(120, 60))


@pytest.mark.parametrize("name", [*HOSTILE, "", "x" * 100_000])
def test_a_copied_stack_is_plain_text_whatever_names_it_has(name):
    async def scene(app, pilot, _source):
        await press(pilot, "y")
        lines = app.clipboard.splitlines()
        assert lines[0].startswith("100 B in 1 block")
        assert len(lines) == 3
        assert all(line.isprintable() for line in lines)
        assert "outer" in lines[2]
        assert "2 frames sent to the terminal's clipboard" in toasts(app)[0]

    frames = (frame(name, file=name, line=1), frame("outer"))
    play(scene, picture(named("one", frames=frames)))


def test_a_row_that_is_no_call_site_is_neither_copied_nor_edited():
    async def scene(app, pilot, _source):
        await press(pilot, "2", "y", "e", "full_stop")
        assert toasts(app) == [
            "a stack is copied from the view of call sites",
            "an editor is opened from the view of call sites",
        ]
        assert app.clipboard == ""

    play(scene)


def test_the_editor_gets_the_file_and_the_line_of_the_chosen_frame(tmp_path, monkeypatch):
    script, args = tmp_path / "editor", tmp_path / "args"
    script.write_text(f'#!/bin/sh\necho "$@" >{args}\n')
    script.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", os.fspath(script))

    async def scene(app, pilot, source):
        source.text = TEXT
        await press(pilot, "e")
        assert toasts(app) == ["this terminal cannot be lent to an editor"]
        assert not args.exists()
        monkeypatch.setattr(app, "suspend", contextlib.nullcontext)
        await press(pilot, "full_stop", "e")
        assert args.read_text() == "+20 /src/a.c\n"
        script.write_text("#!/bin/sh\nexit 3\n")
        await press(pilot, "e")
        assert toasts(app)[-1].endswith("editor ended with status 3")

    play(scene, picture(with_source()))


def test_without_source_text_the_editor_is_not_opened():
    async def scene(app, pilot, _source):
        await press(pilot, "e")
        assert toasts(app) == ["there is no source text of big [app] to be had"]

    play(scene)


def test_save_is_given_the_picture_that_is_shown_and_its_sentence_is_said():
    saved = []

    def save(one, points):
        saved.append((one, [point.at for point in points]))
        return "saved to [/srv/x] in 3 ms"

    async def scene(app, pilot, source):
        await press(pilot, "p")
        shown = app.picture
        await give(pilot, source, picture())
        await press(pilot, "s")
        await until(pilot, lambda: "saved to [/srv/x] in 3 ms" in said(app))
        assert saved == [(shown, [12.0])]

    play(scene, save=save)


def test_a_save_that_takes_long_keeps_no_key_waiting_and_is_not_begun_twice():
    going, over = threading.Event(), threading.Event()

    def save(_one, _points):
        going.set()
        assert over.wait(5)
        return "saved at last"

    async def scene(app, pilot, _source):
        await press(pilot, "s", "down", "s")
        assert going.is_set()
        assert here(app) == "mid"
        assert toasts(app) == ["the one before is still being saved"]
        over.set()
        await until(pilot, lambda: "saved at last" in said(app))

    play(scene, save=save)


def test_leaving_waits_for_what_is_being_saved():
    done = []

    def save(_one, _points):
        time.sleep(0.3)
        done.append(True)
        return "saved"

    async def scene(app, pilot, _source):
        await press(pilot, "s", "q")
        await ended(app)

    play(scene, save=save)
    assert done == [True]


def test_without_a_place_to_save_to_it_says_so():
    async def scene(app, pilot, _source):
        await press(pilot, "s")
        assert toasts(app) == ["this view has nowhere to save to"]

    play(scene)
