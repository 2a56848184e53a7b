"""When `attach` and `open` show the dashboard, and what is around it: limits, the log, the last words.

`ebpftrace.tui` is imported by `show` and `load` only: no other path may pay for Textual.
"""

import importlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ebpftrace.analysis import wording
from ebpftrace.analysis.selection import Selection
from ebpftrace.cli.common import note
from ebpftrace.cli.log import log_held_back
from ebpftrace.cli.saving import save
from ebpftrace.cli.streams import mute
from ebpftrace.cli.watch import Limits, Stopping, StopSignals
from ebpftrace.collector import collector_paused
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Point, Site, SiteBlocks, SourceLines
from ebpftrace.model.source import PictureSource

if TYPE_CHECKING:
    from ebpftrace.cli.opening import Opening
    from ebpftrace.model.snapshot import Snapshot
    from ebpftrace.snapshot.source import Source
    from ebpftrace.tui.options import Options


def possible() -> bool:
    """Is there a terminal that can show it? A note where only stderr is none: it is drawn there."""
    if os.environ.get("TERM", "dumb") in {"", "dumb"}:
        return False
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if not sys.stderr.isatty():
        note("stderr is no terminal, and the dashboard is drawn there: a text report instead.")
        return False
    return True


def load() -> None:
    """Import Textual, which takes 150 ms, while the compiler runs."""
    with collector_paused():  # a tenth less
        importlib.import_module("ebpftrace.tui.app")


def show(
    opening: "Opening",
    chosen: Selection,
    interval: float,
    limits: Limits,
    signals: Stopping,
    worth: Callable[[Picture], bool],
) -> bool:
    """The dashboard until the user or a limit ends it; whether every target had ended by then.

    What was to be told meanwhile comes after it. Raises what opening the session raised.
    """
    from ebpftrace.tui.options import Controls, Options

    source = _Counted(opening, worth)

    def stopped() -> bool:
        return (
            signals.stopped
            or (limits.duration is not None and source.seconds >= limits.duration)
            or (limits.count is not None and source.count >= limits.count)
        )

    options = Options(
        *(chosen, interval, opening.notes, lambda: opening.doing, stopped),
        save=lambda picture, points: save(opening.snapshot, picture, points, Path()),
        controls=Controls(lambda on: opening.drain(on=on), opening.want, opening.wanted),
    )
    last = _on_screen(source, options, opening.notes)
    final = opening.stop()
    if final is None:
        note("left before the first picture")
    else:
        note(f"tracked {wording.tracked(final)}; {wording.lost(final.losses)}")
    return last is not None and last.final


def show_recorded(source: "Source", chosen: Selection, signals: StopSignals) -> None:
    """The dashboard on what was recorded, until the user leaves; what there is to tell comes after."""
    _on_screen(source, recorded_options(source, chosen, signals), source.notes)


def recorded_options(source: "Source", chosen: Selection, signals: StopSignals) -> "Options":
    """With which it shows what was recorded: none is late, and what is saved is as it was read."""
    from ebpftrace.tui.options import Options, Recorded

    def recorded(picture: Picture) -> Recorded:
        snapshot = source.snapshot(picture)
        if snapshot is None:
            return Recorded("")
        host = snapshot.host.name if snapshot.host is not None else None
        about = snapshot.trigger.sentence, host, snapshot.watch, snapshot.history
        return Recorded(*about, source.over)

    def again(picture: Picture, _points: Sequence[Point]) -> "Snapshot | None":
        return source.snapshot(picture)

    def notes() -> tuple[str, ...]:
        given = source.given
        return (*(_origin(given) if given is not None else ()), *source.notes())

    return Options(
        *(chosen, math.inf, notes, lambda: source.doing, lambda: signals.stopped),
        recorded=recorded,
        save=lambda picture, points: save(again, picture, points, Path()),
    )


def _origin(snapshot: "Snapshot") -> Iterator[str]:
    """In full what the first line of the screen may have no room for."""
    if snapshot.trigger.sentence:
        yield snapshot.trigger.sentence
    if snapshot.host is not None:
        host = snapshot.host
        yield f"on {host.name}, {host.distribution}, Linux {host.kernel} {host.machine}"
    if snapshot.tool:
        yield f"by {snapshot.tool}"
    yield from snapshot.notes


def _on_screen(
    source: PictureSource, options: "Options", notes: Callable[[], tuple[str, ...]]
) -> Picture | None:
    """Until it is left; the last picture. `notes` come after it."""
    from ebpftrace.tui.app import run

    try:
        with log_held_back():
            last, terminal_gone = run(source, options)
            if terminal_gone:
                # A note that nobody reads would keep us from removing the probes.
                mute(sys.stdout, sys.stderr)
    finally:
        for sentence in notes():
            note(sentence)
    return last


class _Counted:
    """A PictureSource that counts the pictures it hands out, and the time since the first one."""

    def __init__(self, source: PictureSource, worth: Callable[[Picture], bool]) -> None:
        self.count = 0
        self._since: float | None = None
        self._source = source
        self._worth = worth

    @property
    def seconds(self) -> float:
        return 0.0 if self._since is None else time.monotonic() - self._since

    def latest(self) -> Picture:
        return self._source.latest()

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        picture = self._source.after(seen, timeout)
        if picture is not None and self._since is None:
            self._since = time.monotonic()
        if picture is not None and self._worth(picture):
            self.count += 1
        return picture

    def blocks(self, site: Site, last: int = 20) -> SiteBlocks | None:
        return self._source.blocks(site, last)

    def source(self, site: Site, frame: Frame, around: int) -> SourceLines | None:
        return self._source.source(site, frame, around)
