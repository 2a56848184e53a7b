"""Threads whose start ends in any case.

That of `threading.Thread` waits for ever for a thread that had no memory for its first step
(python/cpython#140746): a tool that could not be told to end, or probes that nobody removes.
"""

import _thread
import threading
from collections.abc import Callable

_BEGIN_S = 5.0
"""A host may be busy; then it is given up, and does nothing if it begins later."""


class Thread:
    """As one of `threading` that is a daemon: nobody waits for it at the interpreter's end."""

    def __init__(
        self, target: Callable[..., object], name: str, args: tuple[object, ...] = ()
    ) -> None:
        self.name = name
        self.native_id: int | None = None
        """The kernel's number; None before `start`."""
        self._target, self._args = target, args
        self._turn = threading.Lock()
        self._begun, self._over = threading.Event(), threading.Event()
        self._given_up = False

    def start(self) -> None:
        """RuntimeError, in the words of `threading`, where the host gives none."""
        _thread.start_new_thread(self._run, ())
        if self._begun.wait(_BEGIN_S):
            return
        with self._turn:
            self._given_up = not self._begun.is_set()
        if self._given_up:
            raise RuntimeError("can't start new thread")

    def is_alive(self) -> bool:
        return self._begun.is_set() and not self._over.is_set()

    def join(self, limit_s: float | None = None) -> None:
        """Wait for its end, `limit_s` seconds at most; at once where it has not begun."""
        if self._begun.is_set():
            self._over.wait(limit_s)

    def _run(self) -> None:
        with self._turn:
            if self._given_up:
                return
            self.native_id = threading.get_native_id()
            self._begun.set()
        try:
            self._target(*self._args)
        finally:
            self._over.set()
