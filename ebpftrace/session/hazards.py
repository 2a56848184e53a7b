"""What a return probe could do to one process on this kernel: looked at before the first one.

What can be decided from the program's files is decided in `probes`; this is what the kernel decides.
"""

from ebpftrace.errors import CannotAttach
from ebpftrace.host import status
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.target.process import Process

_SHADOW_STACK = "shstk"


def check(process: Process, trial: ProbeTrial) -> None:
    """CannotAttach where a return probe would end `process`, or nothing proves that it would not."""
    survives = {
        status.SECCOMP_STRICT: trial.survives_strict_seccomp,
        status.SECCOMP_FILTER: trial.survives_seccomp,
    }
    who = f"Process {process.pid} ({process.comm}) is not probed"
    for thread in process.threads():
        now = status.of(f"{process.pid}/task/{thread}")
        if now.seccomp in survives and survives[now.seccomp] is not True:
            raise CannotAttach(
                f"{who}: it runs under a seccomp filter, and {_tried(survives[now.seccomp])} "
                "under such a filter. Run it without (SystemCallFilter= of systemd, --security-opt "
                "seccomp=unconfined of a container), or on Linux 6.14 or newer."
            )
        if _SHADOW_STACK in now.features and trial.survives_shadow_stack is not True:
            raise CannotAttach(
                f"{who}: it has a shadow stack, and {_tried(trial.survives_shadow_stack)} with "
                "one. Run it without (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off), or on Linux 6.11 or "
                "newer."
            )


def caution(trial: ProbeTrial) -> str | None:
    """What a program that we start should not do, for it cannot be seen before it does."""
    if trial.survives_seccomp is True:
        return None
    return (
        f"If the program puts itself under a seccomp filter, it may be ended by that: "
        f"{_tried(trial.survives_seccomp)} under one."
    )


def _tried(survives: bool | None) -> str:
    if survives is None:
        return "it could not be tried here whether a program lives through a return probe"
    return "a return probe ends a program of our own here"
