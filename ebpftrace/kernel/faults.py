"""Page faults of processes: the events that bring them, and the map in which they are counted.

Owns which threads have an event. What a fault has become of, and how many bytes it stands for, is left to
`session.growing`.
"""

import contextlib
import errno
import logging
import mmap
import os
import resource
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from ebpftrace import shortage
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.host.explain import refusal
from ebpftrace.kernel import layout, syscalls
from ebpftrace.kernel.programs import Programs
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Pid, Slot, StackId, Tid

log = logging.getLogger(__name__)

_PATIENCE_S = 1.0
_SPARE_FILES = 64  # for all else that the tool opens later
_NO_SUCH = (errno.ESRCH,)


class Faults(NamedTuple):
    """How many there were under one stack since the begin, and where: of those since the last look a random choice."""

    slot: Slot
    stack: StackId
    process: Pid
    copied: bool
    """Of writes to pages that were mapped, and could only be read."""
    total: int
    addresses: tuple[int, ...]


class FaultEvents:
    """The events of one process; what its threads make later, threads and children, has inherited them."""

    def __init__(self) -> None:
        self._open: dict[Tid, int] = {}
        self._seen: set[Tid] = set()

    def __len__(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """End them, and all that were inherited from them."""
        for event in self._open.values():
            os.close(event)
        self._open.clear()

    def cover(self, program: int, threads: Callable[[], Sequence[Tid]]) -> None:
        """Open one for every thread there is. CannotAttach, TargetGone.

        A thread that is made meanwhile has one of its own or not, as its maker had. So all are listed
        again until there is no new one, or for a while; the kernel side counts a fault once where a thread has two.
        """
        until = time.monotonic() + _PATIENCE_S
        while new := [thread for thread in threads() if thread not in self._seen]:
            self._seen.update(new)
            _check_room(len(new))
            for thread in new:
                self._cover(program, thread)
            if time.monotonic() >= until:
                break
        if not self._open:
            raise TargetGone("The process ended while its page faults were about to be watched.")

    def _cover(self, program: int, thread: Tid) -> None:
        try:
            event = syscalls.open_page_faults(thread)
        except OSError as error:
            if error.errno in _NO_SUCH:
                return
            raise refusal(error, "event", "Page faults cannot be watched") from error
        self._open[thread] = event
        try:
            syscalls.set_program(event, program)
        except OSError as error:
            raise refusal(error, "program", "Page faults cannot be watched") from error


class FaultTable:
    """For one thread at a time."""

    def __init__(self, programs: Programs) -> None:
        """What it needs is there only where it was compiled with page faults."""
        self._programs = programs
        self._slots = Table(programs.map("fault_slots"), 4, 4)

    @cached_property
    def _counts(self) -> Table:
        return Table(self._programs.map("faults"), layout.FAULT_KEY.size, layout.FAULTS.size)

    def begin(self, process: Pid, slot: Slot) -> None:
        """Faults of `process` are those of `slot` from now on, once it has events."""
        # Where those go for which the map has no room: it must exist before that is full.
        self._counts.update(layout.FAULT_KEY.pack(0, slot, 0), bytes(layout.FAULTS.size))
        self._slots.update(struct.pack("<I", process), struct.pack("<I", slot))

    def forget_touched(self) -> None:
        """From now on every page is one that was not touched before."""
        with mmap.mmap(self._programs.map("touched"), layout.TOUCHED_BITS // 8) as bits:
            bits[:] = bytes(len(bits))

    def end(self, process: Pid) -> None:
        """They are nobody's."""
        self._slots.delete(struct.pack("<I", process))

    def heirs(self, slot: Slot) -> list[Pid]:
        """The children that have the events of `slot`, are not watched themselves, and have memory of their own."""
        wanted = slot | layout.FAULT_INHERITED
        found = []
        for keys, values in self._slots.batches():
            numbers = memoryview(keys).cast("B").cast("I"), memoryview(values).cast("B").cast("I")
            found += [Pid(pid) for pid, value in zip(*numbers, strict=True) if value == wanted]
        return found

    def events(self, threads: Callable[[], Sequence[Tid]]) -> FaultEvents:
        """Of a process with these threads. CannotAttach, TargetGone."""
        events = FaultEvents()
        try:
            events.cover(self._programs.faults(), threads)
        except BaseException:
            events.close()
            raise
        return events

    def read(self) -> Iterator[Faults]:
        """Of every stack that has met any."""
        unpack_key, unpack = layout.FAULT_KEY.unpack_from, layout.FAULTS.unpack_from
        key_size, size, kept = layout.FAULT_KEY.size, layout.FAULTS.size, layout.FAULT_ADDRESSES
        for keys, values in self._counts.batches():
            for number in range(len(keys) // key_size):
                stack, slot, process = unpack_key(keys, number * key_size)
                count, before, _, _, *addresses = unpack(values, number * size)
                if not count:
                    continue
                last = addresses[: min(kept, count - before)]
                copied = bool(process & layout.FAULT_COPIED)
                pid = Pid(process & ~layout.FAULT_COPIED)
                yield Faults(Slot(slot), StackId(stack), pid, copied, count, tuple(last))

    def forget_slot(self, slot: Slot) -> None:
        """Nothing is counted in it any more."""
        for faults in list(self.read()):
            if faults.slot == slot:
                self.forget(faults)

    def forget(self, faults: Faults) -> None:
        """Nothing is counted there any more: its stack is a ticket, or its process has ended."""
        with contextlib.suppress(OSError):
            process = faults.process | (layout.FAULT_COPIED if faults.copied else 0)
            self._counts.delete(layout.FAULT_KEY.pack(faults.stack, faults.slot, process))


def _check_room(wanted: int) -> None:
    """CannotAttach where this process may not open so many more files, before any is."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most == resource.RLIM_INFINITY:
        return
    have = len(os.listdir("/proc/self/fd"))
    if have + wanted + _SPARE_FILES > most:
        raise CannotAttach(
            f"To watch page faults takes a file for each of {wanted} threads. {shortage.open_files()}"
        )
