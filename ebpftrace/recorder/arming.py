"""Which alarms can be had here, and for each that cannot, why."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ebpftrace.recorder import group_v1, group_v2, pressure
from ebpftrace.recorder.alarms import Alarm
from ebpftrace.recorder.conditions import Condition
from ebpftrace.recorder.thresholds import threshold
from ebpftrace.target import pressure as stalls
from ebpftrace.text import clean

DirectoryOf = Callable[[int], tuple[str, int] | None]
"""The directory of a process's memory group and its version; None where there is none."""

_OF_ROOT = "Out of memory is told of no memory group: that of the whole host has no limit."


class Armed(NamedTuple):
    """`missing`: a sentence for each that cannot be had, or only less well."""

    alarms: list[Alarm]
    missing: list[str]


class _Group(NamedTuple):
    directory: Path
    version: int
    name: str


def arm(pids: Iterable[int], conditions: Sequence[Condition], directory_of: DirectoryOf) -> Armed:
    """What was asked for, and out of memory in the groups of these processes."""
    armed = Armed([], [])
    with ExitStack() as undo:
        undo.callback(_close, armed.alarms)
        groups = _groups(pids, directory_of)
        for condition in conditions:
            if condition.what == "pressure":
                _pressure(condition, groups, armed)
            else:
                armed.alarms.append(threshold(condition))
        for group in groups:
            if group.version == 1:
                _group_v1(group, armed)
        _groups_v2([group for group in groups if group.version == 2], armed)
        if not groups:
            armed.missing.append(_OF_ROOT)
        undo.pop_all()
    return armed


def _groups(pids: Iterable[int], directory_of: DirectoryOf) -> list[_Group]:
    """Each once."""
    found = dict.fromkeys(filter(None, map(directory_of, pids)))
    return [_Group(Path(path), version, clean(path)) for path, version in found]


def _pressure(condition: Condition, groups: Sequence[_Group], armed: Armed) -> None:
    places = {
        stalls.file_of(group.directory if group.version == 2 else None): group.name
        for group in groups
    } or {stalls.HOST: ""}
    for file, name in places.items():
        where = "this host" if file == stalls.HOST else f"memory group {name}"
        alarm, why = _first(
            partial(pressure.Stall, file, condition.limit, where),
            partial(pressure.Average, file, condition.limit, where),
        )
        if alarm is None:
            armed.missing.append(
                f"--on {condition.text} cannot be had: {clean(str(file))}: {why}; the kernel needs "
                "CONFIG_PSI, and psi=1 on its command line where it is off."
            )
        elif why is not None:
            armed.missing.append(
                f"Pressure is looked at with each picture only: {clean(str(file))} takes no "
                f"trigger: {why}."
            )
        _add(alarm, armed)


def _group_v1(group: _Group, armed: Armed) -> None:
    # Only the root has this file. It has no limit.
    if (group.directory / "release_agent").exists():
        armed.missing.append(_OF_ROOT)
        return
    alarm, why = _first(
        partial(group_v1.OutOfMemory, group.directory, group.name),
        partial(group_v1.Kills, group.directory, group.name),
    )
    if alarm is None:
        armed.missing.append(f"Out of memory is not told: memory group {group.name}: {why}.")
    elif why is not None:
        armed.missing.append(
            f"Out of memory is looked at with each picture only: memory group {group.name} takes "
            f"no listener: {why}."
        )
    _add(alarm, armed)


def _groups_v2(groups: Sequence[_Group], armed: Armed) -> None:
    """What is above several of them is looked at once."""
    files = {group.directory: group_v2.event_files(group.directory) for group in groups}
    if not all(files.values()):
        armed.missing.append(_OF_ROOT)
    for file in dict.fromkeys(file for some in files.values() for file in some):
        name = clean(str(file.parent))
        alarm, why = _first(partial(group_v2.MemoryEvents, file, name))
        if alarm is None:
            armed.missing.append(f"Out of memory is not told: memory group {name}: {why}.")
        _add(alarm, armed)


def _first(*ways: Callable[[], Alarm]) -> tuple[Alarm | None, str | None]:
    """The first of these that can be had, and why the ones before it could not."""
    why: str | None = None
    for way in ways:
        try:
            return way(), why
        except OSError as error:
            why = why or error.strerror or str(error)
    return None, why


def _add(alarm: Alarm | None, armed: Armed) -> None:
    if alarm is not None:
        armed.alarms.append(alarm)


def _close(alarms: Iterable[Alarm]) -> None:
    for alarm in alarms:
        alarm.close()
