"""The checks of this host, in the order in which they are shown: causes before what they cause."""

from collections.abc import Callable
from dataclasses import dataclass

from ebpftrace.doctor import features, name_checks, probe_checks
from ebpftrace.doctor.bounded import bounded
from ebpftrace.errors import CannotAttach
from ebpftrace.host import (
    capabilities,
    handles,
    holders,
    limits,
    lockdown,
    namespaces,
    release,
    seccomp,
    trees,
)
from ebpftrace.host.check import Check
from ebpftrace.kernel import trial_compilation, trials
from ebpftrace.kernel.compiler import Compilation
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.session.options import CaptureOptions

CHECKS: tuple[tuple[str, Callable[[], Check]], ...] = (
    ("system", release.check),
    ("machine", release.check_machine),
    ("privileges", capabilities.check),
    ("pid namespace", namespaces.check_pid),
    ("seccomp", seccomp.check),
    ("lockdown", lockdown.check),
    ("sysctls", limits.check_sysctls),
    ("/sys", trees.check_sys),
    ("BTF", trees.check_btf),
    ("tracefs", trees.check_tracefs),
    ("open files", limits.check_open_files),
    ("locked memory", trials.check_locked_memory),
    ("memory", trials.check_memory),
    ("pidfd", handles.check),
    ("BPF maps", trials.check_maps),
    ("BPF programs", trials.check_programs),
    ("uprobes", trials.check_uprobes),
    ("other tracers", holders.check),
    ("demangling", name_checks.check_demangling),
    ("lines", name_checks.check_lines),
)


@dataclass(frozen=True, slots=True)
class HostReport:
    """`trial`: what was tried on our own code, for the checks of processes."""

    checks: tuple[Check, ...]
    trial: ProbeTrial | CannotAttach
    features: tuple[features.Feature, ...]


def checks() -> HostReport:
    """All of them, 0.7 s in all; the compiler runs meanwhile. Call it from the main thread."""
    worker = probe_checks.start()
    compilation = trial_compilation.start()
    try:
        found = [bounded(name, check) for name, check in CHECKS]
        trial = probe_checks.result(worker)
        found = [probe_checks.softened(check, trial) for check in found]
        compiled = trial_compilation.checks(compilation, CaptureOptions().stack_depth)
        tried = features.find(trial)
        found += [*probe_checks.checks(trial), features.check(tried), *compiled]
        return HostReport(tuple(found), trial, tried)
    finally:
        if isinstance(compilation, Compilation):
            compilation.cancel()
