"""Every feature of the kernel that makes a difference: has this one it, and what is done without.

Found by trying, as its user tries it; release and commit are only told. Leaves the trying to `kernel`
and `target`.
"""

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ebpftrace.errors import CannotAttach
from ebpftrace.host import handles
from ebpftrace.host.check import Check, note, ok
from ebpftrace.kernel import btf, features
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.kernelfiles import read
from ebpftrace.target import pressure
from ebpftrace.target.group_mounts import mounts_in, own_mounts
from ebpftrace.target.relatives import can_compare
from ebpftrace.target.root import can_open_within

Trial = Callable[[ProbeTrial], bool | None]
"""None where it could not be tried. OSError and CannotAttach stand for no."""

_NEEDED = "attach cannot work"
_MOST_TEXT = 64 << 10


@dataclass(frozen=True, slots=True)
class Feature:
    """`since` and `commit`: the release of Linux that has it first, and the commit that brought it.

    `have`: None where it could not be tried. `instead`: what is done without it.
    """

    name: str
    since: str
    commit: str
    have: bool | None
    instead: str

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def find(trial: ProbeTrial | CannotAttach) -> tuple[Feature, ...]:
    """All of them, in 20 ms; `trial` is what was tried on our own code."""
    tried = ProbeTrial() if isinstance(trial, CannotAttach) else trial
    known = not isinstance(trial, CannotAttach)
    return tuple(
        Feature(name, since, commit, _try(trying, tried) if known else None, instead)
        for name, since, commit, trying, instead in FEATURES
    )


def check(found: tuple[Feature, ...]) -> Check:
    """One line of the table: what is missing, and what is done instead."""
    name = "kernel features"
    have = sum(feature.have is True for feature in found)
    if have == len(found):
        return ok(name, f"all {have} that make a difference")
    gone = [
        f"without {feature.name} ({feature.since}): {feature.instead}"
        for feature in found
        if feature.have is False
    ]
    unknown = [feature.name for feature in found if feature.have is None]
    if unknown:
        gone.append(f"could not be tried: {', '.join(unknown)}")
    said = "; ".join([f"{have} of {len(found)}", *gone])
    needed = any(feature.have is False and feature.instead == _NEEDED for feature in found)
    return note(name, said) if needed else ok(name, said)


def _try(trying: Trial, trial: ProbeTrial) -> bool | None:
    try:
        return trying(trial)
    except (OSError, CannotAttach):
        return False


def _uses(backend: str) -> Trial:
    return lambda trial: backend not in trial.refused


def _of_kernel(trying: Callable[[], bool]) -> Trial:
    return lambda _trial: trying()


def _pidfd() -> bool:
    handles.require()
    return True


def _types() -> bool:
    return all(btf.kernel_offsets())


def _pressure() -> bool:
    """A trigger that does not fire: at 99 % of a second."""
    os.close(pressure.listener(pressure.HOST, 99)[0])
    return True


def _memory_events() -> bool:
    """Has version 2 the controller? The root of its groups tells which it has."""
    mounts = [mount for mount in mounts_in(own_mounts()) if mount.version == 2]
    texts = [read(f"{mount.point}/cgroup.controllers", _MOST_TEXT) for mount in mounts]
    return any("memory" in (text or "").split() for text in texts)


def _rollup() -> bool:
    return Path(f"/proc/{os.getpid()}/smaps_rollup").exists()


_FAULTS_WITHOUT = (
    "read from the kernel's stack"
    if platform.machine() == "x86_64"
    else "faults within system calls have no stack"
)

