"""What the kernel side looks at at every hit: whether it counts, and what. Each change is one store."""

import os
import struct
import threading

from ebpftrace import kerneltime
from ebpftrace.host import namespaces
from ebpftrace.kernel import layout
from ebpftrace.kernel.tables import Table

_INDEX_0 = struct.pack("<I", 0)
_SOON_NS = 200_000  # from when a window is stored to its begin, at least


Offsets = tuple[layout.ReturnOffsets, layout.ExitOffsets, layout.PidOffsets, layout.FaultOffsets]


class Switches:
    """The map `control`. From any thread; moments are monotonic, in ns."""

    def __init__(
        self,
        table: Table,
        offsets: Offsets,
    ) -> None:
        self._table = table
        # In a pid namespace of its own the kernel knows it by another number.
        owner = os.getpid() if namespaces.own_pid() is None else 0
        returns, exits, pids, faults = offsets
        self._value = layout.Control(
            returns=returns, exits=exits, pids=pids, faults=faults, owner=owner
        )
        self._lock = threading.Lock()
        self._counting = self._others = 0

    @property
    def start_ns(self) -> int:
        """When that was; 0 before."""
        return int(self._value.start)

    def count(self, flags: int) -> None:
        """CONTROL_ARMED and its like from now on, and no others of them."""
        with self._lock:
            self._counting = flags
            self._store()

    def start(self) -> None:
        """Epochs count from the first time that this is said."""
        with self._lock:
            self._value.start = self._value.start or kerneltime.now_ns()

    def begin_anew(self) -> None:
        """Nothing counts; epochs will count from the next `start`, and all births are recorded."""
        with self._lock:
            value = self._value
            value.start = value.open_epoch = value.scale = value.scale_before = 0
            value.window = value.window_end = 0
            self._counting = 0
            self._others &= layout.CONTROL_EXECS
            self._store()

    def tell_execs(self) -> None:
        """Ask for an event of every exec of this host, in slot 0."""
        with self._lock:
            self._others |= layout.CONTROL_EXECS
            self._store()

    def close_epochs_before(self, epoch: int) -> None:
        """From now on no birth goes to an epoch before `epoch`."""
        with self._lock:
            if epoch > self._value.open_epoch:
                self._value.open_epoch = epoch
                self._store()

    def looked_at_faults(self) -> None:
        """From now on the addresses that are kept are those of new page faults."""
        with self._lock:
            self._value.look = (self._value.look + 1) & 0xFFFFFFFF
            self._store()

    def drain(self, *, on: bool) -> int:
        """Record no births from now on, or again; deaths are. When that was."""
        with self._lock:
            self._others |= layout.CONTROL_DRAINED
            self._set(layout.CONTROL_DRAINING, on=on)
            self._store()
            return kerneltime.now_ns()

    def sample(self, scale: int) -> int:
        """Births from now on stand for `layout.SCALES[scale]` each, and are only recorded in windows;
        0: all are. When that was.
        """
        with self._lock:
            value, now = self._value, kerneltime.now_ns()
            value.scale_before, value.scale, value.scale_since = value.scale, scale, now
            value.window = value.window_end = 0
            if scale:
                self._others |= layout.CONTROL_DRAINED
            elif not value.start:  # what waited for a choice was born before the attach
                self._others &= ~layout.CONTROL_DRAINED
            self._set(layout.CONTROL_SAMPLING, on=scale > 0)
            self._store()
            return now

    def open_window(self, begin: int, length: int) -> tuple[int, int]:
        """Record the births of so many ns, from `begin` on or as soon as may be. [begin, end) of it.

        The one before is over.
        """
        with self._lock:
            begin = max(begin, kerneltime.now_ns() + _SOON_NS)
            self._value.window, self._value.window_end = begin, begin + length
            self._store()
            return begin, begin + length

    def close_window(self) -> None:
        """It is over: nobody has to look at the clock any more."""
        with self._lock:
            self._value.window = self._value.window_end = 0
            self._store()

    def _set(self, flag: int, *, on: bool) -> None:
        self._others = self._others | flag if on else self._others & ~flag

    def _store(self) -> None:
        self._value.flags = self._counting | self._others
        self._table.update(_INDEX_0, bytes(self._value))
