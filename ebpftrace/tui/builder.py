"""The thread on which rows are made, so that a key never waits for them."""

import threading
from collections.abc import Callable

from ebpftrace.tui.composer import Composer, Request, Shown

_LEAVE_S = 2.0


class Builder:
    """Composes what was asked for last and calls `ready`, on its own thread, when it is there.

    A request that nobody has begun with is replaced. What composing raised is in `failure`.
    """

    def __init__(self, ready: Callable[[], object]) -> None:
        self.shown: Shown | None = None
        self.failure: BaseException | None = None
        self._ready = ready
        self._wanted: Request | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="builder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Have `request` composed; any thread may ask."""
        with self._changed:
            self._wanted = request
            self._changed.notify()

    def stop(self) -> None:
        """`ready` is not called any more, unless composing takes longer than anybody waits."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        composer = Composer()
        try:
            while (request := self._next()) is not None:
                self.shown = composer.compose(request)
                self._tell()
        except BaseException as error:  # noqa: BLE001  (raised again by whoever runs the dashboard)
            self.failure = error
            self._tell()

    def _next(self) -> Request | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._wanted is not None)
            request, self._wanted = self._wanted, None
            return None if self._stopping else request

    def _tell(self) -> None:
        if not self._stopping:
            self._ready()
