"""Plays scenes on the dashboard with Textual's pilot, and reads its screen as text."""

import asyncio
import threading
from contextlib import asynccontextmanager

from ebpftrace.tui.app import Dashboard, Options
from ebpftrace.tui.glyphs import UNICODE
from tests.unit.builders import counts, picture, site


def named(name, **given):
    """A site whose id is its name."""
    return site(name, id=name, **given)


class Source:
    """Gives what `give` was last called with; raises `failure` once it is set."""

    def __init__(self, first=None):
        self.newest = first
        self.failure = None
        self.changed = threading.Condition()

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
            self.changed.wait_for(lambda: self.failure or self.newest is not seen, timeout)
            if self.failure:
                raise self.failure
            return None if self.newest is seen else self.newest

    def blocks(self, _site, _last=20):
        return None

    def source(self, _site, _frame, _around):
        return None


THREE = (
    named("big", counts=counts(1, 3000), oldest_at=9.0, growth=-5.0),
    named("mid", counts=counts(9, 2000), oldest_at=5.0, growth=9.0),
    named("low", counts=counts(5, 1000), oldest_at=1.0, growth=99.0),
)


def screen(app):
    return [strip.text for strip in app.screen._compositor.render_strips()]


def said(app):
    return "\n".join(screen(app))


def names(app):
    return [one.at.frames[0].function for one in app.table.rows]


def here(app):
    return app.table.site.at.id


async def until(pilot, condition):
    for _ in range(500):
        await pilot.pause(0.01)
        if condition():
            return
    raise AssertionError("not so within 5 s:\n" + said(pilot.app))


@asynccontextmanager
async def dashboard(source, size=(100, 30), glyphs=UNICODE, **options):
    app = Dashboard(source, Options(**options), glyphs)
    async with app.run_test(size=size, notifications=True) as pilot:
        if source.newest is not None:
            await until(pilot, lambda: app.picture is source.newest)
        await pilot.pause()
        yield app, pilot


def play(scene, first=None, **given):
    """Run `scene(app, pilot, source)` on a dashboard that shows `first`."""

    async def main():
        source = Source(first if first is not None else picture(*THREE))
        async with dashboard(source, **given) as (app, pilot):
            await scene(app, pilot, source)

    asyncio.run(main())
