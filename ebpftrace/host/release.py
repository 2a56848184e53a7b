"""Which kernel and which distribution this is: for reports, and for the words of a fix."""

import mmap
import os
import re
import shlex

from ebpftrace.errors import HostRefuses
from ebpftrace.host import files
from ebpftrace.host.check import Check, ok, refused
from ebpftrace.text import clean

MACHINES = ("x86_64", "aarch64")
PAGE_SIZE = 4096
"""Growth is counted in these, and segments of files are found by them."""
_TAINTS = "PFSRMBUDAWCIOELKXTNJ"
"""The letters of the bits of kernel.tainted, from 0 (Documentation/admin-guide/tainted-kernels.rst)."""
_PACKAGES = (
    (
        {"debian", "ubuntu"},
        "apt install python3-bpfcc",
        "apt install --reinstall python3-bpfcc libbpfcc",
    ),
    (
        {"fedora", "rhel", "centos"},
        "dnf install python3-bcc",
        "dnf reinstall python3-bcc bcc",
    ),
    ({"suse", "opensuse"}, "zypper install python3-bcc", "zypper install -f python3-bcc"),
    ({"arch"}, "pacman -S python-bcc", "pacman -S python-bcc bcc"),
    ({"alpine"}, "apk add py3-bcc", "apk fix py3-bcc bcc"),
)
"""By the ids of /etc/os-release: how BCC's Python bindings are installed, and mended."""


def before(major: int, minor: int, release: str | None = None) -> bool:
    """Is this kernel older? Only to choose words: features are tried."""
    found = re.match(r"(\d+)\.(\d+)", release or os.uname().release)
    return found is not None and (int(found[1]), int(found[2])) < (major, minor)


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release file; a line that is none is left out."""
    fields = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.isidentifier():
            try:
                fields[name] = clean(" ".join(shlex.split(value)))
            except ValueError:
                continue
    return fields


def _fields() -> dict[str, str]:
    return parse_os_release(files.read("/etc/os-release") or "")


def distribution() -> str:
    """Its name, as it calls itself."""
    fields = _fields()
    return fields.get("PRETTY_NAME") or fields.get("NAME") or "unknown distribution"


def bcc_package(fields: dict[str, str] | None = None) -> str:
    """The sentence that installs BCC's Python bindings here."""
    commands = _commands(_fields() if fields is None else fields)
    if commands:
        return f"Install BCC's Python bindings: {commands[0]} (pip has no package of them)."
    return (
        "Install BCC's Python bindings: python3-bpfcc on Debian and Ubuntu, python3-bcc on Fedora, "
        "python-bcc on Arch; pip has no package of them."
    )


def bcc_again(fields: dict[str, str] | None = None) -> str:
    """The sentence that mends an installation of BCC that is broken."""
    commands = _commands(_fields() if fields is None else fields)
    how = f": {commands[1]}" if commands else " and its Python bindings from the distribution."
    return f"Install BCC again{how}"


def _commands(fields: dict[str, str]) -> tuple[str, str] | None:
    kinds = {fields.get("ID", ""), *fields.get("ID_LIKE", "").split()}
    for names, install, again in _PACKAGES:
        if any(kind.split("-")[0] in names for kind in kinds):
            return install, again
    return None


def taints(bits: int) -> str:
    """The letters that stand for these bits, as a kernel oops shows them."""
    return "".join(letter for bit, letter in enumerate(_TAINTS) if bits >> bit & 1)


def other_machine(machine: str) -> HostRefuses:
    """The refusal on a machine that the programs are not made for."""
    return HostRefuses(
        f"ebpftrace runs on x86-64 and arm64; this machine is {machine}.",
        "Trace on one of those.",
    )


def require_machine() -> str:
    """The machine, as uname has it. HostRefuses where the programs are not made for it or for its pages."""
    machine = os.uname().machine
    if machine not in MACHINES:
        raise other_machine(machine)
    if mmap.PAGESIZE != PAGE_SIZE:
        raise HostRefuses(
            f"ebpftrace runs on kernels with pages of 4 KiB; here they have {mmap.PAGESIZE >> 10} KiB.",
            "Run a kernel with pages of 4 KiB, as every distribution has one.",
        )
    return machine


def check_machine() -> Check:
    """Is it one that the programs are made for?"""
    try:
        return ok("machine", require_machine())
    except HostRefuses as error:
        return refused("machine", error)


def check() -> Check:
    """For the report; nothing is concluded from it."""
    kernel = os.uname()
    bits = files.read_number("/proc/sys/kernel/tainted") or 0
    tainted = f", tainted {taints(bits) or bits}" if bits else ""
    return ok("system", f"Linux {kernel.release} {kernel.machine}{tainted}, {distribution()}")
