"""The kernel side as one object: switches, slots, attachments, events, and what it costs."""

import contextlib
import ctypes
import mmap
import os
import struct
from collections.abc import Iterable, Sequence

from ebpftrace.host import namespaces
from ebpftrace.host.explain import refusal
from ebpftrace.kernel import calibration, fault_price, layout, syscalls
from ebpftrace.kernel.attach import Attachment, attach
from ebpftrace.kernel.backends import Backend, first_usable, of_loader, placements
from ebpftrace.kernel.callring import CallRing
from ebpftrace.kernel.compiler import Compiled
from ebpftrace.kernel.faults import FaultTable
from ebpftrace.kernel.prices import Prices
from ebpftrace.kernel.programs import Programs
from ebpftrace.kernel.ring import RingBuffer
from ebpftrace.kernel.rules import RuleTable
from ebpftrace.kernel.run_time import RunTime
from ebpftrace.kernel.sizes import MapSizes
from ebpftrace.kernel.switches import Switches
from ebpftrace.kernel.tables import Counters, Table, charged_bytes
from ebpftrace.kernel.windowed import WindowProbes
from ebpftrace.kernel.worker import Worker, WorkerGone
from ebpftrace.model.ids import Address, Pid, Slot, Tid
from ebpftrace.probes.mappings import Whose
from ebpftrace.probes.numbers import UNHELD
from ebpftrace.probes.plan import Probe
from ebpftrace.probes.ranges import merge
from ebpftrace.target.loader import Loader

_RAW_TRACEPOINTS = {
    "on_thread_exit": "sched_process_exit",
    "on_exec": "sched_process_exec",
    "on_new_task": "task_newtask",
}
_INDEX_0 = struct.pack("<I", 0)


