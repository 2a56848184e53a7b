"""From the pids on the command line to open processes."""

from collections.abc import Sequence
from contextlib import ExitStack

from ebpftrace.cli.common import note
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.host import capabilities, handles, namespaces
from ebpftrace.target.process import Process


def open_processes(pids: Sequence[int]) -> list[Process]:
    """Every process of `pids` that can be traced, a note about each other one.

    CannotAttach without the privileges, or where none is left.
    """
    capabilities.require()
    handles.require()
    processes: list[Process] = []
    failures: list[CannotAttach] = []
    with ExitStack() as undo:
        for pid in pids:
            try:
                processes.append(undo.enter_context(Process.open(pid)))
            except CannotAttach as error:
                failures.append(error)
        if not processes:
            raise _with_hint(failures[0])
        for failure in failures:
            note(str(failure))
        undo.pop_all()
    return processes


def _with_hint(failure: CannotAttach) -> CannotAttach:
    hint = namespaces.hint_about_pids() if isinstance(failure, TargetGone) else ""
    return TargetGone(f"{failure} {hint}") if hint else failure
