"""The checks of what was tried on code of our own: the back ends, what probes cost, what they break."""

from ebpftrace.errors import CannotAttach
from ebpftrace.host import limits
from ebpftrace.host.check import Check, note, ok, refused
from ebpftrace.kernel.backends import BACKENDS, first_usable
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.kernel.worker import Worker

_BACK_ENDS = "back ends"
_FOR_PERF_EVENTS = ("/sys", "uprobes", "open files")


def start() -> Worker | CannotAttach:
    """Begin to try, from the main thread and before other threads run; or why it cannot."""
    try:
        return Worker()
    except CannotAttach as error:
        return error


def result(worker: Worker | CannotAttach) -> ProbeTrial | CannotAttach:
    """What was found; `worker` is used up."""
    if isinstance(worker, CannotAttach):
        return worker
    try:
        return worker.trial()
    except CannotAttach as error:
        return error
    finally:
        worker.close(limit_s=0)  # removing its probes takes half a second


def checks(trial: ProbeTrial | CannotAttach) -> tuple[Check, ...]:
    """Of the back ends, their prices, and what return probes break."""
    if isinstance(trial, CannotAttach):
        return (refused(_BACK_ENDS, trial),)
    return (check_back_ends(trial), check_prices(trial), check_survival(trial))


def softened(found: Check, trial: ProbeTrial | CannotAttach) -> Check:
    """What only perf events need, where links can be had: a note."""
    if found.verdict != "failed" or found.name not in _FOR_PERF_EVENTS:
        return found
    if isinstance(trial, CannotAttach) or first_usable(None, trial.refused) == "perf":
        return found
    if found.name == "open files" and limits.open_files() < limits.LEAST_FILES_FOR_LINKS:
        return found
    return note(
        found.name,
        f"{found.found} Links of uprobes do without; a process whose first thread has ended, or "
        "that shares its memory with another, cannot be traced.",
        found.fix,
    )


def check_back_ends(trial: ProbeTrial) -> Check:
    """Which one is used, and why not a better one."""
    used = first_usable(None, trial.refused)
    better = BACKENDS[: BACKENDS.index(used)]
    found = [f"{used} is used"]
    found += [f"not {each}: {trial.refused[each]}" for each in better]
    return ok(_BACK_ENDS, "; ".join(found))


def check_prices(trial: ProbeTrial) -> Check:
    """Of an empty program; `probes` shows those of ours."""
    name = "probe cost"
    known = (
        ("entry and return by session", trial.session_ns),
        ("entry by multi", trial.multi_entry_ns),
        ("return", trial.multi_return_ns),
        ("entry by perf", trial.entry_ns),
        ("return", trial.return_ns),
        ("where the instruction is single-stepped", trial.stepped_ns),
    )
    prices = [f"{what} {ns:,.0f} ns" for what, ns in known if ns is not None]
    if not prices:
        return note(name, "could not be measured here")
    return ok(name, ", ".join(prices))


def check_survival(trial: ProbeTrial) -> Check:
    """What a return probe does to a process under seccomp, or with a shadow stack."""
    name = "return probes"
    answers = (
        ("under a seccomp filter", trial.survives_seccomp),
        ("in strict seccomp", trial.survives_strict_seccomp),
        ("with a shadow stack", trial.survives_shadow_stack),
    )
    words = {True: "live", False: "are killed", None: "could not be tried"}
    found = "; ".join(f"processes {who} {words[lives]}" for who, lives in answers)
    if any(lives is False for _, lives in answers):
        return note(name, f"{found}: such processes are not attached to")
    return ok(name, found)
