"""From what the command line names to open processes, and to those that are waited for."""

import argparse
import logging
from collections.abc import Sequence
from contextlib import ExitStack

from ebpftrace.cli.common import note
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.host import capabilities, handles, namespaces, privileges
from ebpftrace.session.wanted import Wanted
from ebpftrace.target.control_group import ControlGroup
from ebpftrace.target.process import Process

log = logging.getLogger(__name__)

_NOBODY = Wanted()


def wanted_of(given: argparse.Namespace) -> Wanted:
    """What -n, --cgroup and --follow were given. UsageError for what is no control group."""
    groups = dict.fromkeys(ControlGroup.named(path) for path in given.groups)
    return Wanted(tuple(dict.fromkeys(given.names)), tuple(groups), getattr(given, "follow", False))


def open_processes(pids: Sequence[int], wanted: Wanted = _NOBODY) -> list[Process]:
    """Every process of `pids` that can be traced, a note about each other one; and what is wanted now.

    CannotAttach without the privileges, or where none is left and none is waited for.
    """
    capabilities.require()
    handles.require()
    privileges.shed()
    processes: list[Process] = []
    failures: list[CannotAttach] = []
    with ExitStack() as undo:
        for pid in pids:
            try:
                processes.append(undo.enter_context(Process.open(pid)))
            except CannotAttach as error:
                failures.append(error)
        if failures and not (processes or wanted):
            raise _with_hint(failures[0])
        for failure in failures:
            note(str(failure))
        for pid in wanted.running() if wanted else ():
            if pid in pids:
                continue
            try:
                processes.append(undo.enter_context(Process.open(pid)))
            except CannotAttach as error:
                log.info("%s", error)
        undo.pop_all()
    return processes


def _with_hint(failure: CannotAttach) -> CannotAttach:
    hint = namespaces.hint_about_pids() if isinstance(failure, TargetGone) else ""
    return TargetGone(f"{failure} {hint}") if hint else failure
