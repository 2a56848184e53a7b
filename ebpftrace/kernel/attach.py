"""Placing probes: all that are wanted, or none and a sentence."""

import contextlib
import errno
import logging
from collections.abc import Sequence

from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.host.explain import refusal
from ebpftrace.kernel.backends import ATTACH_TYPES, Backend, Placement
from ebpftrace.kernel.programs import Programs
from ebpftrace.kernel.renewal import Renewal
from ebpftrace.kernel.worker import LIMIT_S, LOOK_S, Channel, Worker, WorkerGone, WorkerSilent
from ebpftrace.model.ids import Pid, Tid

log = logging.getLogger(__name__)

_REMOVAL_S = 0.5  # of one perf event; 0.1 where the kernel has nothing else to do
_REASONS = {
    errno.EINVAL: "the kernel refused the address: another tracer holds it with a reference "
    "counter (dmesg says ref_ctr_offset mismatch), or the file was changed in place. End the "
    "other tracer, or restart the target",
    errno.EBUSY: "another tool holds the perf events of this process. End it and try again",
    errno.ENOENT: "the mapped file is gone from under its descriptor. Try again",
    errno.ENODEV: "this kernel has no uprobe events (CONFIG_UPROBE_EVENTS)",
    errno.EOPNOTSUPP: "the kernel cannot place a probe on this instruction or file system",
    errno.EIO: "the file that is mapped cannot be read",
}


class Attachment:
    """The probes of one plan on one address space; the worker holds them.

    `thread`: whose end takes them along: the thread that perf events belong to, the leader for
    links. `second`: see `layout.cookie`. `renewal`: what links want after forks.
    """

    def __init__(
        self,
        worker: Worker,
        backend: Backend,
        process: Pid,
        thread: Tid,
        placed: Sequence[Placement],
        *,
        second: bool,
    ) -> None:
        """`placed` will be, through `channel`. CannotAttach without a worker."""
        self._worker = worker
        self.channel = worker.channel()
        self.renewal = None if backend == "perf" else Renewal(worker.channel, placed, process)
        self.backend = backend
        self.thread = thread
        self.placed = placed
        self.second = second
        self._beside: list[Attachment] = []

    def __len__(self) -> int:
        """The requests that it took, each of which takes the kernel a moment to undo."""
        return len(self.placed) + sum(map(len, self._beside))

    def take_in(self, other: "Attachment") -> None:
        """Be one with `other`, of the same address space and held in the same way, from now on."""
        self._beside.append(other)
        if self.renewal is not None:
            self.renewal.extend(other.placed)

    @property
    def cookies(self) -> frozenset[int]:
        return frozenset(cookie for placement in self.placed for cookie in placement.cookies)

    def close(self) -> None:
        """Remove the probes. At once with links; perf events take about 0.1 s each."""
        for other in self._beside:
            other.close()
        self._beside.clear()
        if not self.placed:
            self.channel.close()
            return
        if self.renewal is not None:
            self.renewal.close()
        with contextlib.suppress(WorkerGone):  # and every probe with it
            self._remove()
        self.channel.close()
        self.placed = ()

    def _remove(self) -> None:
        try:
            self.channel.ask({"do": "clear"}, limit_s=LOOK_S)
        except WorkerSilent:
            log.warning(
                "The probes count nothing any more, but stay where they are until %s is no longer "
                "stuck in the kernel: to remove them would keep every fork of this host waiting. "
                "Process %d removes them then; do not kill it.",
                self._worker.what_is_stuck(),
                self._worker.pid,
            )
            return
        try:
            limit = LIMIT_S + _REMOVAL_S * len(self.placed)
            self.channel.ask({"do": "remove"}, limit_s=limit)
        except WorkerSilent as error:
            log.warning("Probes were left to be removed by the kernel: %s", error)


def attach(
    worker: Worker,
    programs: Programs,
    wanted: Sequence[Placement],
    process: Pid,
    thread: Tid,
    backend: Backend,
    *,
    second: bool = False,
) -> Attachment:
    """Place what is `wanted`, in that order, for the address space of `process`.

    On any failure what was placed is removed again. CannotAttach says why; TargetGone that the
    process or, with perf events, the thread ended.
    """
    made = Attachment(worker, backend, process, thread, wanted, second=second)
    try:
        for placement in wanted:
            _place(made.channel, programs, placement, process, thread)
    except BaseException:
        made.close()
        programs.unload(made.cookies)
        raise
    log.debug("attached %d requests by %s, process %d", len(wanted), backend, process)
    return made


def request_for(
    placement: Placement, programs: Programs, process: int = 0, thread: int = 0
) -> dict[str, object]:
    """What the worker is told beside the descriptors; 0 stands for the worker itself."""
    return {
        "do": "place",
        "attach_type": ATTACH_TYPES[placement.backend],
        "returns": placement.returns,
        "offsets": placement.offsets,
        "cookies": placement.cookies,
        "cookies_are_known": programs.cookies_are_known,
        "process": process,
        "thread": thread,
    }


def _place(
    channel: Channel,
    programs: Programs,
    placement: Placement,
    process: Pid,
    thread: Tid,
) -> None:
    request = request_for(placement, programs, process, thread)
    files = [programs.uprobe(placement), placement.file]
    number = channel.ask(request, files)["errno"]
    if not number:
        return
    if number == errno.ESRCH:
        raise TargetGone(f"The process ended while {placement.names} was being probed.")
    reason = _REASONS.get(number)
    if reason is None:
        raise refusal(number, "event", f"Cannot probe {placement.names}")
    raise CannotAttach(f"Cannot probe {placement.names}: {reason}.")
