"""The limits of this process that tracing can run into."""

import resource
from contextlib import suppress

from ebpftrace import shortage
from ebpftrace.host import files, release, status
from ebpftrace.host.capabilities import SYS_RESOURCE
from ebpftrace.host.check import Check, failed, note, ok
from ebpftrace.units import format_bytes

# Measured for one process with the C library and --mode auto: as perf events, two for each probe, and by links.
_LEAST_FILES, _SOME_FILES = 92, 1024
LEAST_FILES_FOR_LINKS = 60
RAISE_LOCKED = (
    "Raise it before the start: ulimit -l unlimited (systemd: LimitMEMLOCK=infinity), or grant "
    "CAP_SYS_RESOURCE."
)


def open_files() -> int:
    """How many descriptors this process may have: the hard limit, which `attach` goes up to."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 30 if hard == resource.RLIM_INFINITY else hard


def locked_bytes() -> int | None:
    """The limit of locked memory where it binds, else None.

    Kernels below 5.11 charge maps and programs to it (memory groups since 3ac1f01b43b6), and with
    CAP_SYS_RESOURCE the tool lifts it. The version only chooses the words of an explanation here:
    what works is tried.
    """
    if not release.before(5, 11) or (status.of().effective or 0) >> SYS_RESOURCE & 1:
        return None
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def lift() -> None:
    """Two descriptors a probe; and below 5.11 maps and programs count as locked memory."""
    for limit, wanted in (
        (resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        (resource.RLIMIT_MEMLOCK, resource.RLIM_INFINITY),
    ):
        with suppress(ValueError, OSError):  # not permitted: the next failure says so
            resource.setrlimit(limit, (wanted, wanted))


def locked_reason(most: int) -> str:
    """The clause for a limit of locked memory that is in the way."""
    return (
        "this kernel charges BPF to the locked memory of a process, of which it may have "
        f"{format_bytes(most)}"
    )


def check_open_files() -> Check:
    """Two descriptors a probe, and a dozen maps."""
    most = open_files()
    if most < _LEAST_FILES:
        return failed(
            "open files", f"This process may not open more than {most} files.", shortage.RAISE_FILES
        )
    if most < _SOME_FILES:
        return note(
            "open files", f"at most {most}: enough for one process or a few", shortage.RAISE_FILES
        )
    return ok("open files", f"at most {most}")


def check_sysctls() -> Check:
    """Neither binds a process with the privileges above; people ask."""
    bpf = files.read_number("/proc/sys/kernel/unprivileged_bpf_disabled")
    perf = files.read_number("/proc/sys/kernel/perf_event_paranoid")
    told = ", ".join(
        f"kernel.{name} is {'not there' if value is None else value}"
        for name, value in (("unprivileged_bpf_disabled", bpf), ("perf_event_paranoid", perf))
    )
    return ok("sysctls", f"{told}; neither binds root")
