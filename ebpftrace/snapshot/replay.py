"""Plays what was recorded as if it happened now: when pictures are given, not where they come from."""

import time
from collections.abc import Callable
from dataclasses import replace

from ebpftrace.errors import UsageError
from ebpftrace.snapshot.source import Refined, Source, Tape, as_it_is

NOTHING_WHOLE = (
    "{} holds no whole picture. Record with ebpftrace record, or with ebpftrace attach --json."
)


class Replay(Source):
    """Gives the pictures of a tape as far apart as they were taken, by `speed`.

    2.0 is twice as fast; with `math.inf` the next one is there as soon as somebody asks for it. None
    is left out, and one that is late is not caught up with. Times that go back or stand still are no
    wait. The last one is final; it is given again as such where the recording was cut.

    Lines of --json have sites in order of rank and as far as --top: here they keep the order of the
    picture before, new ones last. One that is not in a picture is left out of it, for no line says
    what it holds, and is a new one when it comes back.

    What cannot be read is a UsageError, from here on: the first picture is read at once. The rest is
    read as far as it was played.
    """

    is_played = True
    over = "the recording ends here; q leaves"

    def __init__(
        self,
        path: str,
        opened: Callable[[Callable[[], bool]], Tape],
        speed: float = 1.0,
        refined: Refined = as_it_is,
    ) -> None:
        """`path` is named in errors. `opened` is given what it may ask while it reads: whether nobody wants it any more."""
        super().__init__(refined)
        if not speed > 0:
            raise UsageError(f"A recording cannot be played at speed {speed}; it is more than 0.")
        self._speed = speed
        self._tape = opened(self._stopping.is_set)
        try:
            self._upcoming = self._tape.next()
            if self._upcoming is None:
                raise UsageError(NOTHING_WHOLE.format(path))
        except BaseException:
            self._tape.close()
            raise
        self._given_at = 0.0

    def notes(self) -> tuple[str, ...]:
        """Sentences on what the recording, as far as it was played, does not hold."""
        return (*self._tape.notes(), *self._said)

    def close(self) -> None:
        """`stop`, and close the file."""
        self.stop()
        with self._turn:
            self._tape.close()

    def _begin(self) -> None:
        if self._latest is None:
            self._give_upcoming()

    def _give_upcoming(self) -> None:
        given, self._upcoming = self._upcoming, None
        assert given is not None, "it is asked for only once it was read"
        self._give(given, final=given.picture.final)
        self._given_at = time.monotonic()

    def _advance(self, ends: float) -> None:
        latest = self.latest()
        if latest.final:
            self._stopping.wait(max(0.0, ends - time.monotonic()))
            return
        if self._upcoming is None:
            self._upcoming = self._tape.next()
        if self._upcoming is None:
            if not self._stopping.is_set():
                self._end()
            return
        apart = self._upcoming.picture.since_attach_s - latest.since_attach_s
        due = self._given_at + apart / self._speed
        if self._stopping.wait(max(0.0, min(due, ends) - time.monotonic())):
            return
        if due <= time.monotonic():
            self._give_upcoming()

    def _end(self) -> None:
        """Give the last one again, as the final one."""
        last = self._given[-1]
        self._latest = replace(last.picture, final=True)
        self._given.append(last._replace(picture=self._latest))
