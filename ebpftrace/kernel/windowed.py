"""Probes that come for a moment and go again: those of births, while births are sampled.

For one thread, which may be another than the one that places all others: what is placed was made ready
before. Only by links, which come and go in milliseconds.
"""

import contextlib
import errno
import os
import time
from collections.abc import Sequence

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel.attach import request_for
from ebpftrace.kernel.backends import Placement
from ebpftrace.kernel.programs import Programs
from ebpftrace.kernel.worker import LIMIT_S, LOOK_S, Worker, WorkerGone
from ebpftrace.model.ids import Pid

_LOOK_EVERY_S, _LOOK_SHARE = 1.0, 0.02


class Looks:
    """When somebody has last looked whether a process is stuck, which placing would wait for."""

    def __init__(self) -> None:
        self._due = float("-inf")

    def due(self) -> bool:
        return time.monotonic() >= self._due

    def looked(self, began: float) -> None:
        """At most once a second, and for a fiftieth of the time."""
        now = time.monotonic()
        self._due = now + max(_LOOK_EVERY_S, (now - began) / _LOOK_SHARE)


class WindowProbes:
    """Of one address space. CannotAttach everywhere where the worker is silent or gone."""

    def __init__(
        self, worker: Worker, programs: Programs, placed: Sequence[Placement], process: Pid
    ) -> None:
        """Made on the thread that places others. The files stay open for as long as this is."""
        self._requests = [
            (
                request_for(placement, programs, process, process),
                [programs.uprobe(placement), os.dup(placement.file)],
            )
            for placement in placed
        ]
        self._channel = worker.channel()

    def look(self) -> None:
        """Before `place`: is no process stuck in the kernel?"""
        self._channel.ask({"do": "check"}, limit_s=LOOK_S)

    def place(self) -> None:
        """Ask for all of them; `placed` waits."""
        for request, files in self._requests:
            self._channel.say(request, files)

    def placed(self) -> None:
        """All have been, or the process has ended."""
        numbers = {self._channel.hear(LIMIT_S)["errno"] for _ in self._requests}
        if numbers - {0, errno.ESRCH}:
            words = ", ".join(os.strerror(number) for number in sorted(numbers) if number)
            raise CannotAttach(f"The probes of a window cannot be placed: {words}.")

    def remove(self) -> None:
        """Ask for their end; `removed` waits."""
        self._channel.say({"do": "remove"})

    def removed(self) -> None:
        self._channel.hear(LIMIT_S)

    def close(self) -> None:
        """Remove what is in place, behind our back."""
        self._channel.close()
        for _, (_, file) in self._requests:
            os.close(file)
        self._requests.clear()


def close_all(probes: Sequence[WindowProbes]) -> None:
    """At once: what one removal waits for, all others do as well."""
    with contextlib.suppress(WorkerGone, CannotAttach):
        for one in probes:
            one.remove()
        for one in probes:
            one.removed()
    for one in probes:
        one.close()
