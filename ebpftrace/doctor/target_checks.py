"""The checks of one process: can it be held, what would be probed, and what a probe could do to it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ebpftrace.doctor.bounded import bounded
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.host import capabilities, handles, namespaces, status
from ebpftrace.host.check import Check, failed, note, ok, refused
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.probes.plan import Plan, plan
from ebpftrace.probes.refusal import GUARDS, Guard
from ebpftrace.probes.table import describe
from ebpftrace.session import hazards
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


def report(pid: int, trial: ProbeTrial | CannotAttach) -> TargetReport:
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
            *_return_probes(process, trial),
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


def _return_probes(process: Process, trial: ProbeTrial | CannotAttach) -> tuple[Check, ...]:
    if isinstance(trial, CannotAttach):
        return ()  # it is one of the checks of the host
    return (bounded("return probes", partial(check_return_probes, process, trial)),)


def check_return_probes(process: Process, trial: ProbeTrial) -> Check:
    """Would it live through them?"""
    name = "return probes"
    try:
        hazards.check(process, trial)
    except CannotAttach as error:
        return refused(name, error)
    now = status.of(process.pid)
    if now.seccomp:
        return ok(name, "it is under a seccomp filter, and the kernel lets them through")
    return ok(name, "no seccomp filter, no shadow stack")


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
    ("threads", check_leader),
    ("shared memory", check_relatives),
)
"""What could happen to the target. A check that fails keeps `doctor` from promising anything."""
