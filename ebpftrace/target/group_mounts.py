"""Where control groups are mounted, as this process sees them (proc_pid_mountinfo(5))."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ebpftrace.kernelfiles import read

_MOST_MOUNTS = 1 << 20
_ESCAPED = re.compile(r"\\([0-7]{3})")  # space, tab, newline, backslash


class GroupMount(NamedTuple):
    """A hierarchy: `root` is the group that is to be seen at `point`.

    `controllers`: of version 1, `name=systemd` among them; none of version 2.
    """

    root: str
    point: str
    version: int
    controllers: tuple[str, ...] = ()

    def directory_of(self, path: str) -> str | None:
        """The directory of the group `path` (as of /proc/PID/cgroup), if this mount shows it.

        A path with `..` in it is that of a group outside our cgroup namespace, or of none.
        """
        root = self.root.rstrip("/")
        if not path.startswith("/") or ".." in f"{path}/{root}".split("/"):
            return None
        if path != root and not path.startswith(f"{root}/"):
            return None
        inside = path[len(root) :].strip("/")
        return f"{self.point}/{inside}" if inside else self.point


def own_mounts() -> str:
    """The text that `mounts_in` reads; empty where it cannot be read."""
    return read("/proc/self/mountinfo", _MOST_MOUNTS) or ""


def mounts_in(text: str) -> Iterator[GroupMount]:
    """Those of control groups."""
    for line in text.split("\n"):
        before, _, after = line.partition(" - ")
        where, what = before.split(" "), after.split(" ")
        if len(where) < 5 or len(what) < 3:
            continue
        root, point = _unescaped(where[3]), _unescaped(where[4])
        if what[0] == "cgroup2":
            yield GroupMount(root, point, 2)
        elif what[0] == "cgroup":
            yield GroupMount(root, point, 1, tuple(what[2].split(",")))


def _unescaped(name: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), name)
