"""The sections `facts` and `processes` back to what they were written from. Unfit for others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import (
    Host,
    Limit,
    MappedRange,
    MemoryFigures,
    MemoryGroup,
    ProcessFacts,
    Trigger,
)
from ebpftrace.snapshot.parts import (
    cost_of,
    counts_of,
    drain_of,
    error_of,
    losses_of,
    mode_changes_of,
    moment,
    names,
    naming_of,
    target_of,
)
from ebpftrace.snapshot.values import (
    MOST_COUNT,
    MOST_SECONDS,
    Object,
    Unfit,
    array,
    needed,
    number,
    object_of,
    signed,
    text,
    truth,
    whole,
)
from ebpftrace.text import clean

T = TypeVar("T")


class Facts(NamedTuple):
    """`picture` is without sites. `blocks`: were single ones kept?"""

    picture: Picture
    trigger: Trigger
    watch: str
    tool: str
    host: Host | None
    blocks: bool
    notes: tuple[str, ...]


def name(value: object, key: str) -> str:
    return clean(text(value, key))


def facts_of(said: Object) -> Facts:
    growth, host = said.get("growth_bytes_per_s"), said.get("host")
    mapped = said.get("mapped")
    trigger = _part(said, "trigger")
    picture = Picture(
        time=moment(needed(said, "time"), "time"),
        since_attach_s=_seconds(said, "since_attach_s"),
        targets=tuple(target_of(one, name) for one in array(needed(said, "targets"), "targets")),
        totals=counts_of(_part(said, "totals")),
        growth=None if growth is None else signed(growth, "growth_bytes_per_s"),
        sites=(),
        losses=losses_of(_part(said, "losses")),
        cost=cost_of(_part(said, "cost"), name),
        mode=_name(said, "mode"),
        final=truth(needed(said, "final"), "final"),
        filters=names(needed(said, "filters"), "filters", name),
        stack_depth=whole(needed(said, "stack_depth"), "stack_depth"),
        naming=naming_of(_part(said, "naming"), name),
        mapped=None if mapped is None else counts_of(object_of(mapped, "mapped")),
        waiting_for=names(said.get("waiting_for", []), "waiting_for", name),
        drain=drain_of(said.get("drain")),
        error=error_of(said),
        scale=whole(said.get("scale", 1), "scale"),
        unseen=whole(said.get("unseen_blocks", 0), "unseen_blocks"),
        mode_changes=mode_changes_of(said.get("mode_changes", []), name),
    )
    return Facts(
        picture=picture,
        trigger=Trigger(_name(trigger, "kind"), _name(trigger, "sentence")),
        watch=_name(said, "watch"),
        tool=_name(said, "tool"),
        host=None if host is None else _host(object_of(host, "host")),
        blocks=truth(needed(said, "blocks"), "blocks"),
        notes=names(needed(said, "notes"), "notes", name),
    )


def processes_of(
    said: Object, mappings: Mapping[int, Sequence[MappedRange]]
) -> tuple[ProcessFacts, ...]:
    """`mappings` by the place of their process."""
    given = array(needed(said, "processes"), "processes")
    if any(place >= len(given) for place in mappings):
        raise Unfit("a mapping is of no process")
    return tuple(_process(one, tuple(mappings.get(n, ()))) for n, one in enumerate(given))


def _process(given: object, mappings: tuple[MappedRange, ...]) -> ProcessFacts:
    said = object_of(given, "a process")
    parent, environment = said.get("parent"), said.get("environment")
    memory, group = said.get("memory"), said.get("group")
    return ProcessFacts(
        pid=Pid(_whole(said, "pid")),
        slot=Slot(_whole(said, "slot")),
        command_line=names(needed(said, "command_line"), "command_line", name),
        started=_maybe(said, "started", moment),
        parent=None if parent is None else Pid(whole(parent, "parent")),
        users=tuple(whole(one, "users") for one in array(needed(said, "users"), "users")),
        limits={name(key, "limits"): _limit(one) for key, one in _part(said, "limits").items()},
        memory=None if memory is None else _memory(object_of(memory, "memory")),
        group=None if group is None else _group(object_of(group, "group")),
        mappings=mappings,
        environment=None if environment is None else names(environment, "environment", name),
    )


def _limit(given: object) -> Limit:
    pair = array(given, "a limit")
    if len(pair) != 2:
        raise Unfit("a limit is not one of two numbers")
    return Limit(*(None if one is None else whole(one, "a limit") for one in pair))


def _memory(said: Object) -> MemoryFigures:
    rollup, rollup_at = said.get("rollup"), said.get("rollup_at")
    return MemoryFigures(
        status=_figures(said, "status"),
        status_at=_seconds(said, "status_at"),
        rollup=None if rollup is None else _figures(said, "rollup"),
        rollup_at=None if rollup_at is None else _seconds(said, "rollup_at"),
    )


def _group(said: Object) -> MemoryGroup:
    limits = _part(said, "limits").items()
    return MemoryGroup(
        path=_name(said, "path"),
        version=_whole(said, "version"),
        limits={name(key, "limits"): None if n is None else _figure(n, key) for key, n in limits},
        figures=_figures(said, "figures"),
    )


def _host(said: Object) -> Host:
    return Host(
        name=_name(said, "name"),
        kernel=_name(said, "kernel"),
        machine=_name(said, "machine"),
        distribution=_name(said, "distribution"),
        boot=_maybe(said, "boot", name),
        processors=_whole(said, "processors"),
        page_size=_whole(said, "page_size"),
        memory_bytes=_maybe(said, "memory_bytes", whole),
        available_bytes=_maybe(said, "available_bytes", whole),
    )


def _figures(said: Object, key: str) -> dict[str, int]:
    return {name(one, key): _figure(figure, one) for one, figure in _part(said, key).items()}


def _figure(value: object, key: str) -> int:
    return whole(value, clean(key), -MOST_COUNT)


def _part(said: Object, key: str) -> Object:
    return object_of(needed(said, key), key)


def _name(said: Object, key: str) -> str:
    return name(needed(said, key), key)


def _whole(said: Object, key: str) -> int:
    return whole(needed(said, key), key)


def _seconds(said: Object, key: str) -> float:
    """Since attach; what was read before the first moment of it is negative."""
    return number(needed(said, key), key, -MOST_SECONDS, MOST_SECONDS)


def _maybe(said: Object, key: str, made: Callable[[Any, str], T]) -> T | None:
    value = said.get(key)
    return None if value is None else made(value, key)
