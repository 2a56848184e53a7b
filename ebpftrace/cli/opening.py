"""A Session that is a PictureSource before it is there: a thread of its own opens it.

So the screen comes first, and what attaching has to say, its failure included, comes through the
screen's own ways: words of what is being done, notes, an exception out of `after`.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ebpftrace.model import modes
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Point, Site, SiteBlocks, SourceLines
from ebpftrace.model.snapshot import Snapshot, Trigger
from ebpftrace.threads import Thread

if TYPE_CHECKING:
    from ebpftrace.session.session import Session

log = logging.getLogger(__name__)

Told = Callable[[str], None]

_ASKED = Trigger("asked", "It was asked for in the dashboard.")
_SCREEN_S = 0.5  # a view that has not asked for a picture by then may never do so


class _GivenUp(Exception):
    """Nobody wants the session any more; it undoes what it has done so far."""


class Opening:
    """See the module; `close` it in any case, which also closes what `opened` was given.

    `doing`: what is done now, in a few words.
    """

    def __init__(
        self, who: str, opened: Callable[[Told, Told], "Session"], interrupt: Callable[[], None]
    ) -> None:
        """`opened`, on the thread: opens it, tells `warn` and `step` as `Session.open` does.

        `interrupt` ends what may keep it from telling the next step. The thread leaves the processor
        to the first screen, as long as the compiler needs more time than that anyway.
        """
        self._who = who
        self._opened = opened
        self._interrupt = interrupt
        self.doing = self._words("compiling")
        self._warnings: list[str] = []
        self._session: Session | None = None
        self._failure: BaseException | None = None
        self._leaving = False
        self._watched = threading.Event()
        self._changed = threading.Condition()
        self._thread = Thread(self._run, "opening")
        self._thread.start()

    @property
    def session(self) -> "Session | None":
        """Once it is there."""
        return self._session

    # --- PictureSource ----------------------------------------------------------------------------

    def latest(self) -> Picture:
        """The newest picture; only after `after` gave one."""
        assert self._session is not None, "after() gives the first picture"
        return self._session.latest()

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        """As of a Session; raises what opening it raised."""
        self._watched.set()
        if self._session is None:
            with self._changed:
                self._changed.wait_for(lambda: self._session or self._failure, timeout)
            if self._failure is not None:
                raise self._failure
        return self._session.after(seen, timeout) if self._session is not None else None

    def blocks(self, site: Site, last: int = 20) -> SiteBlocks | None:
        """As of a Session."""
        return self._session.blocks(site, last) if self._session is not None else None

    def source(self, site: Site, frame: Frame, around: int) -> SourceLines | None:
        """As of a Session."""
        return self._session.source(site, frame, around) if self._session is not None else None

    def snapshot(self, picture: Picture, history: Sequence[Point]) -> Snapshot | None:
        """One of `picture`, with what is known of the processes now; None before there is a session."""
        if self._session is None:
            return None
        from ebpftrace.session.taking import taken

        return taken(self._session, picture, _ASKED, history)

    def drain(self, *, on: bool) -> None:
        """As of a Session; nothing without one."""
        if self._session is not None:
            self._session.drain(on=on)

    def want(self, mode: modes.Wanted, budget_percent: float | None) -> None:
        """As of a Session; nothing without one."""
        if self._session is not None:
            self._session.want(mode, budget_percent)

    def wanted(self) -> tuple[modes.Wanted, float | None] | None:
        """As of a Session; None without one."""
        return None if self._session is None else self._session.wanted()

    def notes(self) -> tuple[str, ...]:
        """Sentences for the user: who is not traced, and what the plans leave out."""
        more = self._session.notes() if self._session is not None else ()
        return (*self._warnings, *more)

    # --- ending -----------------------------------------------------------------------------------

    def stop(self) -> Picture | None:
        """The final picture; None where there was no session yet: then there will be none."""
        self._give_up()
        return self._session.stop() if self._session is not None else None

    def slow_probes(self) -> int:
        """As of a Session; 0 without one."""
        return self._session.slow_probes() if self._session is not None else 0

    def close(self) -> None:
        """Remove every probe and map, also of a session that is opened just now."""
        self._give_up()
        if self._session is not None:
            self._session.close()

    def _give_up(self) -> None:
        self._leaving = True
        self._watched.set()
        if self._thread.is_alive():
            self._interrupt()
            self._thread.join()

    # --- on the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        self._watched.wait(_SCREEN_S)
        session: Session | None = None
        failure: BaseException | None = None
        try:
            session = self._opened(self._warnings.append, self._step)
        except BaseException as error:  # raised again by `after`
            failure = error
            log.debug("opening", exc_info=True)
        with self._changed:
            self._session, self._failure = session, failure
            self._changed.notify_all()

    def _step(self, words: str) -> None:
        if self._leaving:
            raise _GivenUp
        self.doing = self._words(words)

    def _words(self, words: str) -> str:
        return f"attaching to {self._who}: {words}"