# Name, release, commit, how it is tried, what is done without.
FEATURES: tuple[tuple[str, str, str, Trial, str], ...] = (
    (
        "session programs",
        "6.13",
        "535a3692ba72",
        _uses("session"),
        "links of many uprobes, two for each file",
    ),
    (
        "links of many uprobes",
        "6.6",
        "89ae89f53d20",
        _uses("multi"),
        "a perf event for each probe, which takes 0.1 s to remove",
    ),
    (
        "uprobes by perf events",
        "4.17",
        "33ea4b24277b",
        _uses("perf"),
        "links only; attach cannot work where there are none",
    ),
    (
        "attach cookies",
        "5.15",
        "7adfc6c9b315",
        _of_kernel(features.attach_cookies),
        "a copy of the program for each probe",
    ),
    (
        "map entries on demand",
        "6.1",
        "34dd3bad1a6f",
        _of_kernel(features.maps_on_demand),
        "maps are allocated in advance",
    ),
    (
        "BPF memory charged to control groups",
        "5.11",
        "3ac1f01b43b6",
        _of_kernel(features.memory_is_of_groups),
        "the limit of locked memory is lifted",
    ),
    ("maps read in batches", "5.6", "057996380a42", _of_kernel(features.batches), _NEEDED),
    ("ring buffers", "5.8", "457f44363a88", _of_kernel(features.ring_buffers), _NEEDED),
    (
        "arrays mapped into memory",
        "5.5",
        "fc9702273e2e",
        _of_kernel(features.mapped_arrays),
        "no mode growth",
    ),
    (
        "raw tracepoints of exits, execs and forks",
        "4.17",
        "c4f6699dfcb8",
        _of_kernel(features.tracepoints),
        _NEEDED,
    ),
    (
        "pids of a namespace in programs",
        "5.7",
        "b4490c5c4e02",
        _of_kernel(features.namespace_ids),
        "attach cannot work in a pid namespace of its own",
    ),
    ("pidfd_open", "5.3", "32fcb426ec00", _of_kernel(_pidfd), _NEEDED),
    (
        "types of the kernel (BTF)",
        "5.4",
        "341dfcf8d78e",
        _of_kernel(_types),
        "no --follow; stacks end where probes have replaced return addresses; no cause of ends",
    ),
    (
        "page faults by perf events",
        "4.9",
        "0515e5999a46",
        _of_kernel(features.page_faults),
        "no mode growth",
    ),
    (
        "registers of user mode in programs of perf events",
        "5.15",
        "dd6e10fbd9fb",
        _of_kernel(features.saved_registers),
        _FAULTS_WITHOUT,
    ),
    (
        "count of hits that ran no program",
        "5.12",
        "9ed9e9ba2337",
        _of_kernel(features.misses),
        "reported as unknown",
    ),
    (
        "run time of programs",
        "5.8",
        "d46edd671a14",
        _of_kernel(features.run_time),
        "cost by the prices of the start",
    ),
    (
        "return probes under a seccomp filter",
        "6.14, and before 6.11",
        "cf6cb56ef244",
        lambda trial: trial.survives_seccomp,
        "such processes are not attached to",
    ),
    (
        "return probes with a shadow stack",
        "6.11",
        "1713b63a07a2",
        lambda trial: trial.survives_shadow_stack,
        "such processes are not attached to",
    ),
    (
        "memory pressure triggers (PSI)",
        "5.2",
        "0e94682b73bf",
        _of_kernel(_pressure),
        "the average, looked at with each picture",
    ),
    (
        "memory groups of version 2",
        "4.0",
        "241994ed8649",
        _of_kernel(_memory_events),
        "those of version 1, which tell of no throttling",
    ),
    (
        "comparison of memory by kcmp",
        "3.5",
        "d97b46a64674",
        _of_kernel(can_compare),
        "perf events instead of links, which see who shares the memory",
    ),
    (
        "openat2 within a root",
        "5.6",
        "fddb5d430ad9",
        _of_kernel(can_open_within),
        "no debug files and perf maps of containers",
    ),
    (
        "smaps_rollup",
        "4.14",
        "493b0e9d945f",
        _of_kernel(_rollup),
        "no sums over all mappings in snapshots",
    ),
)
