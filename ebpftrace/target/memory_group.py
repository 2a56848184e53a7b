"""Where the control group is that a process's memory is charged to.

Groups are found below the mounts of this process, by /proc/PID/cgroup, which tells paths as this
process sees them. What is outside of our cgroup namespace or of the mount is not found. Leaves what
its files say to `group_figures`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ebpftrace.kernelfiles import read
from ebpftrace.target.group_mounts import mounts_in, own_mounts

_MOST_GROUPS = 64 << 10
_DEEPEST = 64


class GroupPlace(NamedTuple):
    """`directory` is where its files are; `path` as /proc/PID/cgroup has it, not clean."""

    directory: str
    version: int
    path: str
    mount: str


def directory_of(pid: int) -> tuple[str, int] | None:
    """The directory of the group of process `pid`, and its version, 1 or 2; None: see `place_of`."""
    place = place_of(pid)
    return None if place is None else (place.directory, place.version)


def place_of(pid: int) -> GroupPlace | None:
    """None where there is none, as in version 2's root, or it cannot be seen from here.

    On a host with both versions it is that of the one which has the memory controller.
    """
    groups = read(f"/proc/{pid}/cgroup", _MOST_GROUPS)
    if groups is None:
        return None
    charged = map(_charged, candidates(groups, own_mounts()))
    return next((place for place in charged if place is not None), None)


def candidates(groups: str, mounts: str, controller: str = "memory") -> Iterator[GroupPlace]:
    """Where it is in each mount; texts of /proc/PID/cgroup and /proc/self/mountinfo."""
    paths: dict[int, str] = {}
    for line in groups.split("\n"):
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and controller in controllers.split(","):
            paths[1] = path
        elif colon and not controllers:
            paths[2] = path
    version = min(paths, default=0)
    path = paths.get(version, "").removesuffix(" (deleted)")
    for mount in mounts_in(mounts):
        charges = mount.version == version and (version == 2 or controller in mount.controllers)
        directory = mount.directory_of(path) if charges else None
        if directory is not None:
            yield GroupPlace(directory, version, path, mount.point)


def _charged(place: GroupPlace) -> GroupPlace | None:
    """Version 2 charges the nearest group upwards that has the controller; the root has no figures."""
    if place.version == 1:
        return place if _has(place.directory, "memory.usage_in_bytes") else None
    for directory in upwards(place):
        if _has(directory, "memory.current"):
            up = len(place.directory) - len(directory)
            return place._replace(directory=directory, path=place.path[: len(place.path) - up])
    return None


def _has(directory: str, name: str) -> bool:
    return read(f"{directory}/{name}", 1) is not None


def upwards(place: GroupPlace) -> Iterator[str]:
    """The group's directory and those above it, to the mount."""
    directory = place.directory
    for _ in range(_DEEPEST):
        yield directory
        if directory == place.mount:
            return
        directory = str(Path(directory).parent)
