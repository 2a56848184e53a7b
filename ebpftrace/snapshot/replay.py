"""Plays a recording of `--json` as if it happened now."""

import threading
import time
from dataclasses import replace

from ebpftrace.errors import UsageError
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Site, SiteBlocks, SourceLines
from ebpftrace.snapshot.lines import Lines
from ebpftrace.snapshot.recorded import GaveUp, NoJson, Reader, Recorded
from ebpftrace.snapshot.values import Unfit

_NEVER_BUSY_S = 0.02


class Replay:
    """A PictureSource that gives the pictures of `path` as far apart as they were taken, by `speed`.

    2.0 is twice as fast; with `math.inf` the next one is there as soon as somebody asks for it. None
    is left out, and one that is late is not caught up with. Times that go back or stand still are no
    wait. The last one is final; it is given again as such where the recording was cut.

    Sites come in order of rank and as far as --top: here they keep the order of the picture before,
    new ones last. One that is not in a picture is left out of it, for no line says what it holds, and
    is a new one when it comes back.

    What cannot be read is a UsageError, from here on: the first picture is read at once. The file is
    read as far as it was played.
    """

    def __init__(self, path: str, speed: float = 1.0) -> None:
        if not speed > 0:
            raise UsageError(f"A recording cannot be played at speed {speed}; it is more than 0.")
        self._path = path
        self._speed = speed
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._notes: list[str] = []
        self._order: list[str] = []
        self._left_out = 0
        self._reader = Reader(self._stopping.is_set)
        self._lines = Lines(path, self._stopping.is_set)
        try:
            first = self._read()
        except BaseException:
            self._lines.close()
            raise
        if first is None:
            self._lines.close()
            raise UsageError(f"{path} holds no whole picture. Record with ebpftrace attach --json.")
        self._upcoming: Picture | None = None
        self._latest = first
        self._given_at = time.monotonic()

    def __enter__(self) -> "Replay":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def latest(self) -> Picture:
        return self._latest

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        """See PictureSource. A call that waits ends within 0.05 s after `stop`."""
        if self._stopping.is_set():
            time.sleep(max(0.0, min(timeout, _NEVER_BUSY_S)))
            return None
        timeout = max(0.0, timeout)
        ends = time.monotonic() + timeout
        if not self._turn.acquire(timeout=timeout):
            return None
        try:
            if self._latest is seen:
                self._advance(ends)
        except GaveUp:
            return None
        finally:
            self._turn.release()
        return None if self._latest is seen else self._latest

    def blocks(self, _site: Site, _last: int = 20) -> SiteBlocks | None:
        """None: no line has them."""
        return None

    def source(self, _site: Site, frame: Frame, _around: int) -> SourceLines | None:
        """The one line that was recorded."""
        if frame.file is None or frame.line is None or frame.source is None:
            return None
        return SourceLines(frame.file, frame.line, (frame.source,))

    def notes(self) -> tuple[str, ...]:
        """Sentences on what the recording, as far as it was played, does not hold."""
        if not self._left_out:
            return tuple(self._notes)
        left_out = (
            f"Up to {self._left_out} sites of a picture were not recorded, and are counted in its "
            "totals only: --top 0 records all of them."
        )
        return (left_out, *self._notes)

    def stop(self) -> None:
        """From any thread: nothing more comes."""
        self._stopping.set()

    def close(self) -> None:
        """`stop`, and close the file."""
        self.stop()
        with self._turn:
            self._lines.close()

    def _advance(self, ends: float) -> None:
        """Let the next picture be the latest, if it is due before `ends`."""
        if self._latest.final:
            self._stopping.wait(max(0.0, ends - time.monotonic()))
            return
        if self._upcoming is None:
            self._upcoming = self._read()
        if self._upcoming is None:
            if not self._stopping.is_set():
                self._latest = replace(self._latest, final=True)
            return
        apart = (self._upcoming.since_attach_s - self._latest.since_attach_s) / self._speed
        due = self._given_at + apart
        if self._stopping.wait(max(0.0, min(due, ends) - time.monotonic())):
            return
        if due <= time.monotonic():
            self._latest, self._upcoming = self._upcoming, None
            self._given_at = time.monotonic()

    def _read(self) -> Picture | None:
        """The next picture of the file; None at its end, or when stopped."""
        line = self._lines.next()
        if line is None:
            if self._lines.cut:
                self._note_cut()
            return None
        try:
            recorded = self._reader.read(line)
        except NoJson as error:
            if self._lines.unended:
                self._note_cut()
                return None
            raise self._unfit(error) from error
        except Unfit as error:
            raise self._unfit(error) from error
        if recorded.picture.final and self._lines.more():
            self._notes.append(
                f"{self._path} goes on after the final picture in line {self._lines.number}; "
                "what follows, of another watch perhaps, is not shown."
            )
        return self._in_order(recorded)

    def _in_order(self, recorded: Recorded) -> Picture:
        self._left_out = max(self._left_out, recorded.left_out)
        left = {site.at.id: site for site in recorded.picture.sites}
        kept = [left.pop(name) for name in self._order if name in left]
        sites = (*kept, *left.values())
        self._order = [site.at.id for site in sites]
        return replace(recorded.picture, sites=sites)

    def _note_cut(self) -> None:
        self._notes.append(
            f"The end of {self._path} is missing, and its last line not whole. The picture before "
            "it is shown as the final one."
        )

    def _unfit(self, error: Unfit) -> UsageError:
        return UsageError(
            f"{self._path}, line {self._lines.number}, is no picture: {error}. "
            "Give a file that this version's ebpftrace attach --json wrote, as it was written."
        )
