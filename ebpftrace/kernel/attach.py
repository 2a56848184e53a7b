"""Attaching a probe plan by perf events: all of it, or nothing and a sentence."""

import errno
import logging
import os
from collections.abc import Callable

from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.host.explain import refusal
from ebpftrace.kernel import features, layout, syscalls
from ebpftrace.kernel.programs import Programs
from ebpftrace.model.ids import Slot, Tid
from ebpftrace.probes.families import FAMILIES, Role
from ebpftrace.probes.plan import Plan, Probe

log = logging.getLogger(__name__)

ENTRY_PROGRAMS: dict[Role, str] = {
    "birth": "enter_birth",
    "resize": "enter_resize",
    "death": "enter_free",
}
RETURN_PROGRAM = "leave"

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
    """The probes of one plan on one address space, through one of its threads."""

    def __init__(self, slot: Slot, thread: Tid) -> None:
        self.slot = slot
        self.thread = thread
        self.cookies: set[int] = set()
        self._descriptors: list[int] = []

    def __len__(self) -> int:
        return len(self._descriptors)

    def add(self, fd: int) -> None:
        """Take over a descriptor."""
        self._descriptors.append(fd)

    def close(self) -> None:
        """Remove the probes, births first; the kernel takes about 0.1 s for each."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def attach(programs: Programs, plan: Plan, slot: Slot, thread: Tid) -> Attachment:
    """Attach `plan` in its order (deaths, resizes, births) to the address space of `thread`.

    On any failure what was attached is removed again. CannotAttach says why; TargetGone that the
    thread ended.
    """
    events = features.uprobe_events()
    attachment = Attachment(slot, thread)
    bind = _by_cookie if features.attach_cookies() else _by_copy
    try:
        for probe in plan.probes:
            _attach_one(programs, probe, attachment, events, bind)
    except BaseException:
        attachment.close()
        programs.unload(attachment.cookies)
        raise
    log.debug("attached %d probes to thread %d, slot %d", len(plan.probes), thread, slot)
    return attachment


def _attach_one(
    programs: Programs,
    probe: Probe,
    attachment: Attachment,
    events: features.UprobeEvents,
    bind: Callable[[Programs, Probe, int, int], int | None],
) -> None:
    cookie = layout.cookie(
        attachment.slot,
        probe.function.shape.value,
        probe.function.id,
        FAMILIES.index(probe.family),
        zero_frees=probe.family.zero_realloc_frees,
        returns=probe.kind == "return",
    )
    attachment.cookies.add(cookie)
    path = probe.module.attach_path
    try:
        event = syscalls.open_uprobe(
            path,
            probe.offset,
            attachment.thread,
            events.type,
            events.return_bit if probe.kind == "return" else None,
        )
        attachment.add(event)
        link = bind(programs, probe, event, cookie)
        if link is not None:
            attachment.add(link)
    except OSError as error:
        where = f"{probe.function.name} in {probe.module.name}"
        if error.errno == errno.ESRCH:
            raise TargetGone(f"The process ended while {where} was being probed.") from error
        reason = _REASONS.get(error.errno or 0)
        if reason is None:
            raise refusal(error, "event", f"Cannot probe {where}") from error
        raise CannotAttach(f"Cannot probe {where}: {reason}.") from error


def _program(probe: Probe) -> str:
    return RETURN_PROGRAM if probe.kind == "return" else ENTRY_PROGRAMS[probe.function.role]


def _by_cookie(programs: Programs, probe: Probe, event: int, cookie: int) -> int:
    program = programs.load(_program(probe), syscalls.PROG_TYPE_KPROBE)
    return syscalls.link_program(event, program, cookie)


def _by_copy(programs: Programs, probe: Probe, event: int, cookie: int) -> None:
    program = programs.load(_program(probe), syscalls.PROG_TYPE_KPROBE, cookie)
    syscalls.set_program(event, program)
