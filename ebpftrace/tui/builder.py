"""The thread on which rows are made, so that a key never waits for them."""

from collections.abc import Callable

from ebpftrace.tui.composer import Composer, Request, Shown
from ebpftrace.tui.worker import Worker


class Builder(Worker):
    """Composes what was asked for last, and tells when it is there.

    A request that nobody has begun with is replaced.
    """

    def __init__(self, told: Callable[[], object]) -> None:
        super().__init__("builder", told)
        self.shown: Shown | None = None
        self._wanted: Request | None = None

    def ask(self, request: Request) -> None:
        """Have `request` composed; any thread may ask."""
        with self._changed:
            self._wanted = request
            self._changed.notify()

    def _work(self) -> None:
        composer = Composer()
        while (request := self._next()) is not None:
            self.shown = composer.compose(request)
            self._tell()

    def _next(self) -> Request | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._wanted is not None)
            request, self._wanted = self._wanted, None
            return None if self._stopping else request
