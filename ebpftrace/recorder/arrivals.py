"""Pictures as they come, for one who waits for descriptors."""

import os
import threading
from typing import Protocol

from ebpftrace.model.picture import Picture
from ebpftrace.threads import Thread

_PATIENCE_S = 3600.0


class Live(Protocol):
    """What is recorded: a Session."""

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        """The newest picture that is not `seen`; None if none came within `timeout` seconds."""

    def refresh(self, timeout: float) -> Picture | None:
        """A picture that is begun after this call, or the final one; None if none came in time."""

    def stop(self) -> Picture:
        """Stop counting; the final picture."""


class Arrivals:
    """A thread of its own waits for them. It ends with the final picture, or what the source raises."""

    def __init__(self, source: Live) -> None:
        self._source = source
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        """Readable when there is something new."""
        self._lock = threading.Lock()
        self._newest: Picture | None = None
        self._failure: BaseException | None = None
        self._closed = False
        Thread(self._run, "arrivals").start()

    def newest(self) -> Picture | None:
        """One that has come since the last call; raises what the source raised."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            picture, self._newest = self._newest, None
            if picture is not None:
                os.eventfd_read(self.descriptor)
            return picture

    def close(self) -> None:
        """Take no more of them."""
        with self._lock:
            self._closed = True
            os.close(self.descriptor)

    def _run(self) -> None:
        seen: Picture | None = None
        while seen is None or not seen.final:
            try:
                picture = self._source.after(seen, _PATIENCE_S)
            except BaseException as failure:  # noqa: BLE001 - raised again by who takes the pictures
                self._tell(None, failure)
                return
            if picture is not None:
                seen = picture
                if not self._tell(picture, None):
                    return

    def _tell(self, picture: Picture | None, failure: BaseException | None) -> bool:
        with self._lock:
            if not self._closed:
                self._newest, self._failure = picture, failure
                os.eventfd_write(self.descriptor, 1)
            return not self._closed
