"""What /sys shows of the kernel: is it mounted, uprobe events, BTF, tracefs."""

from pathlib import Path

from ebpftrace.errors import HostRefuses
from ebpftrace.host.check import Check, failed, note, ok
from ebpftrace.units import format_bytes

UPROBE_EVENTS = Path("/sys/bus/event_source/devices/uprobe")
_BTF = Path("/sys/kernel/btf/vmlinux")
_TRACEFS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
_MOUNT = "Mount it: mount -t sysfs sysfs /sys (in a container: -v /sys:/sys:ro)."


def _mounted() -> bool:
    return Path("/sys/kernel").is_dir() and Path("/sys/bus/event_source").is_dir()


def no_uprobe_events() -> HostRefuses:
    """Why the event source of uprobes cannot be read."""
    if not _mounted():
        return HostRefuses("/sys is not mounted, so uprobe events cannot be found.", _MOUNT)
    return HostRefuses(
        f"This kernel offers no uprobes to perf events ({UPROBE_EVENTS} cannot be read).",
        "Run a kernel with CONFIG_UPROBE_EVENTS=y and CONFIG_PERF_EVENTS=y, as every "
        "distribution's is.",
    )


def check_sys() -> Check:
    """Features and event sources are found below it."""
    if _mounted():
        return ok("/sys", "mounted")
    return failed("/sys", "/sys is not mounted, so uprobe events cannot be found.", _MOUNT)


def check_btf() -> Check:
    """Types of the kernel's structures, which this version does without."""
    try:
        size = _BTF.stat().st_size
    except OSError:
        size = 0
    if size:
        return ok("BTF", f"{_BTF}, {format_bytes(size)}")
    return note("BTF", f"{_BTF} is not there; this version does without")


def check_tracefs() -> Check:
    """We take perf events and raw tracepoints, which need no mount."""
    for path in _TRACEFS:
        try:
            if (path / "uprobe_events").exists():
                return ok("tracefs", f"mounted at {path}; not needed")
        except OSError:
            continue
    return ok("tracefs", "not mounted; not needed")
