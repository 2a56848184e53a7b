"""The thread that waits for pictures, so that the screen never does."""

import threading
from collections.abc import Callable

from ebpftrace.model.picture import Picture
from ebpftrace.model.source import PictureSource

_LOOK_S = 0.2
_LEAVE_S = 2.0


class Feed:
    """Holds the newest picture and calls `arrived`, on its own thread, when it is another one.

    A picture that nobody took is replaced. Ends with the final picture, or with what the source
    raised, which is then in `failure`.
    """

    def __init__(self, source: PictureSource, arrived: Callable[[], object]) -> None:
        self.newest: Picture | None = None
        self.failure: BaseException | None = None
        self._source = source
        self._arrived = arrived
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """`arrived` is not called any more, unless the source does not come back from a call."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:  # noqa: BLE001  (raised again by whoever runs the dashboard)
            self.failure = error
            self._tell()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            picture = self._source.after(self.newest, _LOOK_S)
            if picture is None:
                continue
            self.newest = picture
            self._tell()
            if picture.final:
                return

    def _tell(self) -> None:
        if not self._stopping.is_set():
            self._arrived()
