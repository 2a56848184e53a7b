"""The checks of one process: can it be held, what would be probed, and what a probe could do to it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ebpftrace.doctor.bounded import bounded
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.host import capabilities, handles, namespaces, status
from ebpftrace.host.check import Check, failed, note, ok
from ebpftrace.probes.plan import Plan, plan
from ebpftrace.probes.refusal import GUARDS, Guard
from ebpftrace.probes.table import describe
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process
from ebpftrace.target.relatives import shares_memory_with

_PLAN_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What was found about one process; `plan` is the text that `probes` prints."""

    pid: int
    comm: str | None
    exe: str | None
    allocators: tuple[str, ...]
    checks: tuple[Check, ...]
    plan: tuple[str, ...] = ()

    @property
    def suitable(self) -> bool:
        """Can it be attached to?"""
        return all(check.verdict != "failed" for check in self.checks)


def report(pid: int) -> TargetReport:
    """Look at process `pid`; what makes it unsuitable is a failed check."""
    try:
        capabilities.require()
        handles.require()
        process = Process.open(pid)
    except CannotAttach as error:
        fix = namespaces.hint_about_pids() if isinstance(error, TargetGone) else ""
        return TargetReport(pid, None, None, (), (failed("process", str(error), fix),))
    with process:
        plans: list[Plan] = []
        planned = bounded("probes", partial(_check_plan, process, plans), _PLAN_LIMIT_S)
        found = (
            ok("process", f"{process.comm}, {process.exe}: can be read"),
            *(bounded(name, partial(run, process)) for name, run in CHECKS),
            *(plan_checks(plans[0]) if plans else (planned,)),
        )
        made = plans[0] if plans else None
        return TargetReport(
            pid,
            process.comm,
            process.exe,
            made.families if made else (),
            found,
            tuple(describe(made)) if made else (),
        )


def _check_plan(process: Process, plans: list[Plan]) -> Check:
    """Make the plan, which `plans` takes; the check that failed where there is none."""
    plans.append(plan(process, open_modules(process)))
    return plan_checks(plans[0])[0]


def plan_checks(made: Plan) -> tuple[Check, ...]:
    """What would be probed, then a line for each guard: what it leaves out, in the plan's words."""
    refused = {refusal.sentence for refusal in made.refusals}
    notes = [sentence for sentence in made.notes if sentence not in refused]
    found = f"{len(made.probes)} probes on {', '.join(made.families)}"
    probes = note("probes", f"{found}. {' '.join(notes)}") if notes else ok("probes", found)
    return probes, *(_check_guard(guard, made) for guard in GUARDS)


def _check_guard(guard: Guard, made: Plan) -> Check:
    refused = [refusal.sentence for refusal in made.refusals if refusal.guard == guard]
    return note(guard, " ".join(refused)) if refused else ok(guard, GUARDS[guard])


def check_seccomp(process: Process) -> Check:
    """From 6.11 on a return probe comes back through a system call of its own."""
    if status.of(process.pid).seccomp == status.SECCOMP_FILTER:
        return note(
            "seccomp",
            "the process is under a filter; kernels from 6.11 that do not let their own call 335 "
            "through would end it at a return probe",
        )
    return ok("seccomp", "no filter")


def check_shadow_stack(process: Process) -> Check:
    """A return probe replaces a return address, which a shadow stack guards."""
    if "shstk" in status.of(process.pid).features:
        return note(
            "shadow stack",
            "in use; a return probe ends the process on kernels before 6.11, which do not keep it "
            "in step",
        )
    return ok("shadow stack", "not in use")


def check_leader(process: Process) -> Check:
    """A perf event belongs to one thread."""
    threads = len(process.threads())
    holder = int(process.anchor())
    if holder != process.pid:
        return note(
            "threads",
            f"{threads}; the first one has ended and the process lives on: the probes are held by "
            f"thread {holder}",
        )
    return ok("threads", str(threads))


def check_relatives(process: Process) -> Check:
    """A child of vfork or of clone with CLONE_VM allocates from the heap of its parent."""
    sharing = shares_memory_with(process)
    if sharing is None:
        return note("shared memory", "this kernel does not say whether another process shares it")
    if sharing:
        pids = ", ".join(map(str, sharing[:8]))
        return note("shared memory", f"process {pids} runs in the same memory and uses its heap")
    return ok("shared memory", "no other process runs in it")


CHECKS: tuple[tuple[str, Callable[[Process], Check]], ...] = (
    ("seccomp", check_seccomp),
    ("shadow stack", check_shadow_stack),
    ("threads", check_leader),
    ("shared memory", check_relatives),
)
"""What could happen to the target. A check that fails keeps `doctor` from promising anything."""
