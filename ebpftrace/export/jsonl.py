"""One picture as one line of JSON: schema `ebpftrace.picture/1` (snapshot/jsonl/schema.py).

Every key is always there; what is not known is null. `snapshot.jsonl` reads it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TextIO

from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.analysis.suppressed import Suppressed
from ebpftrace.analysis.trend import Trend, Trends
from ebpftrace.model.epochs import length_of, start_of
from ebpftrace.model.frames import Frame
from ebpftrace.model.modes import ModeChange
from ebpftrace.model.picture import MAPPINGS, Cohort, Counts, Drain, Picture, Site, Target
from ebpftrace.snapshot.jsonl.schema import SCHEMA

_NOT_OF_GROWTH = ("freed_blocks", "freed_bytes", "adopted_blocks", "adopted_bytes")
_PIECE = 1 << 18  # characters that are handed on at a time, at least

Encode = Callable[[Any], str]


def write(picture: Picture, selection: Selection, out: TextIO) -> None:
    """Write one line and flush it."""
    emit_pieces(pieces(picture, selection, encoder(out)), out)


def emit(made: dict[str, Any], out: TextIO) -> None:
    """Write JSON types as one line and flush it, as ASCII where `out` does not take UTF-8."""
    # As one text: what json itself writes in parts is made in Python, in ten times the time.
    emit_pieces([encoder(out)(made)], out)


def emit_pieces(made: Iterable[str], out: TextIO) -> None:
    """Write the pieces of one line and flush it."""
    out.writelines(made)
    out.write("\n")
    out.flush()


def encoder(out: TextIO) -> Encode:
    """JSON types as text: as ASCII where `out` does not take UTF-8."""
    in_utf8 = (out.encoding or "utf-8").lower().replace("-", "") == "utf8"
    return json.JSONEncoder(ensure_ascii=not in_utf8, separators=(",", ":")).encode


def pieces(picture: Picture, selection: Selection, encode: Encode, **more: Any) -> Iterator[str]:
    """The text of one object: the picture, then `more` keys.

    `sites` are the selected ones, `others` sums up the rest; `suppressed` ones are in neither.
    """
    chosen = select(picture, selection)
    yield encode(_head(picture))[:-1] + ',"sites":['
    sites = _Sites(picture, selection.rules, encode)
    yield from _joined(map(sites.text, chosen.sites))
    rest = {
        "others": {
            "sites": chosen.others.sites,
            "blocks": chosen.others.blocks,
            "bytes": chosen.others.bytes,
        },
        "suppressed": suppressed_object(chosen.suppressed),
        **_tail(picture),
        **more,
    }
    yield "]," + encode(rest)[1:]


def _head(picture: Picture) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "final": picture.final,
        "time": moment(picture.time),
        "since_attach_s": round(picture.since_attach_s, 3),
        "mode": picture.mode,
        "scale": picture.scale,
        "mode_changes": [mode_change_object(one) for one in picture.mode_changes],
        "drain": drain_object(picture.drain),
        "filters": list(picture.filters),
        "waiting_for": list(picture.waiting_for),
        "targets": [target_object(target) for target in picture.targets],
        "totals": {
            **counts_object(picture.totals, only_grown=picture.mode == "growth"),
            "error_bytes": _whole(picture.error),
        },
        "mapped": None if picture.mapped is None else counts_object(picture.mapped),
        "growth_bytes_per_s": _rounded(picture.growth, 1),
    }


def _tail(picture: Picture) -> dict[str, Any]:
    cost = picture.cost
    return {
        "stacks": picture.stacks._asdict(),
        "naming": {**picture.naming._asdict(), "notes": list(picture.naming.notes)},
        "losses": dict(picture.losses),
        "cost": {
            "hits_per_s": _rounded(cost.hits_per_s, 1),
            "target_cpu_percent": _rounded(cost.target_cpu_percent, 2),
            "tool_cpu_percent": _rounded(cost.tool_cpu_percent, 2),
            "tool_rss_bytes": cost.tool_rss_bytes,
            "kernel_bytes": cost.kernel_bytes,
            "slowed_to_s": _rounded(cost.slowed_to_s, 3),
            "forecast_percent": {n: round(v, 2) for n, v in cost.forecast_percent.items()},
            "map_fill_percent": {n: round(v, 3) for n, v in cost.map_fill_percent.items()},
        },
    }


def mode_change_object(change: ModeChange) -> dict[str, Any]:
    level = change.level
    return {
        "at_s": round(change.at_s, 3),
        "mode": level.mode,
        "scale": level.scale,
        "why": change.why,
    }


def drain_object(drain: Drain | None) -> dict[str, float | None] | None:
    """None where all allocations were recorded."""
    if drain is None:
        return None
    return {
        "since_s": _rounded(drain.since_s, 3),
        "unrecorded_s": round(drain.unrecorded_s, 3),
    }


def moment(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def frame_object(frame: Frame) -> dict[str, Any]:
    """A frame, in the order in which a stack has them: from the allocation outward."""
    return {
        "function": frame.function,
        "file": frame.file,
        "line": frame.line,
        "column": frame.column,
        "inlined": frame.inlined,
        "module": frame.module,
        "build_id": frame.build_id,
        "offset": frame.offset,
        "address": frame.address,
        "source": frame.source,
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def target_object(target: Target) -> dict[str, Any]:
    return {
        "pid": target.pid,
        "comm": target.comm,
        "exe": target.exe,
        "alive": target.alive,
        "ended": target.ended,
        "ended_by": target.ended_by,
        "slot": target.slot,
        "allocators": list(target.allocators),
        "rss_bytes": target.rss_bytes,
        "rss_growth_bytes": target.rss_growth_bytes,
        "backend": target.backend,
        "blind_s": round(target.blind_s, 4),
        "missed_s": _rounded(target.missed_s, 4),
        "programs": target.programs,
    }


def counts_object(counts: Counts, *, only_grown: bool = False) -> dict[str, Any]:
    """`only_grown`: what was given back is not known."""
    unknown = dict.fromkeys(_NOT_OF_GROWTH) if only_grown else {}
    return {"blocks": counts.blocks, "bytes": counts.bytes, **counts._asdict(), **unknown}


def _joined(parts: Iterable[str]) -> Iterator[str]:
    """With commas between, many in a piece: a write for each would take as long as making them."""
    begun: list[str] = []
    size, comma = 0, ""
    for part in parts:
        begun.append(part)
        size += len(part)
        if size >= _PIECE:
            yield comma + ",".join(begun)
            begun.clear()
            size, comma = 0, ","
    if begun:
        yield comma + ",".join(begun)


class _Begun(dict[int, str]):
    """Of each epoch what a cohort of it begins with: its start and length in seconds."""

    def __missing__(self, epoch: int) -> str:
        text = self[epoch] = f"[{start_of(epoch)},{length_of(epoch)},"
        return text


class _Sites:
    """The text of the sites of a picture.

    What they share is encoded once: a million frames of 50,000 stacks are a few thousand. The rest
    is put together as text: as objects it took 2 s of such a picture, and 0.5 GB.
    """

    def __init__(self, picture: Picture, rules: Rules, encode: Encode) -> None:
        now = self._now = picture.since_attach_s
        self._of_growth = picture.mode == "growth"
        self._rules = rules
        self._encode = encode
        self._trends = Trends(now)
        self._frames: dict[int, str] = {}
        self._names: dict[str | None, str] = {}
        self._numbers: dict[float | None, str] = {}
        self._begun = _Begun()
        self._ages: dict[tuple[Trend, tuple[Cohort, ...]], str] = {}

    def text(self, site: Site) -> str:
        """One object."""
        at, counts, name = site.at, site.counts, self._name
        allocated_blocks, allocated, *others = counts
        gone = self._of_growth and at.family != MAPPINGS  # not known
        freed_blocks, freed, adopted_blocks, adopted = [None] * 4 if gone else others
        whole = _integer
        oldest = None if site.oldest_at is None else round(self._now - site.oldest_at, 3)
        index = responsible(at.frames, self._rules)
        return (
            f'{{"id":{self._encode(at.id)},"pid":{at.pid},'
            f'"family":{name(at.family)},"allocator":{name(at.allocator)},'
            f'"blocks":{counts.blocks},"bytes":{counts.bytes},'
            f'"allocated_blocks":{allocated_blocks},"allocated_bytes":{allocated},'
            f'"freed_blocks":{whole(freed_blocks)},"freed_bytes":{whole(freed)},'
            f'"adopted_blocks":{whole(adopted_blocks)},"adopted_bytes":{whole(adopted)},'
            f'"oldest_s":{self._number(oldest)},'
            f'"error_bytes":{whole(_whole(site.error))},'
            f'"growth_bytes_per_s":{self._number(_rounded(site.growth, 1))},'
            f"{self._by_age(site)},"
            f'"complete":{_truth(at.complete)},"guessed":{_truth(at.guessed)},'
            f'"end":{name(at.end)},"responsible":{"null" if index is None else index},'
            f'"frames":[{self._stack(at.frames)}]}}'
        )

    def _stack(self, frames: Sequence[Frame]) -> str:
        known = self._frames
        try:
            return ",".join([known[id(frame)] for frame in frames])
        except KeyError:
            known.update((id(frame), self._encode(frame_object(frame))) for frame in frames)
        return self._stack(frames)

    def _by_age(self, site: Site) -> str:
        """What depends on the time of birth alone."""
        key = self._trends.of(site), site.cohorts
        known = self._ages.get(key)
        if known is None:
            begun = self._begun
            cohorts = ",".join(
                [
                    f"{begun[epoch]}{blocks},{size},{adopted}]"
                    for epoch, blocks, size, adopted in site.cohorts
                ]
            )
            trend = self._encode(_trend(key[0]))
            known = self._ages[key] = f'"trend":{trend},"cohorts":[{cohorts}]'
        return known

    def _name(self, name: str | None) -> str:
        known = self._names.get(name)
        if known is None:
            known = self._names[name] = self._encode(name)
        return known

    def _number(self, number: float | None) -> str:
        """No integer: 0 and 0.0 are one key."""
        known = self._numbers.get(number)
        if known is None:
            known = self._numbers[number] = self._encode(number)
        return known


def _integer(value: int | None) -> str:
    return "null" if value is None else str(value)


def _truth(value: bool | None) -> str:
    return "null" if value is None else "true" if value else "false"


def suppressed_object(hidden: Suppressed) -> dict[str, Any]:
    return {**hidden._asdict(), "by": [one._asdict() for one in hidden.by]}


def _trend(trend: Trend) -> dict[str, Any]:
    word, rate, low, high = trend
    return {
        "word": word,
        "bytes_per_s": _rounded(rate, 1),
        "low": _rounded(low, 1),
        "high": _rounded(high, 1),
    }
