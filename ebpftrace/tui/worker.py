"""What the dashboard's threads have in common: how they start, tell, fail and stop."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from ebpftrace.threads import Thread

_LEAVE_S = 2.0


class Worker(ABC):
    """A thread that works until it is stopped; what it raised is then in `failure`.

    `told` is called on it when there is something new, and when it has failed.
    """

    def __init__(self, name: str, told: Callable[[], object]) -> None:
        self.failure: BaseException | None = None
        self._told = told
        self._stopping = False
        self._changed = threading.Condition()
        """Held to change what the thread waits for, `_stopping` included."""
        self._thread = Thread(self._run, name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """`told` is not called any more, unless the work takes longer than anybody waits."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.native_id is not None:
            self._thread.join(_LEAVE_S)

    @abstractmethod
    def _work(self) -> None:
        """On the thread, until `_stopping`."""

    def _tell(self) -> None:
        if not self._stopping:
            self._told()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (raised again by whoever runs the dashboard)
            self.failure = error
            self._tell()
