"""Plays scenes on the dashboard with Textual's pilot, and reads its screen as text.

Rows are made on a thread of their own, so what a key has changed is there once the screen has
`settled`. `press`, `write`, `click`, `resize` and `give` wait for that.
"""

import asyncio
import re
import threading
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from rich.cells import cell_len
from textual import events

from ebpftrace.tui import composer
from ebpftrace.tui.app import Dashboard
from ebpftrace.tui.glyphs import UNICODE
from ebpftrace.tui.options import Options
from tests.unit.builders import counts, frame, picture, site

_CHARACTERS = {
    "space": " ",
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "apostrophe": "'",
    "full_stop": ".",
    "comma": ",",
}
_KEYS = {character: key for key, character in _CHARACTERS.items()}
_ROUNDS = 1000
# Leaving waits for the thread that asks the source.
_PATIENCE_S = 0.02
_QUIET = 2


def named(name, **given):
    """A site whose id is its name."""
    return site(name, id=name, **given)


def stacked(*functions, size=100, **given):
    """A site whose stack is these functions, from the allocation outward; its id is their names."""
    frames = tuple(frame(name) for name in functions)
    return named("<".join(functions), frames=frames, **{"counts": counts(1, size), **given})


class Source:
    """Gives what `give` was last called with; raises `failure` once it is set."""

    def __init__(self, first=None):
        self.newest = first
        self.failure = None
        self.changed = threading.Condition()
        self.found = None
        self.text = None

    def give(self, newest):
        with self.changed:
            self.newest = newest
            self.changed.notify_all()

    def fail(self, failure):
        with self.changed:
            self.failure = failure
            self.changed.notify_all()

    def latest(self):
        return self.newest

    def after(self, seen, timeout):
        with self.changed:
            patience = min(timeout, _PATIENCE_S)
            self.changed.wait_for(lambda: self.failure or self.newest is not seen, patience)
            if self.failure:
                raise self.failure
            return None if self.newest is seen else self.newest

    def blocks(self, _site, last=20):
        return _made(self.found)

    def source(self, _site, _frame, around):
        return _made(self.text)


def _made(one):
    if isinstance(one, Exception):
        raise one
    return one


THREE = (
    named("big", counts=counts(1, 3000), oldest_at=9.0, growth=-5.0),
    named("mid", counts=counts(9, 2000), oldest_at=5.0, growth=9.0),
    named("low", counts=counts(5, 1000), oldest_at=1.0, growth=99.0),
)

WOOD = (
    stacked("alloc", "parse", "serve", "main", size=6000),
    stacked("alloc", "cache", "serve", "main", size=3000),
    stacked("copy", "log", "main", size=1000),
)
"""Stacks that make a tree: main calls serve and log, serve calls parse and cache."""


def screen(app):
    return [strip.text for strip in app.screen._compositor.render_strips()]


def size_of(app):
    """The cells of every line; an emoji takes two."""
    return [cell_len(row) for row in screen(app)]


def said(app):
    return "\n".join(screen(app))


def shows(app, words):
    """Do these words stand on the screen, however wide the gaps between them?"""
    return " ".join(words.split()) in " ".join(said(app).split())


def names(app):
    """The titles of all rows, without the module, which is the builders' one."""
    rows = app.table.rows
    return [re.sub(r" (\[app\]|app)$", "", rows.row(at).title) for at in range(app.table.count)]


def here(app):
    """The site under the cursor."""
    return app.site.at.id


async def settled(pilot: Any):
    """The newest picture is taken, the last request answered, and all of it on the screen."""
    app, quiet = pilot.app, 0
    for _ in range(_ROUNDS):
        await pilot._wait_for_screen()
        if app._exception is not None or app.return_code is not None:
            return
        waiting = app.asked is not None and (
            app.shown is None or app.shown.request is not app.asked
        )
        late = app.source.newest is not app.newest and app.source.failure is None
        screen = app.screen
        late = late or app._resize_timer is not None
        stale = screen._layout_required or screen._repaint_required or screen._dirty_widgets
        quiet = 0 if waiting or late or stale else quiet + 1
        if quiet > _QUIET:
            return
        screen._on_timer_update()
        if waiting or late:
            await asyncio.sleep(0.005)
    raise AssertionError("not settled within 5 s:\n" + said(app))


async def until(pilot, condition):
    for _ in range(500):
        await pilot.pause(0.01)
        if condition():
            await settled(pilot)
            return
    raise AssertionError("not so within 5 s:\n" + said(pilot.app))


async def ended(app):
    """Until the dashboard has left by itself."""
    for _ in range(500):
        if app.return_code is not None or app.failure is not None:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not leave within 5 s")


async def press(pilot, *keys):
    """Each key once what the one before has done is on the screen."""
    for key in keys:
        pilot.app.post_message(
            events.Key(key, _CHARACTERS.get(key, key if len(key) == 1 else None))
        )
        await settled(pilot)


async def write(pilot, text):
    """A text as it is typed."""
    for character in text:
        pilot.app.post_message(events.Key(_KEYS.get(character, character), character))
    await settled(pilot)


async def click(pilot, widget, x, y, times=1):
    await pilot.click(widget, offset=(x, y), times=times)
    await settled(pilot)


async def resize(pilot, width, height):
    await pilot.resize_terminal(width, height)
    await settled(pilot)


async def give(pilot, source, newest):
    source.give(newest)
    await settled(pilot)


def _remember(app):
    """What was asked for last is in `asked`."""
    ask, app.asked = app._builder.ask, None

    def asked(request):
        app.asked = request
        ask(request)

    app._builder.ask = asked


@asynccontextmanager
async def dashboard(source, size=(100, 30), glyphs=UNICODE, at_once=True, **options):
    """`at_once`: every picture is ordered anew, however soon it comes after another; else none."""
    app = Dashboard(source, Options(**options), glyphs)
    _remember(app)
    pause = 0 if at_once else 1_000_000
    with patch.multiple(composer, _PAUSE=pause, _PAUSE_OF_SITES=pause):
        async with app.run_test(size=size, notifications=True) as pilot:
            await settled(pilot)
            yield app, pilot


def play(scene, first=None, **given):
    """Run `scene(app, pilot, source)` on a dashboard that shows `first`; False: nothing yet."""

    async def main():
        source = Source(picture(*THREE) if first is None else first or None)
        async with dashboard(source, **given) as (app, pilot):
            await scene(app, pilot, source)

    asyncio.run(main())
