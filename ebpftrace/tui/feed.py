"""The thread that waits for pictures, so that the screen never does."""

from collections.abc import Callable

from ebpftrace.model.picture import Picture
from ebpftrace.model.source import PictureSource
from ebpftrace.tui.worker import Worker

_LOOK_S = 0.2


class Feed(Worker):
    """Holds the newest picture, and tells when it is another one.

    A picture that nobody took is replaced. Ends with the final picture.
    """

    def __init__(self, source: PictureSource, told: Callable[[], object]) -> None:
        super().__init__("feed", told)
        self.newest: Picture | None = None
        self._source = source

    def _work(self) -> None:
        while not self._stopping:
            picture = self._source.after(self.newest, _LOOK_S)
            if picture is None:
                continue
            self.newest = picture
            self._tell()
            if picture.final:
                return
