"""May this process trace at all? Asked before anything is compiled or opened."""

from pathlib import Path

from ebpftrace.errors import CannotAttach

_CAPABILITIES = {
    19: "CAP_SYS_PTRACE",
    38: "CAP_PERFMON",
    39: "CAP_BPF",
    40: "CAP_CHECKPOINT_RESTORE",
}
_SYS_ADMIN = 21


def require() -> None:
    """CannotAttach without CAP_SYS_ADMIN or the four newer capabilities that replace it.

    BPF and perf events need CAP_BPF and CAP_PERFMON (5.8), /proc/PID/map_files needs
    CAP_CHECKPOINT_RESTORE (5.9), other users' processes CAP_SYS_PTRACE.
    """
    try:
        status = Path("/proc/self/status").read_text()
        effective = int(status.split("CapEff:", 1)[1].split(None, 1)[0], 16)
    except (OSError, ValueError, IndexError) as error:
        raise CannotAttach(f"/proc is not readable ({error}); mount it and try again.") from error
    missing = [name for bit, name in _CAPABILITIES.items() if not effective >> bit & 1]
    if missing and not effective >> _SYS_ADMIN & 1:
        raise CannotAttach(
            f"Tracing another process needs root. Run it with sudo, or grant {', '.join(missing)}."
        )
