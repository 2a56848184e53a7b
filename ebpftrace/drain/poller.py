"""The thread that listens to the ring buffer and draws a picture at every interval."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from ebpftrace.drain.polling import Polling
from ebpftrace.model.picture import Picture
from ebpftrace.threads import Thread

log = logging.getLogger(__name__)

_LISTEN_MS = 50
_REST_S = 0.1  # between two pictures that are asked for: ten a second would be 2 % of a processor


class Poller:
    """Calls `on_events` as events come, `on_idle` at least every 50 ms, `draw` at every interval.

    `listen` waits up to so many ms for events; `wake` ends that for good.

    Everything that touches the kernel side runs on this one thread between `start` and `stop`. An
    exception in it ends the watch and is raised again by `stop`.
    """

    def __init__(
        self,
        polling: Polling,
        first_interval: float,
        listen: Callable[[int], list[bytes]],
        wake: Callable[[], None],
        on_events: Callable[[Iterable[bytes]], None],
        on_idle: Callable[[], bool],
        draw: Callable[[bool], Picture],
    ) -> None:
        self._polling = polling
        self._first_interval = first_interval
        self._listen = listen
        self._wake = wake
        self._on_events = on_events
        self._on_idle = on_idle
        self._draw = draw
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._latest: Picture | None = None
        self._begun = self._drawn = self._wanted = 0
        """Numbers of pictures: the last one begun, the last one done, the one somebody waits for."""
        self._rested_at = 0.0
        self._failure: BaseException | None = None
        self._thread = Thread(self._run, "poller")

    def start(self) -> None:
        """Draw the first picture and go on from there."""
        self._publish(final=False)
        self._thread.start()

    def stop(self) -> None:
        """End the watch: the last picture is final. Raises what ended the thread, if it failed."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._wake()
        if self._thread.native_id is not None:
            self._thread.join()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def latest(self) -> Picture:
        """The newest picture; only after `start`."""
        assert self._latest is not None, "start() draws the first picture"
        return self._latest

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        """The newest picture that is not `seen`; None if none came within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._latest is not seen or self._failure, timeout)
            if self._failure is not None:
                raise self._failure
            return self._latest if self._latest is not seen else None

    def refresh(self, timeout: float) -> Picture | None:
        """A picture that is begun after this call, or the final one; None if none came in time.

        It is begun within 50 ms, unless another one has just been drawn: then there is a rest of
        0.1 s, or of as long as that one took.
        """
        with self._changed:
            number = self._wanted = self._begun + 1
            self._changed.wait_for(lambda: self._has(number) or self._failure, timeout)
            if self._failure is not None:
                raise self._failure
            return self._latest if self._has(number) else None

    def _has(self, number: int) -> bool:
        return self._drawn >= number or (self._latest is not None and self._latest.final)

    def _publish(self, *, final: bool) -> None:
        began, cpu = time.monotonic(), time.thread_time()
        with self._changed:
            self._begun += 1
        picture = self._draw(final)
        now = time.monotonic()
        self._polling.drew(time.thread_time() - cpu)
        self._rested_at = now + max(now - began, _REST_S)
        with self._changed:
            self._latest, self._drawn = picture, self._begun
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:
            log.debug("poller", exc_info=True)
            self._failure = error
            with self._changed:
                self._changed.notify_all()

    def _watch(self) -> None:
        due = time.monotonic() + self._first_interval
        going = True
        while going and not self._stopping.is_set():
            wait = min(_LISTEN_MS, max(1, int((due - time.monotonic()) * 1000)))
            self._on_events(self._listen(wait))
            going = self._on_idle()
            now = time.monotonic()
            if going and (now >= due or (self._wanted > self._begun and now >= self._rested_at)):
                self._publish(final=False)
                if now >= due:
                    # Late by more than one interval: skip, rather than draw in a row to catch up.
                    due = max(due + self._polling.every_s, time.monotonic())
        self._publish(final=True)
