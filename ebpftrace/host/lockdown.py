"""Kernel lockdown: what even root may not do (security/lockdown, 5.4)."""

import re

from ebpftrace.host import files
from ebpftrace.host.check import Check, note, ok

PATH = "/sys/kernel/security/lockdown"
CONFIDENTIALITY = "confidentiality"


def parse(text: str) -> str | None:
    """The mode in brackets: "none", "integrity" or "confidentiality"."""
    match = re.search(r"\[(\w+)\]", text)
    return match[1] if match else None


def mode() -> str | None:
    """This kernel's; None where securityfs is not mounted or lockdown is not compiled in."""
    return parse(files.read(PATH) or "")


def check() -> Check:
    """Confidentiality forbids programs to read the kernel's memory; ours read only the target's.

    Seen: attaching works in that mode on 5.10 and 6.12. So it is no failure by itself.
    """
    found = mode()
    if found is None:
        return ok("lockdown", "not told (securityfs is not mounted, or the kernel has none)")
    if found == CONFIDENTIALITY:
        return note(
            "lockdown",
            "confidentiality: programs that read the memory of the kernel are refused; those of "
            "ebpftrace read that of the target only",
        )
    return ok("lockdown", found)
