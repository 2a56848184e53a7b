"""How much of the processors the control groups of a process leave it."""

from ebpftrace.kernelfiles import read
from ebpftrace.target.group_mounts import own_mounts
from ebpftrace.target.memory_group import candidates, upwards

_MOST_GROUPS = 64 << 10
_MOST_TEXT = 64


def cpu_limit(pid: int) -> float | None:
    """Processors that `pid` and its group may use at once, 0.5 for one; None: there is no limit to be seen.

    The least one on the way up counts (cgroup v2 cpu.max, v1 cpu.cfs_quota_us).
    """
    groups = read(f"/proc/{pid}/cgroup", _MOST_GROUPS)
    if groups is None:
        return None
    places = candidates(groups, own_mounts(), "cpu")
    limits = (_of(directory) for place in places for directory in upwards(place))
    return min((limit for limit in limits if limit is not None), default=None)


def _of(directory: str) -> float | None:
    together = read(f"{directory}/cpu.max", _MOST_TEXT)
    if together is not None:
        return quota(together)
    parts = [read(f"{directory}/cpu.cfs_{name}_us", _MOST_TEXT) for name in ("quota", "period")]
    return None if None in parts else quota(" ".join(map(str, parts)))


def quota(text: str) -> float | None:
    """Of "QUOTA PERIOD", in microseconds; None of `max`, of -1, and of what is no such text."""
    words = text.split()
    if len(words) != 2 or not all(word.isdecimal() for word in words) or not int(words[1]):
        return None
    return int(words[0]) / int(words[1])
