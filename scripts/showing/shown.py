"""The process that is measured: a dashboard on its terminal, and pictures that it is told to hand out.

Started with a socket and what to make (`Asked`, as JSON). Says on the socket, a line of JSON each, what
memory it has at each stage; then each line it is given is `next`, for another picture, or `count`, and
is answered. The only place here that knows `ebpftrace.tui`.
"""

import gc
import importlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, Tid
from ebpftrace.model.picture import Block, Picture, Site, SiteBlocks, SizeClass, SourceLines
from scripts.showing import synthetic
from scripts.showing.processes import resident_bytes, trim

# Longer than nothing comes in the idle phase: to say that a picture is late would be drawing.
_INTERVAL_S = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """`delay_ms` is slept in the main thread at each key, to see that it is seen."""

    sites: int
    scenario: str
    delay_ms: float = 0.0


class Told:
    """A PictureSource that goes on to the next of `made` when `advance` is called."""

    def __init__(self, made: tuple[Picture, ...]) -> None:
        self.taken = 0
        """Pictures that were handed out, the first included."""
        self._made = made
        self._number = 0
        self._newest = synthetic.given_at(made[0], 0)
        self._changed = threading.Condition()

    def advance(self) -> None:
        with self._changed:
            self._number += 1
            picture = self._made[self._number % len(self._made)]
            self._newest = synthetic.given_at(picture, self._number)
            self._changed.notify_all()

    def latest(self) -> Picture:
        return self._newest

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not seen, timeout)
            if self._newest is seen:
                return None
            self.taken += 1
            return self._newest

    def blocks(self, site: Site, last: int = 20) -> SiteBlocks | None:
        held = site.counts
        size = max(1, held.bytes // max(1, held.blocks))
        floor = 1 << (size.bit_length() - 1)
        young = (
            Block(Address(0x7F00_0000_0000 + number * size), size, float(number), Tid(4001))
            for number in range(min(last, held.blocks))
        )
        sizes = (SizeClass(floor, held.blocks, held.bytes),)
        return SiteBlocks(held.blocks, held.bytes, sizes, tuple(young))

    def source(self, _site: Site, frame: Frame, around: int) -> SourceLines | None:
        if frame.file is None or frame.line is None:
            return None
        first = max(1, frame.line - around)
        lines = (f"    buffer = take(pool, {n});" for n in range(first, frame.line + around + 1))
        return SourceLines(frame.file, first, tuple(lines))


def obey(source: Told, orders: TextIO, say: Callable[[Any], None]) -> None:
    """Until the other end closes."""
    for order in orders:
        if order.strip() == "next":
            source.advance()
        else:
            say({"taken": source.taken})


def plant(delay_s: float) -> None:
    """Have each key wait in the main thread, whatever the dashboard makes of it."""
    from textual import events
    from textual.app import App

    handle = App.on_event

    async def slowly(self: App[Any], event: events.Event) -> None:
        if isinstance(event, events.Key) and not event.is_forwarded:
            time.sleep(delay_s)  # the loop is to stand still
        await handle(self, event)

    App.on_event = slowly  # type: ignore[method-assign]


def main() -> None:
    wire = socket.socket(fileno=int(sys.argv[1]))
    asked = Asked(**json.loads(sys.argv[2]))
    orders, answers = wire.makefile("r"), wire.makefile("w")

    def say(what: Any) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    gc.disable()  # 7 s instead of 2 for 100,000 sites, and none of it is garbage
    source = Told(synthetic.pictures(asked.sites, synthetic.SCENARIOS[asked.scenario]))
    gc.collect()
    gc.freeze()
    gc.enable()
    trim()
    say({"pictures_bytes": resident_bytes()})
    importlib.import_module("textual.app")
    say({"textual_bytes": resident_bytes()})
    if asked.delay_ms:
        plant(asked.delay_ms / 1e3)
    threading.Thread(target=obey, args=(source, orders, say), daemon=True).start()

    from ebpftrace.tui.app import run
    from ebpftrace.tui.options import Options

    run(source, Options(interval=_INTERVAL_S))


if __name__ == "__main__":
    main()
