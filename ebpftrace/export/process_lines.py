"""What a snapshot knows of a process, as lines of text: who it was, its memory, and what bounds that."""

from collections.abc import Iterator, Mapping

from ebpftrace.analysis import wording
from ebpftrace.export.text import cut
from ebpftrace.model.snapshot import MemoryFigures, MemoryGroup, ProcessFacts
from ebpftrace.units import format_bytes, format_count, format_seconds

_STATUS = ("VmRSS", "RssAnon", "RssFile", "RssShmem", "VmSwap", "VmHWM")
_ROLLUP = ("Pss", "Pss_Anon", "AnonHugePages", "LazyFree")
# By the names of /proc/PID/limits: what an allocation fails for, and how its values are said.
_LIMITS = {
    "address space": format_bytes,
    "data size": format_bytes,
    "locked memory": format_bytes,
    "open files": format_count,
}
# What each limit of a memory group is a limit of, the first that is known.
_USED = {
    "memory.max": ("memory.current",),
    "memory.high": ("memory.current",),
    "memory.swap.max": ("memory.swap.current",),
    "memory.limit_in_bytes": ("memory.usage_in_bytes",),
    "memory.soft_limit_in_bytes": ("memory.usage_in_bytes",),
    "memory.memsw.limit_in_bytes": ("memory.memsw.usage_in_bytes",),
    "memory.kmem.limit_in_bytes": ("memory.kmem.usage_in_bytes",),
}
_USAGES = ("memory.current", "memory.usage_in_bytes")
_PEAKS = ("memory.peak", "memory.max_usage_in_bytes")
_EVENTS = ("high", "max", "oom", "oom_kill", "oom_kill_disable", "under_oom", "failcnt")
# Of memory.stat: what can be given back, and what cannot.
_STATISTICS = ("anon", "file", "total_rss", "total_cache")
# Figures this much older than the picture are not of its moment.
_LATE_S = 2.0
# After so long what is tracked may have grown past what was resident then.
_APART_S = 0.1


def process_lines(facts: ProcessFacts, tracked: int, now: float) -> Iterator[str]:
    """`tracked`: bytes that it holds in the picture; `now`: of that, in seconds since attach."""
    if facts.command_line:
        # Who names itself anew (setproctitle) leaves the rest of the old words as spaces.
        yield f"command  {cut(' '.join(facts.command_line).rstrip())}"
    yield f"process  {_origin(facts)}"
    if facts.memory is not None:
        yield f"memory   {_memory(facts.memory, tracked, now)}"
    if facts.group is not None:
        yield f"group    {cut(facts.group.path)}: {_group(facts.group)}"
    limits = _limits(facts)
    if limits:
        yield f"limits   {limits}"
    if facts.environment is not None:
        yield f"environ  {wording.many(len(facts.environment), 'variable')}, in --json"


def _origin(facts: ProcessFacts) -> str:
    started = "start not known"
    if facts.started is not None:
        started = f"started {facts.started.astimezone():%Y-%m-%d %H:%M:%S}"
    parent = "" if facts.parent is None else f" by pid {facts.parent}"
    ids = facts.users if len(set(facts.users)) > 1 else facts.users[:1]
    users = ", ".join(map(str, ids))
    noun = "user" if len(ids) == 1 else "users"
    return f"{started}{parent}{f', {noun} {users}' if users else ''}"


def _memory(memory: MemoryFigures, tracked: int, now: float) -> str:
    words = _sizes(memory.status, _STATUS, zeros=True)
    late = now - memory.status_at
    if memory.rollup is not None:
        at = memory.status_at if memory.rollup_at is None else memory.rollup_at
        words += _rolled(memory.rollup, memory.status_at - at)
    anonymous = memory.status.get("RssAnon") or memory.status.get("VmRSS")
    if anonymous:
        words.append(_share(tracked, anonymous, "RssAnon" in memory.status, late))
    return ", ".join(words) + (f", {format_seconds(late)} before" if late > _LATE_S else "")


def _sizes(figures: Mapping[str, int], names: tuple[str, ...], *, zeros: bool) -> list[str]:
    known = [(name, figures[name]) for name in names if name in figures]
    return [f"{name} {format_bytes(size)}" for name, size in known if size or zeros]


def _rolled(figures: Mapping[str, int], late: float) -> list[str]:
    """smaps_rollup is read more rarely than the rest; `late`: by how much before it."""
    words = _sizes(figures, _ROLLUP, zeros=False)
    if words and late > _LATE_S:
        return [f"{', '.join(words)} ({format_seconds(late)} before the others)"]
    return words


def _share(tracked: int, resident: int, anonymous: bool, late: float) -> str:
    name = "RssAnon" if anonymous else "VmRSS"
    if tracked > resident and late > _APART_S:
        return (
            f"tracked {format_bytes(tracked)}: more than {name} was {format_seconds(late)} before"
        )
    if tracked > resident:  # what was never written to has no page
        return f"tracked {format_bytes(tracked)}: more than {name}, so not all of it was touched"
    return f"tracked {format_bytes(tracked)}: {wording.percent(tracked, resident)} of {name}"


def _group(group: MemoryGroup) -> str:
    figures = group.figures
    words = [
        _near(name, limit, figures) for name, limit in group.limits.items() if limit is not None
    ]
    if not words:
        used = _first(figures, _USAGES)
        words.append("no limit" if used is None else f"{format_bytes(used)}, no limit")
    peak = _first(figures, _PEAKS)
    if peak is not None:
        words.append(f"peak {format_bytes(peak)}")
    for name, figure in figures.items():
        last = name.rpartition(".")[2]
        if name.startswith("memory.stat.") and last in _STATISTICS:
            words.append(f"{last} {format_bytes(figure)}")
        elif figure and last in _EVENTS:
            words.append(f"{name} {format_count(figure)}")
    return ", ".join(words)


def _near(name: str, limit: int, figures: Mapping[str, int]) -> str:
    used = _first(figures, _USED.get(name, ()))
    if used is None:
        return f"{name} {format_bytes(limit)}"
    share = f" ({100 * used / limit:.0f} %)" if limit > 0 else ""
    return f"{format_bytes(used)} of {name} {format_bytes(limit)}{share}"


def _first(figures: Mapping[str, int], names: tuple[str, ...]) -> int | None:
    return next((figures[name] for name in names if name in figures), None)


def _limits(facts: ProcessFacts) -> str:
    """Those that matter, where there is one: the soft limit is what acts."""
    words = []
    for name, limit in facts.limits.items():
        known = name.casefold().removeprefix("max ")
        if known in _LIMITS and limit.soft is not None:
            words.append(f"{known} {_LIMITS[known](limit.soft)}")
    return ", ".join(words)
