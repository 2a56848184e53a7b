"""Our own machine code with probes on it, and counters of their hits: what trials are made on."""

import errno
import os
import statistics
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from ebpftrace.kernel import features, syscalls
from ebpftrace.kernel.instructions import instruction
from ebpftrace.kernel.tables import Table
from ebpftrace.kernel.testbed import Testbed
from ebpftrace.threads import Thread

SLOTS = 16

_BARE = 1  # the function that has no probe
_MULTI = syscalls.ATTACH_TYPE_UPROBE_MULTI
_MAP_TYPE_ARRAY = 2
_ROUNDS, _CALLS = 5, 200


class Bench:
    """The code, the counters and the probes of one trial."""

    def __init__(self) -> None:
        with ExitStack() as undo:
            self.bed = undo.enter_context(Testbed())
            counters = syscalls.create_map(_MAP_TYPE_ARRAY, 4, 8 * SLOTS, 1, 0)
            undo.pop_all()
        self._counters = Table(counters, 4, 8 * SLOTS)
        self._probes: list[int] = []

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *unused: object) -> None:
        # Each takes a grace period or two; those of several threads are the same ones.
        with ExitStack() as closing:
            for fd in self._probes:
                try:
                    closing.enter_context(beside(partial(os.close, fd)))
                except OSError:  # there can be no more threads
                    os.close(fd)
        os.close(self._counters.fd)
        self.bed.close()

    def counting(self, slot: int, answer: int = 0) -> bytes:
        """A program that adds 1 to a counter and returns `answer`."""
        return (
            instruction(0x18, 1 | 2 << 4, 0, self._counters.fd)  # r1 = the value in the map
            + instruction(0)
            + instruction(0xB7, 2, 0, 1)
            + instruction(0xDB, 1 | 2 << 4, 8 * slot)  # lock *(u64 *)(r1 + 8 * slot) += r2
            + instruction(0xB4, 0, 0, answer)
            + instruction(0x95)
        )

    def count(self, slot: int) -> int:
        """What a counter says."""
        values = self._counters.lookup(bytes(4))
        return int(struct.unpack_from("<Q", values, 8 * slot)[0]) if values else 0

    def event(
        self, function: int, code: bytes, *, within: int = 0, returns: bool = False, thread: int = 0
    ) -> None:
        """A probe by a perf event, on this process unless told otherwise."""
        events = features.uprobe_events()
        bit = events.return_bit if returns else None
        where = self.bed.function(function) + within
        event = syscalls.open_uprobe(self.bed.path, where, thread or os.getpid(), events.type, bit)
        self._probes.append(event)
        with _program(code, 0) as program:
            syscalls.set_program(event, program)

    def link(
        self,
        function: int,
        code: bytes,
        kind: int = _MULTI,
        *,
        returns: bool = False,
        process: int | None = None,
    ) -> None:
        """A probe by a link of many uprobes, on this process unless told otherwise."""
        watched = os.getpid() if process is None else process
        where = [self.bed.function(function)]
        with _program(code, kind) as program:
            self._probes.append(
                syscalls.link_uprobes(
                    program, self.bed.path, where, [0], watched, kind, returns=returns
                )
            )

    def run(self, function: int, calls: int) -> int:
        """Call a function so often; ns of CPU time."""
        return self.bed.run(self.bed.function(function), calls, 0)

    def hit_ns(self, function: int, calls: int = _CALLS) -> float:
        """What the probes on a function cost a call: the median of a few rounds."""
        with_probe = statistics.median(self.run(function, calls) for _ in range(_ROUNDS))
        bare = statistics.median(self.run(_BARE, calls) for _ in range(_ROUNDS))
        return round((with_probe - bare) / calls, 1)


@contextmanager
def _program(code: bytes, attach_type: int) -> Iterator[int]:
    """A loaded program; what it is attached to keeps it."""
    kind = syscalls.PROG_TYPE_KPROBE
    program = syscalls.load_program(kind, code, "probe_trial", attach_type=attach_type)
    try:
        yield program
    finally:
        os.close(program)


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Do `work` in a thread of its own while the block runs; OSError where there can be none.

    The thread has ended when the block is left.
    """
    thread = Thread(work, "beside")
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
    try:
        yield
    finally:
        thread.join()
