"""What one check of `doctor` found."""

from dataclasses import dataclass
from typing import Literal

from ebpftrace.errors import EbpftraceError, HostRefuses

Verdict = Literal["ok", "note", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table. `fix` is a command or a setting, empty where nothing is to be done."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Check:
    """As it should be."""
    return Check(name, "ok", found)


def note(name: str, found: str, fix: str = "") -> Check:
    """Worth knowing; tracing works, perhaps with less."""
    return Check(name, "note", found, fix)


def failed(name: str, found: str, fix: str) -> Check:
    """Tracing cannot work like this."""
    return Check(name, "failed", found, fix)


def refused(name: str, error: EbpftraceError) -> Check:
    """The check that ran into `error`, in the very words that `attach` ends with."""
    if isinstance(error, HostRefuses):
        return failed(name, error.reason, error.fix)
    return failed(name, str(error), "")
