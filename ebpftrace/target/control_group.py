"""A control group that the user named, and the processes in it now, with those of the groups below.

Owns finding it again at each look: it may come later, vanish, and come again under the same path.
"""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ebpftrace.errors import UsageError
from ebpftrace.kernelfiles import read
from ebpftrace.model.ids import Pid
from ebpftrace.target.group_mounts import GroupMount, mounts_in, own_mounts
from ebpftrace.text import clean

MOST_GROUPS = 4096
"""Of one hierarchy that are looked into; systemd makes some hundred."""
_MOST_PIDS = 4 << 20
_MEMBERS = "cgroup.procs"
_LINE = re.compile(r"^\d+:[^:/]*:(?=/)")  # of /proc/PID/cgroup


class ControlGroup(NamedTuple):
    """`path` as the user gave it: a directory of a mount, or a path within each hierarchy."""

    path: str
    directory: str | None

    @classmethod
    def named(cls, given: str) -> "ControlGroup":
        """From the command line. UsageError for what can be no control group, now or later."""
        said = clean(given)
        path = _LINE.sub("", given).rstrip("/") or given[:1]
        mounts = list(mounts_in(own_mounts()))
        if not mounts:
            raise UsageError("No control groups are mounted here (/sys/fs/cgroup).")
        if not path or "\0" in path:
            raise UsageError("--cgroup '' is no control group; give its path.")
        if Path(path).is_dir():
            real = os.path.realpath(path)
            if _is_one(real, mounts):
                return cls(path, real)
            if path.startswith("/") and cls(path, None).exists():
                return cls(path, None)
            raise UsageError(f"{said} is a directory, but not one of a control group.")
        if not path.startswith("/") or ".." in path.split("/"):
            raise UsageError(
                f"{said} is no control group: give a directory of one, or its path as "
                "/proc/PID/cgroup and systemctl show -p ControlGroup have it, which begins with /."
            )
        if Path(path).exists():
            raise UsageError(f"{said} is no directory, and so no control group.")
        inside = any(path.startswith(f"{mount.point}/") for mount in mounts)
        return cls(path, path if inside else None)

    def said(self) -> str:
        """For the user."""
        return clean(self.path)

    def exists(self) -> bool:
        """Is there such a group now?"""
        return any(True for _ in self._directories())

    def pids(self) -> set[Pid]:
        """The processes in it, threads of the kernel among them. 15 us for each group.

        Of a path those of the first hierarchy in which it has any: version 2, then systemd's.
        """
        for directory in self._directories():
            found = {pid for group in _below(directory) for pid in _members(group)}
            if found:
                return found
        return set()

    def _directories(self) -> Iterator[str]:
        if self.directory is not None:
            if os.access(f"{self.directory}/{_MEMBERS}", os.F_OK):
                yield self.directory
            return
        for mount in sorted(mounts_in(own_mounts()), key=_rank):
            directory = mount.directory_of(self.path)
            if directory is not None and os.access(f"{directory}/{_MEMBERS}", os.F_OK):
                yield directory


def _is_one(real: str, mounts: list[GroupMount]) -> bool:
    below = any(real == mount.point or real.startswith(f"{mount.point}/") for mount in mounts)
    return below and os.access(f"{real}/{_MEMBERS}", os.F_OK)


def _rank(mount: GroupMount) -> int:
    if mount.version == 2:
        return 0
    return 1 if "name=systemd" in mount.controllers else 2


def _below(directory: str) -> Iterator[str]:
    """It and the groups below, at most MOST_GROUPS."""
    waiting = [directory]
    for _ in range(MOST_GROUPS):
        if not waiting:
            return
        group = waiting.pop()
        yield group
        try:
            with os.scandir(group) as entries:
                waiting += [one.path for one in entries if one.is_dir(follow_symlinks=False)]
        except OSError:  # it has just gone
            continue


def _members(group: str) -> Iterator[Pid]:
    """0 stands for those of another pid namespace."""
    try:
        fd = os.open(f"{group}/{_MEMBERS}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        text = b""
        while len(text) < _MOST_PIDS and (part := os.read(fd, 1 << 16)):
            text += part
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:  # a threaded one: it has threads only
            yield from _processes_of_threads(group)
        return
    finally:
        os.close(fd)
    yield from (Pid(int(word)) for word in text.split() if word != b"0" and word.isdigit())


def _processes_of_threads(group: str) -> Iterator[Pid]:
    for word in (read(f"{group}/cgroup.threads", _MOST_PIDS) or "").split():
        for line in (read(f"/proc/{word}/status", 4096) or "").split("\n"):
            if line.startswith("Tgid:\t"):
                yield Pid(int(line[6:]))
