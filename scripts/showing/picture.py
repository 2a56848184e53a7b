"""Make the README's pictures of the dashboard out of a recording: scripts/picture."""

import argparse
import asyncio
import math
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from textual.pilot import Pilot

from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Site, SiteBlocks, SourceLines
from ebpftrace.snapshot.loading import pictures as recorded
from ebpftrace.tui.app import Dashboard
from ebpftrace.tui.glyphs import UNICODE
from ebpftrace.tui.options import Options
from scripts.bench.command import run
from scripts.showing.svg import drawn, texts

ROOT = Path(__file__).parents[2]
_RECORDINGS = ROOT / "tests/recordings"
_RECORDED = _RECORDINGS / "shop.jsonl.gz"
# The program says that its source is here.
_SOURCE_THERE = "/srv/shop/src/shop.cpp"
_SOURCE = _RECORDINGS / "shop.cpp"
_TITLE = "ebpftrace attach -p 4242"
# 120 columns are still to be read where the README is 900 pixels wide; more rows show the source, too.
_SIZE = (120, 46)
_MARKED_AT_S = 40.0
_MARK = "release"
_NEVER_LATE_S = 86_400.0
_PATIENCE_S = 30.0
_LOOK_S = 0.01


class Stepped:
    """A PictureSource that goes on when it is told to, with the source of the program that ran."""

    def __init__(self, first: Picture) -> None:
        self._newest = first
        self._changed = threading.Condition()

    def give(self, picture: Picture) -> None:
        with self._changed:
            self._newest = picture
            self._changed.notify_all()

    def latest(self) -> Picture:
        return self._newest

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not seen, timeout)
            return None if self._newest is seen else self._newest

    def blocks(self, _site: Site, _last: int = 20) -> SiteBlocks | None:
        """None: they were not recorded."""
        return None

    def source(self, _site: Site, frame: Frame, around: int) -> SourceLines | None:
        """What a watch on the machine of the program would have found."""
        if frame.file != _SOURCE_THERE or not frame.line:
            return None
        lines = _SOURCE.read_text().splitlines()
        first = max(1, frame.line - around)
        return SourceLines(frame.file, first, tuple(lines[first - 1 : frame.line + around]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/picture", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs", metavar="FOLDER")
    folder = parser.parse_args().output
    os.environ.pop("NO_COLOR", None)  # whose shell it is must not matter
    folder.mkdir(exist_ok=True)
    for name, svg in asyncio.run(pictures()).items():
        path = folder / name
        path.write_text(svg, encoding="utf-8")
        print(f"{path}: {len(texts(svg))} lines, {path.stat().st_size} bytes")
    return 0


async def pictures() -> dict[str, str]:
    """The SVGs by the name of their file: the last picture of a watch that still goes on."""
    watched = [picture for picture in _recorded() if not picture.final]
    source = Stepped(watched[0])
    app = Dashboard(source, Options(interval=_NEVER_LATE_S), UNICODE)
    async with app.run_test(size=_SIZE) as pilot:
        for picture in watched:
            source.give(picture)
            await _until(pilot, lambda: _shows(app, app.source.latest()))
            if not len(app.marks.names) and picture.since_attach_s > _MARKED_AT_S:
                await _mark(app, pilot)
        await pilot.press("o")  # the order must not depend on how fast it was played
        await _until(pilot, lambda: app.shown is not None and app.shown.request.anew > 0)
        await _until(pilot, lambda: "Source" in texts(_drawn(app)))
        sites = await _settled(app, pilot)
        await pilot.press("f")
        await _until(pilot, lambda: app.shown is not None and bool(app.shown.boxes))
        return {"dashboard.svg": sites, "flame.svg": await _settled(app, pilot)}


def _recorded() -> Iterator[Picture]:
    with recorded(str(_RECORDED), math.inf) as replay:
        picture: Picture | None = replay.latest()
        while picture is not None:
            yield picture
            picture = replay.after(picture, 0.0)


def _shows(app: Dashboard, picture: Picture) -> bool:
    return app.shown is not None and app.shown.request.picture is picture


async def _mark(app: Dashboard, pilot: Pilot[None]) -> None:
    """Set a mark as a user does, and show everything again."""
    await pilot.press("m", "ctrl+u", *_MARK, "enter")
    await _until(pilot, lambda: app.view.mark == _MARK)
    await pilot.press("escape")
    await _until(pilot, lambda: app.view.mark is None)


async def _until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(int(_PATIENCE_S / _LOOK_S)):
        if condition():
            return
        await pilot.pause(_LOOK_S)
    raise AssertionError(f"not on the screen after {_PATIENCE_S:.0f} s")


async def _settled(app: Dashboard, pilot: Pilot[None]) -> str:
    """The screen, once what is known is drawn."""
    await pilot.pause()
    return _drawn(app)


def _drawn(app: Dashboard) -> str:
    # As App.export_screenshot has it, whose colours and font cannot be chosen.
    strips = app.screen._compositor.render_strips()  # noqa: SLF001
    return drawn(strips, _TITLE)


if __name__ == "__main__":
    run("picture", main)
