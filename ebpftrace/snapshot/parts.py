"""The small parts of a picture, of the keys that JSON and snapshots have for them. Unfit for others.

A key that an older version did not write takes its default, and one that is not known is passed over.
`name` makes clean text of a value, and is told its key.
"""

from collections.abc import Callable
from datetime import datetime, timezone
from operator import itemgetter

from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.losses import LOSSES, Losses
from ebpftrace.model.modes import Level, ModeChange
from ebpftrace.model.picture import Cost, Counts, Drain, Naming, Target
from ebpftrace.snapshot import values
from ebpftrace.snapshot.values import (
    MOST_COUNT,
    MOST_SECONDS,
    Object,
    Unfit,
    array,
    needed,
    number,
    object_of,
    truth,
    whole,
)

Name = Callable[[object, str], str]

_COUNTS = itemgetter(*Counts._fields)
_UNKNOWN = (None,) * (len(Counts._fields) - 2)

_YEARS = range(1971, 9000)  # views turn times into local ones, which the calendar has to hold


def moment(value: object, key: str) -> datetime:
    said = values.text(value, key)
    try:
        # Python 3.10 reads no Z.
        made = datetime.fromisoformat(said[:-1] + "+00:00" if said.endswith("Z") else said)
    except ValueError:
        raise Unfit(f"{key} is no time as 2026-11-20T12:00:00.123Z") from None
    if made.tzinfo is None or made.year not in _YEARS:
        raise Unfit(f"{key} has no time zone, or is out of range")
    return made.astimezone(timezone.utc)


def names(given: object, key: str, name: Name) -> tuple[str, ...]:
    return tuple([name(one, key) for one in array(given, key)])


def error_of(said: Object) -> float | None:
    """Of a site or of the totals; None where they are counted, and as of versions that only counted."""
    given = said.get("error_bytes")
    return None if given is None else number(given, "error_bytes")


def mode_changes_of(given: object, name: Name) -> tuple[ModeChange, ...]:
    """None as of versions that had one mode."""
    return tuple(
        _mode_change(object_of(one, "a change of mode"), name)
        for one in array(given, "mode_changes")
    )


def _mode_change(said: Object, name: Name) -> ModeChange:
    level = Level(name(needed(said, "mode"), "mode"), whole(needed(said, "scale"), "scale"))
    at = number(needed(said, "at_s"), "at_s", most=MOST_SECONDS)
    return ModeChange(at, level, name(needed(said, "why"), "why"))


def drain_of(given: object) -> Drain | None:
    """None as of versions that could not drain."""
    if given is None:
        return None
    said = object_of(given, "drain")
    since = said.get("since_s")
    return Drain(
        None if since is None else number(since, "since_s", most=MOST_SECONDS),
        number(needed(said, "unrecorded_s"), "unrecorded_s", most=MOST_SECONDS),
    )


def counts_of(said: Object) -> Counts:
    try:
        values = _COUNTS(said)
    except KeyError as error:
        raise Unfit(f"{error.args[0]} is missing") from None
    if values[2:] == _UNKNOWN:  # of mode growth, which does not know what was given back
        values = (*values[:2], 0, 0, 0, 0)
    for value in values:
        if type(value) is not int or not 0 <= value <= MOST_COUNT:
            key = next(key for key, one in zip(Counts._fields, values, strict=True) if one is value)
            whole(value, key)
    return Counts(*values)


def target_of(given: object, name: Name) -> Target:
    said = object_of(given, "a target")

    def maybe(key: str) -> str | None:
        return None if said.get(key) is None else name(said[key], key)

    ended = maybe("ended")
    if ended is None and not truth(said.get("alive", True), "alive"):
        ended = "exited"
    missed = said.get("missed_s")
    rss, grown = said.get("rss_bytes"), said.get("rss_growth_bytes")
    return Target(
        pid=Pid(whole(needed(said, "pid"), "pid of a target")),
        comm=name(needed(said, "comm"), "comm"),
        exe=name(needed(said, "exe"), "exe"),
        slot=Slot(whole(said.get("slot", 0), "slot")),
        allocators=names(said.get("allocators", []), "allocators", name),
        rss_bytes=None if rss is None else whole(rss, "rss_bytes"),
        rss_growth_bytes=None if grown is None else whole(grown, "rss_growth_bytes", -MOST_COUNT),
        ended=ended,
        backend=maybe("backend"),
        blind_s=number(said.get("blind_s", 0.0), "blind_s", most=MOST_SECONDS),
        ended_by=maybe("ended_by"),
        missed_s=None if missed is None else number(missed, "missed_s", most=MOST_SECONDS),
        programs=whole(said.get("programs", 1), "programs"),
    )


def naming_of(said: Object, name: Name) -> Naming:
    return Naming(
        wanted=whole(said.get("wanted", 0), "wanted"),
        pending=whole(said.get("pending", 0), "pending"),
        notes=names(said.get("notes", []), "notes", name),
    )


def cost_of(said: Object, name: Name) -> Cost:
    fills = object_of(said.get("map_fill_percent", {}), "map_fill_percent")

    def rate(key: str) -> float | None:
        return None if said.get(key) is None else number(said[key], key)

    def size(key: str) -> int | None:
        return None if said.get(key) is None else whole(said[key], key)

    return Cost(
        hits_per_s=rate("hits_per_s"),
        target_cpu_percent=rate("target_cpu_percent"),
        tool_cpu_percent=rate("tool_cpu_percent"),
        tool_rss_bytes=size("tool_rss_bytes"),
        kernel_bytes=size("kernel_bytes"),
        slowed_to_s=rate("slowed_to_s"),
        forecast_percent={
            name(level, "a level"): number(percent, "forecast_percent")
            for level, percent in object_of(
                said.get("forecast_percent", {}), "forecast_percent"
            ).items()
        },
        map_fill_percent={
            name(kernel_map, "a map"): number(fill, "map_fill_percent")
            for kernel_map, fill in fills.items()
        },
    )


def losses_of(said: Object) -> Losses:
    """One that is missing could not be detected by the version that wrote this."""
    counts = ((loss.name, said.get(loss.name)) for loss in LOSSES)
    return Losses({name: None if n is None else whole(n, name) for name, n in counts})
