"""A line of `--json` back to the picture that it was written from (export/jsonl.py writes it).

A key that an older version did not write takes its default, and one that is not known is passed over.
Nothing else is forgiven: the file may come from anywhere.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from ebpftrace.model.picture import Picture
from ebpftrace.snapshot.jsonl.schema import NAME, SCHEMA
from ebpftrace.snapshot.jsonl.sites import Sites
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
    truth,
    whole,
)

# An empty array takes 3 bytes of a line and 64 of memory: 64 MB of them would take 1.4 GB. A cohort,
# the smallest thing that is one in a real line, has 14 bytes at least.
_MOST_PARTS = 5_000_000


class NoJson(Unfit):
    """It cannot be read as JSON at all, as a line that was cut."""


class GaveUp(Exception):
    """The caller said so while a line was read."""


class Recorded(NamedTuple):
    """`left_out` sites are counted in the totals, but were below --top when this was written."""

    picture: Picture
    left_out: int


class Reader:
    """Reads the lines of one recording, in their order: what is equal in them is shared.

    `gives_up` is asked often while a line is read, and ends that with GaveUp.
    """

    def __init__(self, gives_up: Callable[[], bool] = lambda: False) -> None:
        self._sites = Sites()
        self._gives_up = gives_up
        self._decoder = json.JSONDecoder(object_hook=self._took, parse_constant=_refuse)

    def read(self, line: bytes) -> Recorded:
        """The picture of a line. Unfit where it holds none, with the reason."""
        self._sites.turn()
        said = self._decoded(line)
        if type(said) is not dict or type(said.get("schema")) is not str:
            raise Unfit("it has no schema: it was not written by ebpftrace --json")
        _check_schema(said["schema"])
        now = number(needed(said, "since_attach_s"), "since_attach_s", most=MOST_SECONDS)
        targets = tuple(
            target_of(one, self._sites.name) for one in array(needed(said, "targets"), "targets")
        )
        slots = {target.pid: target.slot for target in targets}
        sites = []
        for one in array(needed(said, "sites"), "sites"):
            self._look()
            sites.append(self._sites.site(one, now, slots))
        if len({site.at.id for site in sites}) < len(sites):
            raise Unfit("two of its sites have the same id")
        growth, mapped = said.get("growth_bytes_per_s"), said.get("mapped")
        others = object_of(said.get("others", {}), "others")
        stacks = object_of(said.get("stacks", {}), "stacks")
        totals = counts_of(object_of(needed(said, "totals"), "totals"))
        counted = totals.allocated_blocks + totals.adopted_blocks
        seen = whole(stacks.get("allocations", counted), "allocations", most=2 * MOST_COUNT)
        picture = Picture(
            time=moment(needed(said, "time"), "time"),
            since_attach_s=now,
            targets=targets,
            totals=totals,
            growth=None if growth is None else signed(growth, "growth_bytes_per_s"),
            sites=tuple(sites),
            losses=losses_of(object_of(said.get("losses", {}), "losses")),
            cost=cost_of(object_of(said.get("cost", {}), "cost"), self._sites.name),
            mode=self._sites.name(said.get("mode", "full"), "mode"),
            final=truth(said.get("final", False), "final"),
            filters=names(said.get("filters", []), "filters", self._sites.name),
            stack_depth=whole(stacks.get("depth", 127), "depth"),
            naming=naming_of(object_of(said.get("naming", {}), "naming"), self._sites.name),
            mapped=None if mapped is None else counts_of(object_of(mapped, "mapped")),
            waiting_for=names(said.get("waiting_for", []), "waiting_for", self._sites.name),
            drain=drain_of(said.get("drain")),
            error=error_of(object_of(said["totals"], "totals")),
            scale=whole(said.get("scale", 1), "scale"),
            unseen=max(0, counted - seen),
            mode_changes=mode_changes_of(said.get("mode_changes", []), self._sites.name),
        )
        return Recorded(picture, whole(others.get("sites", 0), "others"))

    def _decoded(self, line: bytes) -> Any:
        if line.count(b"{") + line.count(b"[") > _MOST_PARTS:
            raise Unfit(f"it has more than {_MOST_PARTS} objects and arrays")
        try:
            return self._decoder.decode(line.decode("utf-8", "surrogateescape"))
        except RecursionError:
            raise Unfit("its objects and arrays are nested too deep") from None
        except ValueError as error:
            raise NoJson("it is not JSON") from error

    def _took(self, given: Object) -> Object:
        """An object that was just read: 100,000 stacks would take 100 MB until all of it is."""
        self._look()
        if type(given.get("frames")) is list:
            with suppress(Unfit):  # an error only if it is a site's
                given["frames"] = self._sites.frames(given["frames"])
        return given

    def _look(self) -> None:
        if self._gives_up():
            raise GaveUp


def _check_schema(schema: str) -> None:
    if schema == SCHEMA:
        return
    name, _, version = schema.rpartition("/")
    if name != NAME:
        raise Unfit("its schema is another program's")
    raise Unfit(f"its schema is version {version[:20]!a}, of which this ebpftrace knows nothing")


def _refuse(constant: str) -> Any:
    raise Unfit(f"it holds {constant}, which is no number")
