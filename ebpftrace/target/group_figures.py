"""What the files of a memory control group say: limits, figures, who was killed in it.

Names are those of the files, with the key behind for a line of one: `memory.events.oom_kill`.
"""

from ebpftrace.kernelfiles import counters, read, whole
from ebpftrace.target.memory_group import GroupPlace, upwards
from ebpftrace.text import clean

_MOST = 64 << 10
_UNLIMITED = 1 << 62  # version 1 says "none" as the most pages that it can count, in bytes

_LIMITS = {
    1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"),
    2: ("memory.max", "memory.high", "memory.swap.max"),
}
_NUMBERS = {
    1: (
        "memory.usage_in_bytes",
        "memory.max_usage_in_bytes",
        "memory.memsw.usage_in_bytes",
        "memory.failcnt",
    ),
    2: ("memory.current", "memory.peak", "memory.swap.current"),
}
_EVENTS = {1: "memory.oom_control", 2: "memory.events"}
_STATISTICS = {
    1: {
        f"total_{name}"
        for name in ("rss", "cache", "shmem", "swap", "mapped_file", "unevictable", "pgmajfault")
    },
    2: {
        "anon",
        "file",
        "kernel",
        "kernel_stack",
        "pagetables",
        "sock",
        "shmem",
        "slab",
        "file_mapped",
        "unevictable",
        "pgmajfault",
    },
}


def limits_of(place: GroupPlace) -> dict[str, int | None]:
    """By the names of files: the smallest up the tree, None for no limit. Some 10 us a level."""
    found: dict[str, int | None] = {}
    for directory in upwards(place):
        if directory != place.directory and _number(f"{directory}/memory.use_hierarchy") == 0:
            break  # version 1 before 5.11: what is above does not bind
        for name in _LIMITS[place.version]:
            text = read(f"{directory}/{name}", _MOST)
            if text is None:
                continue
            limit = whole(text)
            if limit is not None and limit >= _UNLIMITED:
                limit = None
            before = found.get(name)
            found[name] = min((one for one in (before, limit) if one is not None), default=None)
    return found


def figures_of(place: GroupPlace) -> dict[str, int]:
    """By the names of files, and `memory.events.oom_kill` for a line of one; what is not there is left out."""
    found = {}
    for name in _NUMBERS[place.version]:
        number = _number(f"{place.directory}/{name}")
        if number is not None:
            found[name] = number
    return found | _lines(place, _EVENTS[place.version])


def statistics_of(place: GroupPlace) -> dict[str, int]:
    """Some of memory.stat, named as above. The kernel sums it up over all processors for this."""
    wanted = {f"memory.stat.{name}" for name in _STATISTICS[place.version]}
    return {name: n for name, n in _lines(place, "memory.stat").items() if name in wanted}


def killed_in(place: GroupPlace) -> int | None:
    """Processes of the group that the kernel has ended for want of memory (fe6bdfc8e1e1, 4.13)."""
    name = _EVENTS[place.version]
    return _lines(place, name).get(f"{name}.oom_kill")


def _lines(place: GroupPlace, name: str) -> dict[str, int]:
    """A file of `key number` lines, by `name.key`."""
    lines = counters(read(f"{place.directory}/{name}", _MOST) or "")
    return {f"{name}.{clean(key)}": number for key, number in lines.items()}


def _number(path: str) -> int | None:
    return whole(read(path, _MOST) or "")


def killed_on_host() -> int | None:
    """The same of the whole host."""
    return counters(read("/proc/vmstat", _MOST) or "").get("oom_kill")
