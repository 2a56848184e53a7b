"""By what one target ended, in words: `status 3`, `SIGSEGV`, `SIGKILL, out of memory`."""

import signal

from ebpftrace.kernel.layout import EXIT_CODE, EXIT_OOM, EXIT_TOLD
from ebpftrace.target.ending import WaitStatus, wait_status
from ebpftrace.target.group_figures import killed_in, killed_on_host
from ebpftrace.target.memory_group import place_of
from ebpftrace.target.process import Process

_KILLED = WaitStatus(0, signal.SIGKILL)


class Ending:
    """Rests on what the kernel side saw when the threads ended, the choice of the OOM killer included.

    That says nothing without the kernel's types, from within a pid namespace, or where the ring was
    full. Then it rests on what /proc or the pidfd tell, and SIGKILL counts as out of memory where in
    the same memory group (without one: on this host) the kernel killed since the last look but one:
    it counts first, and to give back much memory takes the process a while.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._told = 0
        self._place = place_of(process.pid)
        self._last = self._last_but_one = self._count()

    def told(self, called: int) -> None:
        """Take the word of an EVENT_THREAD_EXIT; 0 says nothing."""
        if called & EXIT_TOLD:
            self._told = called

    @property
    def settled(self) -> bool:
        """Has the kernel side told how it ends, while its last threads may still be at it?"""
        return bool(self._told)

    def look(self) -> None:
        """Before each picture, while it lives; 10 us."""
        self._last_but_one, self._last = self._last, self._count()

    def words(self) -> str | None:
        """Once it has ended; None where nothing tells."""
        if self._told:
            status: WaitStatus | None = WaitStatus.of(self._told & EXIT_CODE)
            for_memory = bool(self._told & EXIT_OOM)
        else:
            status = wait_status(self._process)
            for_memory = status == _KILLED and self._count_went_up()
        if status is None:
            return None
        return f"{status}, out of memory" if status == _KILLED and for_memory else str(status)

    def _count_went_up(self) -> bool:
        before, now = self._last_but_one, self._count()
        return before is not None and now is not None and now > before

    def _count(self) -> int | None:
        return killed_on_host() if self._place is None else killed_in(self._place)
