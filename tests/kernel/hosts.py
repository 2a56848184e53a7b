"""Puts the tool on a host that lacks something: commands to run it under, which last as long as it.

Mounts are made in a private mount namespace, filters and limits belong to the process.
"""

import sys
from pathlib import Path

from ebpftrace.kernel import bccapi
from tests.kernel.harness import WORKLOADS

Prefix = tuple[str, ...]
BPF, PERF_EVENT_OPEN, PIDFD_OPEN = 321, 298, 434  # x86-64


def without_capabilities(*names: str) -> Prefix:
    """Root that has lost these ("all": every one)."""
    lost = ",".join(f"-{name}" for name in names)
    return ("setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}")


def only_capabilities(*names: str) -> Prefix:
    """Root that has no others: its files are its own, and nobody else's are."""
    kept = ",".join(("-all", *(f"+{name}" for name in names)))
    return ("setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}")


def refusing(number: int | str, answer: str) -> Prefix:
    """Under a seccomp filter that answers one system call with an error; as refuse_call.py takes it."""
    return (sys.executable, str(WORKLOADS / "refuse_call.py"), str(number), answer)


def with_mounts(script: str) -> Prefix:
    """After `script`, in a mount namespace of its own."""
    return ("unshare", "--mount", "sh", "-c", f'set -e; {script}; exec "$@"', "sh")


def with_bcc(code: str) -> Prefix:
    """With another package bcc in the place of the true one: `code` is what its import runs."""
    folder = bcc_folder()
    script = f"mount -t tmpfs none {folder}; touch {folder}/libbcc.py; printenv FAKE >{folder}/__init__.py"
    return ("env", f"FAKE={code}", *with_mounts(script))


def in_group(group: Path) -> Prefix:
    """In that control group."""
    return ("sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh")


def bcc_folder() -> Path:
    return Path(str(bccapi.bcc().__file__)).parent


def libbcc() -> Path:
    """The library itself, as mapped into this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "/libbcc.so" in line:
            return Path(line.split(maxsplit=5)[5])
    raise AssertionError("libbcc is not loaded")


def private_pids() -> Prefix:
    """In a pid namespace with a /proc of its own."""
    return ("unshare", "--pid", "--fork", "--mount-proc")
