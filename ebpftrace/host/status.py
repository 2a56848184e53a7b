"""The fields of /proc/PID/status that say what a process may do."""

from dataclasses import dataclass

from ebpftrace.host import files

SECCOMP_STRICT, SECCOMP_FILTER = 1, 2


@dataclass(frozen=True, slots=True)
class Status:
    """What is not told is None: `effective` without /proc, `seccomp` without CONFIG_SECCOMP."""

    effective: int | None = None
    """The effective capabilities, one bit each."""
    seccomp: int | None = None
    pids: tuple[int, ...] = ()
    """The pid in each pid namespace, from that of the /proc that was read inwards."""
    features: tuple[str, ...] = ()
    """What x86 protects of its threads, "shstk" among them (0ee44885fe9c, 6.6)."""
    uids: tuple[int, ...] = ()
    """Real, effective, saved and of the file system, as our own user namespace has them."""


def parse(text: str) -> Status:
    """Read the text of a status file; a field that makes no sense counts as missing.

    Of what ends a line somewhere, the kernel escapes only the newline in the name of a process.
    """
    lines = (line.partition(":") for line in text.split("\n"))
    fields = {name: value.split() for name, _, value in lines}
    effective, seccomp = fields.get("CapEff", []), fields.get("Seccomp", [])
    return Status(
        _number(effective[0], 16) if effective else None,
        _number(seccomp[0], 10) if seccomp else None,
        tuple(int(pid) for pid in fields.get("NSpid", []) if pid.isdecimal()),
        tuple(fields.get("x86_Thread_features", [])),
        tuple(int(uid) for uid in fields.get("Uid", []) if uid.isdecimal()),
    )


def of(process: int | str = "self") -> Status:
    """That of a process; all unknown where /proc does not tell."""
    return parse(files.read(f"/proc/{process}/status") or "")


def _number(text: str, base: int) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None
