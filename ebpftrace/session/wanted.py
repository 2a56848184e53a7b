"""Which processes a watch is for beside those that were given by their pids."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ebpftrace.model.ids import Pid
from ebpftrace.target import glimpse
from ebpftrace.target.control_group import ControlGroup
from ebpftrace.target.glimpse import Glimpse
from ebpftrace.text import clean


@dataclass(frozen=True, slots=True)
class Wanted:
    """`names`: comms or base names of executables. `follow`: children of all that is watched, too."""

    names: tuple[str, ...] = ()
    groups: tuple[ControlGroup, ...] = ()
    follow: bool = False

    def __bool__(self) -> bool:
        """Is it worth waiting, although nothing runs that is wanted?"""
        return bool(self.names or self.groups)

    def is_named(self, seen: Glimpse) -> bool:
        """Does its name make it wanted?"""
        return any(glimpse.is_called(seen, os.fsencode(name)) for name in self.names)

    def running(self) -> list[Pid]:
        """All that are wanted and run now, in the order in which they were started."""
        members = {pid for group in self.groups for pid in group.pids()}
        seen = (glimpse.glimpse(pid) for pid in (glimpse.pids() if self.names else members))
        others = [one for one in seen if one is not None and not is_ours(one)]
        found = [one for one in others if one.pid in members or self.is_named(one)]
        if self.names:
            known = {one.pid for one in found}
            rest = [one for pid in members - known if (one := glimpse.glimpse(pid)) is not None]
            found += [one for one in rest if not is_ours(one)]
        return [one.pid for one in sorted(found, key=lambda one: (one.started_s, one.pid))]

    def missing(self, living: Collection[tuple[Pid, str, str]]) -> Iterator[str]:
        """In words what nothing of `living` is of: (pid, comm, exe) of what is traced."""
        for name in map(clean, self.names):
            if not any(_goes_by(name, comm, exe) for _, comm, exe in living):
                yield f"a process called {name}"
        pids = {pid for pid, _, _ in living}
        for group in self.groups:
            if not pids & group.pids():
                gone = "" if group.exists() else ", which is not there"
                yield f"a process in the control group {group.said()}{gone}"


def is_ours(seen: Glimpse) -> bool:
    """This process, or one that it started to do its work."""
    return os.getpid() in (seen.pid, seen.parent)


def _goes_by(name: str, comm: str, exe: str) -> bool:
    program = exe.removesuffix(" (deleted)").rpartition("/")[2]
    return name in (comm, program) or comm == name[: glimpse.LONGEST_COMM]
