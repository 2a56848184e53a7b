"""May this process trace at all? Asked before anything is compiled or opened."""

from ebpftrace.errors import HostRefuses
from ebpftrace.host import namespaces, status
from ebpftrace.host.check import Check, note, ok, refused

_NEEDED = {
    19: "CAP_SYS_PTRACE",
    38: "CAP_PERFMON",
    39: "CAP_BPF",
}
_DAC_READ_SEARCH, _SYS_ADMIN, SYS_RESOURCE, _CHECKPOINT_RESTORE = 2, 21, 24, 40


def missing(effective: int) -> tuple[str, ...]:
    """Names of the capabilities that tracing needs and `effective` has not.

    BPF and perf events need CAP_BPF and CAP_PERFMON (5.8), other users' processes CAP_SYS_PTRACE.
    CAP_SYS_ADMIN replaces all, and most kernels want it for uprobes of perf events, which is found by
    trying (`kernel.trials`).
    """
    if effective >> _SYS_ADMIN & 1:
        return ()
    return tuple(name for bit, name in _NEEDED.items() if not effective >> bit & 1)


def opens_by_path(effective: int) -> tuple[str, ...]:
    """What `effective` lacks to open deleted files of other users' processes.

    /proc/PID/map_files is its owner's, and needs CAP_CHECKPOINT_RESTORE (5.9) or CAP_SYS_ADMIN besides.
    """
    absent = []
    if not effective >> _DAC_READ_SEARCH & 1:
        absent.append("CAP_DAC_READ_SEARCH")
    if not (effective >> _CHECKPOINT_RESTORE | effective >> _SYS_ADMIN) & 1:
        absent.append("CAP_CHECKPOINT_RESTORE")
    return tuple(absent)


def lacks(names: tuple[str, ...]) -> HostRefuses:
    """The refusal for want of these capabilities."""
    return HostRefuses(
        f"Tracing another process needs root, and this process has not {', '.join(names)}.",
        f"Run it with sudo, or grant {'it' if len(names) == 1 else 'them'}; in a container, "
        f"{namespaces.privileged()}.",
    )


def uprobes_want_more(effective: int) -> bool:
    """Is CAP_SYS_ADMIN missing, without which uprobes are refused with EACCES?

    CAP_PERFMON was enough from 5.8 until ba677dbe77af (6.16, July 2025), which went into every stable
    series: of Debian's kernels 6.1, 6.12 and 6.18 refuse.
    """
    return not effective >> _SYS_ADMIN & 1


def outside() -> HostRefuses:
    """The refusal for root of a user namespace; bpf_capable() asks the first one only."""
    return HostRefuses(
        "This process is in a user namespace of its own, as in a rootless container, and being "
        "root there permits neither BPF nor uprobes.",
        "Run it with sudo outside of that namespace, or start the container as root with "
        "--privileged.",
    )


def require() -> None:
    """HostRefuses without CAP_SYS_ADMIN or the three capabilities that replace it."""
    effective = status.of().effective
    if effective is None:
        raise HostRefuses("/proc is not readable.", "Mount it: mount -t proc proc /proc")
    absent = missing(effective)
    if absent:
        raise lacks(absent)
    if namespaces.initial_user() is False:
        raise outside()


def check() -> Check:
    """The same question for `doctor`."""
    try:
        require()
    except HostRefuses as error:
        return refused("privileges", error)
    absent = opens_by_path(status.of().effective or 0)
    if absent:
        return note(
            "privileges",
            "The capabilities that tracing needs. Files of other users' processes are opened by their "
            "paths: deleted and unreadable ones cannot be looked into.",
            f"Grant {' and '.join(absent)}, or run it with sudo.",
        )
    return ok("privileges", "root, or the capabilities that tracing needs")
