"""Which namespaces we are in, and which kind of container they make."""

import os
from pathlib import Path

from ebpftrace.host import files, status
from ebpftrace.host.check import Check, note, ok

# The inode numbers of the first namespaces are part of the interface (include/linux/proc_ns.h).
_FIRST_USER, _FIRST_PID = 0xEFFFFFFD, 0xEFFFFFFC


def initial_user() -> bool | None:
    """Are we in the first user namespace, where capabilities count everywhere?"""
    number = files.inode("/proc/self/ns/user")
    return None if number is None else number == _FIRST_USER


def initial_pid(number: int | None, pids: tuple[int, ...]) -> bool | None:
    """Does this inode of /proc/self/ns/pid, with this NSpid, mean the first pid namespace?"""
    if len(pids) > 1:
        return False
    return None if number is None else number == _FIRST_PID


def own_pid() -> tuple[int, int] | None:
    """Device and inode of our pid namespace where it is not the first one, as the kernel wants them."""
    try:
        found = Path("/proc/self/ns/pid").stat()
    except OSError:
        return None
    return None if found.st_ino == _FIRST_PID else (found.st_dev, found.st_ino)


def container() -> str | None:
    """The kind of container that we run in, where it leaves its mark."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "Kubernetes"
    if Path("/.dockerenv").exists():
        return "Docker"
    if Path("/run/.containerenv").exists():
        return "Podman"
    return None


def privileged() -> str:
    """How this kind of container is given what tracing needs."""
    if container() == "Kubernetes":
        return "set privileged: true and hostPID: true in the pod"
    return "start it with --privileged --pid=host"


def check_pid() -> Check:
    """Without the pids of the host only the processes beside us can be named."""
    name = "pid namespace"
    first = initial_pid(files.inode("/proc/self/ns/pid"), status.of().pids)
    if first is None:
        return note(name, "not known: /proc/self/ns/pid cannot be read")
    if first:
        return ok(name, "the first one: every process can be named")
    return note(
        name,
        "one of its own, as in a container: only its processes can be named",
        f"To trace others from a container, {privileged()}.",
    )


def hint_about_pids() -> str:
    """A sentence for a pid that nobody has, where we may see only some; else nothing."""
    if initial_pid(files.inode("/proc/self/ns/pid"), status.of().pids) is not False:
        return ""
    return (
        "This is a pid namespace of its own, in which other processes have other pids or none; "
        f"to trace those from a container, {privileged()}."
    )