class Tracer:
    """Loaded programs and their maps. For one thread at a time."""

    def __init__(
        self,
        compiled: Compiled,
        sizes: MapSizes,
        stack_depth: int,
        worker: Worker,
        wanted: Backend | None = None,
    ) -> None:
        """Takes over what was compiled for maps of these sizes, and `worker`, who places the
        probes. CannotAttach where the kernel refuses a program, or has not the `wanted` back end.
        """
        self.sizes = sizes
        self._programs = Programs(compiled, stack_depth, worker.kernel_function)
        self._worker = worker
        self.trial = worker.trial()
        self.backend = first_usable(wanted, self.trial.refused)
        self.prices: Prices | None = None
        self.run_time = RunTime(self._programs)
        self._bench = worker.channel()
        self.worker_pid = worker.pid
        self._states: dict[Slot, layout.SlotState] = {}
        table = self._programs.map
        self._slots = Table(table("slots"), 4, ctypes.sizeof(layout.SlotState))
        self._mapping_codes = Table(table("mapping_codes"), 4, ctypes.sizeof(layout.MappingCode))
        self._watched = Table(table("watched"), 4, 4)
        self.blocks = Table(table("blocks"), layout.BLOCK_KEY.size, layout.BLOCK.size)
        self.cohorts = Table(table("cohorts"), layout.COHORT_KEY.size, layout.COHORT.size)
        self.faults = FaultTable(self._programs)
        seen = Table(table("stacks_seen"), 8, 1)
        in_flight = Table(table("in_flight"), 4, ctypes.sizeof(layout.InFlight))
        self._counted = (self.blocks, self.cohorts, seen, in_flight)
        reported = Table(table("reported"), 8, 4)
        more_rules = Table(table("more_rules"), 8, 8)
        self.rules = RuleTable(table("rules"), sizes.rules, more_rules, reported)
        returns, exits, pids, faults = worker.kernel_offsets()
        self.knows_children = bool(exits if namespaces.own_pid() is None else pids)
        """Can the kernel side tell which process was forked off?"""
        self.knows_ends = bool(exits)
        """Does it tell the end of a thread from that of its process?"""
        self.follows = False
        """Is what a watched process forks off watched as well? To be set before any is."""
        offsets = (
            layout.ReturnOffsets(*returns),
            layout.ExitOffsets(*exits),
            layout.PidOffsets(*pids),
            layout.FaultOffsets(*faults),
        )
        self.switches = Switches(Table(table("control"), 4, ctypes.sizeof(layout.Control)), offsets)
        self._losses = Counters(table("losses"), layout.LOSS_COUNT)
        self._hits = Counters(table("hits"), 2 * layout.FUNCTIONS)
        self._ring = RingBuffer(table("events"), sizes.ring_pages * mmap.PAGESIZE)
        self._misses = RingBuffer(table("misses"), sizes.miss_pages * mmap.PAGESIZE)
        self._ring.wait_also_for(table("misses"))
        self.calls = CallRing(table("calls"), sizes) if sizes.trace_pages else None
        """Every call, where that was asked for; read by one thread, which may be another."""
        self._tracepoints = [self._open_tracepoint(*names) for names in _RAW_TRACEPOINTS.items()]

    def _open_tracepoint(self, program: str, tracepoint: str) -> int:
        fd = self._programs.tracepoint(program)
        try:
            return syscalls.open_raw_tracepoint(fd, tracepoint)
        except OSError as error:
            doing = f"Cannot attach to the raw tracepoint {tracepoint}, which tells of "
            doing += "threads that end, programs that are replaced and processes that fork"
            raise refusal(error, "tracepoint", doing) from error

    def load_faults_ahead(self) -> None:
        """Begin to load what `calibrate` with `faults` wants, while something else is done."""
        self._programs.load_faults_ahead()

    # --- switches ---------------------------------------------------------------------------------

    def calibrate(self, *, faults: bool = False) -> None:
        """Find the prices of probes, in 20 ms, before anything counts; None where it fails.

        `faults`: that of a page fault as well.
        """
        self.prepare_slot(calibration.SLOT, ())
        self._states[calibration.SLOT].live = 1
        self._store_slot(calibration.SLOT)
        self.switches.count(layout.CONTROL_ARMED | layout.CONTROL_COUNTING)
        try:
            self.prices = calibration.calibrate(
                self._bench,
                self._programs,
                self.backend,
                self.trial,
                self.rules,
                self.run_time,
                lambda: self.poll_events(0),
            )
            if faults:
                fault = fault_price.measure(
                    self._bench,
                    self.worker_pid,
                    self.faults,
                    self.rules,
                    self.run_time,
                    lambda: self.poll_events(0),
                )
                if self.prices is not None and fault is not None:
                    self.prices = self.prices.with_fault(*fault)
        finally:
            self.disarm()
            self.retire_slot(calibration.SLOT)
            self._forget_calibration()

    def end_calibration(self) -> None:
        """Remove its probes, behind our back: perf events take half a second.

        Meanwhile no other can be placed: do it when the targets have theirs.
        """
        with contextlib.suppress(WorkerGone):  # where it was not served: they stay to the end
            self._bench.say({"do": "release"})
        self._bench.close()

    def _forget_calibration(self) -> None:
        """What it left: cohorts, a stack in the ring, and losses where stacks are cut short."""
        keys = [
            bytes(keys[at : at + layout.COHORT_KEY.size])
            for keys, _ in self.cohorts.batches()
            for at in range(0, len(keys), layout.COHORT_KEY.size)
        ]
        for key in keys:
            self.cohorts.delete(key)
        self.poll_events(0)
        if self.calls is not None:
            self.calls.forget()
        self._losses.reset()

    def learn(self) -> None:
        """Let slots walk stacks, to hear of missing rules; nothing is counted."""
        self.switches.count(layout.CONTROL_LEARNING)

    def arm(self) -> None:
        """Let slots count births and deaths, by one store; epochs count from the first arming."""
        self._losses.reset()  # of what was not counted while it learned
        self.switches.start()
        self.switches.count(layout.CONTROL_ARMED | layout.CONTROL_COUNTING)

    def disarm(self) -> None:
        """Stop both, by one store; every map stays as it is."""
        self.switches.count(0)

    def begin_anew(self) -> None:
        """Forget all that was counted. No slot is live; what a call that is under way still adds is of none."""
        self.switches.begin_anew()
        for table in self._counted:
            table.clear()
        self.rules.forget_walks()
        self._losses.reset()

    @property
    def start_ns(self) -> int:
        """When it was armed for the first time (monotonic, ns)."""
        return self.switches.start_ns

    # --- slots and probes -------------------------------------------------------------------------

    def prepare_slot(
        self,
        slot: Slot,
        code: Iterable[tuple[Address, Address]],
        *,
        layered: bool = False,
        pools: bool = False,
    ) -> None:
        """Make room for `slot`; `code` and the rest as for `code_is_at`."""
        self._states[slot] = layout.SlotState()
        self.code_is_at(slot, code, layered=layered, pools=pools)
        # Where births go for which the cohort map has no room: it must exist before it is full.
        for scale in range(len(layout.SCALES)):
            key = layout.COHORT_KEY.pack(0, slot, scale << layout.SCALE_AT)
            self.cohorts.update(key, bytes(layout.COHORT.size))

    def code_is_at(
        self,
        slot: Slot,
        code: Iterable[tuple[Address, Address]],
        *,
        layered: bool,
        pools: bool = False,
    ) -> None:
        """`code` is the allocators' own, as mapped by now; `layered`: of more than one file.

        `pools`: those that the user named are probed.
        """
        state = self._states[slot]
        state.ranges, state.layered, state.pools = 0, layered, pools
        for index, (start, end) in enumerate(list(code)[: layout.CODE_RANGES]):
            state.code[index] = layout.CodeRange(start, end)
            state.ranges = index + 1
        self._store_slot(slot)

    def tell_mappings(
        self, slot: Slot, whose: Whose, allocators: Iterable[tuple[Address, Address]]
    ) -> None:
        """From when its probes count, tell what the program in `slot` maps for itself.

        `allocators`: their code, as mapped: what that maps is its own.
        """
        code = layout.MappingCode(break_at=whose.break_at or 0)
        for index, (start, end) in enumerate(
            merge([*whose.inner, *allocators], layout.CODE_RANGES)
        ):
            code.inner[index] = layout.CodeRange(start, end)
            code.ranges = index + 1
        if whose.threads is not None:
            code.threads = layout.CodeRange(*whose.threads)
        self._mapping_codes.update(struct.pack("<I", slot), bytes(code))

    def count_by(self, slot: Slot, attachment: Attachment) -> None:
        """From now on the probes of `attachment` count for `slot`, and no others, by one store.

        All of them are in place: where deaths were not probed yet, a block that is born and freed
        meanwhile would stay in the picture for ever.
        """
        state = self._states[slot]
        state.live, state.second = 1, attachment.second
        self._store_slot(slot)

    def retire_slot(self, slot: Slot) -> None:
        """Stop counting for `slot`, whatever probes still point to it."""
        self._states[slot] = layout.SlotState()
        self._store_slot(slot)
        self._mapping_codes.delete(struct.pack("<I", slot))

    def _store_slot(self, slot: Slot) -> None:
        self._slots.update(struct.pack("<I", slot), bytes(self._states[slot]))

    def watch(self, thread: int, slot: Slot, *, held: bool = False) -> None:
        """Ask for an event when this thread exits or this process execs or forks.

        `held`: it is stopped at each exec until it gets a SIGCONT.
        """
        value = slot | (layout.WATCH_HELD if held else 0)
        value |= layout.WATCH_FOLLOW if self.follows else 0
        self._watched.update(struct.pack("<I", thread), struct.pack("<I", value))

    def unwatch(self, thread: int) -> None:
        """Take `watch` back."""
        self._watched.delete(struct.pack("<I", thread))

    def attach(
        self,
        probes: Sequence[Probe],
        slot: Slot,
        process: Pid,
        thread: Tid,
        backend: Backend,
        *,
        second: bool = False,
        loader: Loader | None = None,
    ) -> Attachment:
        """Attach `probes` of a plan, in its order; all or nothing. See `kernel.attach`.

        With them the probe by which `loader` tells of libraries that come and go (EVENT_LOADED).
        """
        self._worker.check_locks()
        wanted = placements(probes, slot, backend, second=second)
        if loader is not None:
            module = loader.module
            wanted.append(of_loader(module.fd, loader.offset, module.name, backend))
        return attach(self._worker, self._programs, wanted, process, thread, backend, second=second)

    def in_windows(
        self, probes: Sequence[Probe], slot: Slot, process: Pid, made: Attachment
    ) -> WindowProbes:
        """`probes` ready to come and go, counted as those of `made` are."""
        placed = placements(probes, slot, made.backend, second=made.second)
        return WindowProbes(self._worker, self._programs, placed, process)

    def tell_of_libraries(self, loader: Loader, process: Pid) -> Attachment:
        """EVENT_LOADED whenever `loader` has mapped some, or is about to; `process` is held then."""
        self._worker.check_locks()
        module = loader.module
        place = of_loader(module.fd, loader.offset, module.name, self.backend)
        return attach(self._worker, self._programs, [place], process, Tid(process), place.backend)

    # --- readings ---------------------------------------------------------------------------------

    def poll_events(self, timeout_ms: int) -> list[bytes]:
        """Events that have come, waiting up to `timeout_ms` for the first one.

        The stack that a miss belongs to comes before it.
        """
        if timeout_ms > 0:
            self._ring.wait(timeout_ms)
        misses = self._misses.read()
        return [*self._ring.read(), *misses]

    def wake(self) -> None:
        """Let `poll_events` wait no longer, now and from now on."""
        self._ring.wake()

    def losses(self) -> list[int | None]:
        """Loss counts in the order of `enum loss`, hits that the kernel skipped included.

        Where the kernel does not tell of those (before 5.12) and no others are known they are None.
        """
        read = self._losses.read()
        counts: list[int | None] = [*read]
        missed = [syscalls.program_misses(fd) for fd in self._programs.loaded()]
        told = [count for count in missed if count is not None]
        others = read[layout.PROBE_MISSED]
        counts[layout.PROBE_MISSED] = sum(told, others) if told or others else None
        return counts

    def hits(self, functions: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Probe hits (entries, returns) of these since the start, by the number of the function; UNHELD too."""
        one, lost = self._hits.one, self._losses.one
        hits = {number: (one(2 * number), one(2 * number + 1)) for number in functions}
        hits[UNHELD] = lost(layout.UNRECORDED_FREE) + lost(layout.UNMATCHED_FREE), 0
        return hits

    @property
    def stack_depth(self) -> int:
        """Frames of a stack at most: what was asked for, or less where the kernel wants it so."""
        return self._programs.depth

    def memory_bytes(self) -> int:
        """What the kernel charges for all maps and programs."""
        return sum(charged_bytes(fd) for fd in self._programs.descriptors())

    def blind(self) -> bool:
        """Has the worker ended, and every probe with it?"""
        return self._worker.ended()

    def close(self) -> None:
        """Give back everything. Attachments are closed by who holds them, before."""
        for fd in self._tracepoints:
            os.close(fd)
        self._tracepoints.clear()
        self._ring.close()
        self._misses.close()
        if self.calls is not None:
            self.calls.close()
        self.rules.close()
        self.run_time.close()
        self._programs.close()
        self._bench.close()
        self._worker.close()
