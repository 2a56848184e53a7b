"""From the error of a system call to its cause on this host, and the way out.

`attach` and `doctor` both ask here, so that they say the same.
"""

import errno
import os
from dataclasses import dataclass
from typing import Literal

from ebpftrace import shortage
from ebpftrace.errors import HostRefuses
from ebpftrace.host import capabilities, files, limits, lockdown, namespaces, status

Call = Literal["map", "program", "event", "tracepoint", "pidfd", "fork"]
_SYSTEM_CALLS: dict[Call, str] = {
    "map": "bpf()",
    "program": "bpf()",
    "event": "perf_event_open()",
    "tracepoint": "bpf()",
    "pidfd": "pidfd_open()",
    "fork": "fork()",
}
_NOT_PERMITTED = (errno.EPERM, errno.EACCES)
_NO_BPF = ("this kernel was built without BPF", "a kernel with CONFIG_BPF_SYSCALL=y")
_NOT_BUILT: dict[Call, tuple[str, str]] = {
    "map": _NO_BPF,
    "program": _NO_BPF,
    "tracepoint": _NO_BPF,
    "event": ("this kernel was built without perf events", "a kernel with CONFIG_PERF_EVENTS=y"),
    "fork": ("this kernel forks no processes", "Linux"),
    "pidfd": ("this kernel has no pidfd_open(), which came with 5.3", "Linux 5.10 or newer"),
}
_LOG = "The kernel's log may say why: dmesg | tail."
_UNCONFINE = (
    "Run it unconfined, or permit it in that profile; the kernel's log names what was denied: "
    "dmesg | grep -i denied"
)
_SMALLER = "Give a smaller --max-blocks or --max-stacks."
_SMALLER_OR_MORE = (
    "Give a smaller --max-blocks or --max-stacks, or raise the memory limit of the container or "
    "service."
)
_NEWER = "Run Linux 5.10 or newer, on a kernel with CONFIG_BPF_EVENTS=y."


@dataclass(frozen=True, slots=True)
class Facts:
    """What of this host decides about such calls; the defaults are those of root on a bare host."""

    effective: int | None = None
    initial_user: bool | None = None
    seccomp: int | None = None
    lockdown: str | None = None
    locked_bytes: int | None = None
    confined: str | None = None
    """The label of a security module that confines this process."""
    open_files: int = 1024


def facts() -> Facts:
    """Those of now."""
    own = status.of()
    return Facts(
        own.effective,
        namespaces.initial_user(),
        own.seccomp,
        lockdown.mode(),
        limits.locked_bytes(),
        confinement(files.read("/proc/self/attr/current") or ""),
        limits.open_files(),
    )


def confinement(label: str) -> str | None:
    """The label (AppArmor's profile, SELinux's context) where it confines."""
    label = label.rstrip("\0")
    return label if label and not label.startswith(("unconfined", "kernel")) else None


def refusal(error: OSError | int, call: Call, doing: str) -> HostRefuses:
    """The error for the user: `doing` is the clause that names what cannot be done."""
    number = error if isinstance(error, int) else error.errno or 0
    return because(number, call, doing, facts())


def because(number: int, call: Call, doing: str, known: Facts) -> HostRefuses:
    """Pure: the refusal for this error number on a host of which this is known."""
    name = errno.errorcode.get(number, str(number))
    if number in _NOT_PERMITTED:
        reason, fix = _not_permitted(call, name, known)
    elif number == errno.ENOSYS:
        reason, fix = _not_there(call, known)
    else:
        reason, fix = _exhausted(number, call, known)
    return HostRefuses(f"{doing}: {reason}.", fix)


def _not_permitted(call: Call, name: str, known: Facts) -> tuple[str, str]:
    said = f"{_SYSTEM_CALLS[call]} gives {name}"
    absent = capabilities.missing(known.effective) if known.effective is not None else ()
    if absent:
        error = capabilities.lacks(absent)
        return f"{said}, because this process has not {', '.join(absent)}", error.fix
    if (
        call == "event"
        and known.effective is not None
        and capabilities.uprobes_want_more(known.effective)
    ):
        why = "because this kernel permits uprobes with CAP_SYS_ADMIN only"
        return f"{said}, {why}", capabilities.lacks(("CAP_SYS_ADMIN",)).fix
    if known.initial_user is False:
        error = capabilities.outside()
        return f"{said}, because this process is in a user namespace of its own", error.fix
    if known.seccomp == status.SECCOMP_FILTER:
        return _filtered(said)
    if known.locked_bytes is not None and call in ("map", "program"):
        return f"{said}, and {limits.locked_reason(known.locked_bytes)}", limits.RAISE_LOCKED
    if known.lockdown == lockdown.CONFIDENTIALITY:
        why = "and kernel lockdown is in confidentiality mode"
        return f"{said}, {why}", "Boot with lockdown=integrity, or without Secure Boot."
    if known.confined:
        why = "and a security module confines this process as"
        return f"{said}, {why} {known.confined}", _UNCONFINE
    return (
        f"{said} although the privileges are there",
        f"{_LOG} In a container, {namespaces.privileged()}.",
    )


def _filtered(said: str) -> tuple[str, str]:
    fix = (
        f"Run it outside of that filter: in a container, {namespaces.privileged()}, or with "
        "--security-opt seccomp=unconfined; in a systemd service, permit the call in "
        "SystemCallFilter=."
    )
    return f"{said}, and a seccomp filter is around ebpftrace", fix


def _not_there(call: Call, known: Facts) -> tuple[str, str]:
    said = f"{_SYSTEM_CALLS[call]} gives ENOSYS"
    if known.seccomp == status.SECCOMP_FILTER:
        return _filtered(said)
    reason, kernel = _NOT_BUILT[call]
    return f"{reason} ({said})", f"Run {kernel}."


def _no_more_processes(number: int) -> tuple[str, str]:
    if number == errno.ENOMEM:
        return "this host gives it no memory", shortage.MORE_MEMORY
    return "this host lets ebpftrace start no more processes", shortage.MORE_TASKS


def _exhausted(number: int, call: Call, known: Facts) -> tuple[str, str]:
    if number == errno.EMFILE:
        most = known.open_files
        return f"this process may not open more than {most} files", shortage.RAISE_FILES
    if number == errno.ENFILE:
        return "the host has no more open files to give", "Raise it: sysctl fs.file-max=1000000"
    if call == "fork" and number in (errno.EAGAIN, errno.ENOMEM):
        return _no_more_processes(number)
    if number == errno.ENOMEM:
        return "the kernel has no memory for it", _SMALLER_OR_MORE
    if call == "map" and number == errno.E2BIG:
        return "it is larger than the kernel allows", _SMALLER
    if call == "map" and number == errno.EINVAL:
        return "this kernel does not know its kind or its flags (EINVAL)", _NEWER
    name = errno.errorcode.get(number, str(number))
    return f"{_SYSTEM_CALLS[call]} gives {name} ({os.strerror(number)})", _LOG
