"""The JSON of https://www.speedscope.app/file-format-schema.json: a sampled profile for each measure.

The format shares frames and no samples: each profile has its own list, without those of no weight.
What was lost and what is suppressed stands in the name, which is the title of speedscope's window.
"""

import json
from collections.abc import Sequence
from operator import add
from typing import Any, BinaryIO, NamedTuple

from ebpftrace import __version__
from ebpftrace.analysis.wording import lost, named, suppressed
from ebpftrace.export.formats.places import Place, Places
from ebpftrace.export.formats.subject import MEASURES, Measure, Subject, measured
from ebpftrace.model.picture import Counts, Target
from ebpftrace.units import format_count

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_MEASURES: dict[Measure, tuple[str, str]] = {
    "bytes": ("bytes in use", "bytes"),
    "blocks": ("blocks in use", "none"),
    "allocated-bytes": ("bytes allocated since the attach", "bytes"),
    "allocated-blocks": ("blocks allocated since the attach", "none"),
}
_MOST_NAMED = 3


class _Sample(NamedTuple):
    """A stack as JSON, from the start of the thread inward, and the weight of each measure."""

    stack: str
    weights: Sequence[int]


def write(subject: Subject, out: BinaryIO) -> None:
    """The profile that is shown first is the one of `subject.measure`."""
    frames, samples = _sampled(subject)
    picture = subject.snapshot.picture
    head = {
        "$schema": _SCHEMA,
        "name": _title(subject),
        "exporter": f"ebpftrace {__version__}",
        "activeProfileIndex": MEASURES.index(subject.measure),
        "shared": {"frames": frames},
    }
    processes = _processes(picture.targets)
    out.write(f'{_json(head)[:-1]},"profiles":['.encode())
    for number, measure in enumerate(MEASURES):
        weighty = [(stack, weights[number]) for stack, weights in samples if weights[number]]
        what, unit = _MEASURES[measure]
        profile = {
            "type": "sampled",
            "name": f"{processes}: {what}" if processes else what,
            "unit": unit,
            "startValue": 0,
            "endValue": sum(weight for _, weight in weighty),
            "weights": [weight for _, weight in weighty],
        }
        stacks = ",".join([stack for stack, _ in weighty])
        comma = "," if number else ""
        out.write(f'{comma}{_json(profile)[:-1]},"samples":[{stacks}]}}'.encode())
    out.write(b"]}\n")


def _sampled(subject: Subject) -> tuple[list[dict[str, Any]], list[_Sample]]:
    """The frames, and all samples in an order in which those that begin alike are neighbours.

    speedscope draws neighbours of one frame as one bar, in its first view in the order of the file.
    Places in the code that only differ by address are one frame, and their stacks one sample.
    """
    places = Places(subject.snapshot.picture)
    frames: dict[tuple[tuple[str, Any], ...], int] = {}
    sums: dict[tuple[int, ...], Sequence[int]] = {}
    parts = [(places.stack(site.at), site.counts) for site in subject.sites]
    if any(subject.rest):
        parts.append((places.rest(), subject.rest))
    numbers = [frames.setdefault(_frame(place), len(frames)) for place in places.table]
    for stack, counts in parts:
        key = tuple([numbers[number] for number in reversed(stack)])
        weights, before = _weights(counts), sums.get(key)
        sums[key] = weights if before is None else tuple(map(add, before, weights))
    ordered = sorted(sums)
    stacks = [f"[{text}]" for text in _json(ordered)[2:-2].split("],[")] if ordered else []
    samples = [_Sample(text, sums[key]) for text, key in zip(stacks, ordered, strict=True)]
    return [dict(frame) for frame in frames], samples


def _weights(counts: Counts) -> Sequence[int]:
    return tuple([measured(counts, measure) for measure in MEASURES])


def _frame(place: Place) -> tuple[tuple[str, Any], ...]:
    """The fields of the format that are known. Of code without lines, the file is its module."""
    name, file, line, column = place[:4]
    known = [("name", name), ("file", file or place.module), ("line", line), ("col", column)]
    return tuple([(key, value) for key, value in known if value is not None])


def _title(subject: Subject) -> str:
    """The file, what of it is not in the weights, and what makes them too small."""
    words = [subject.file]
    if subject.suppressed.sites:
        words.append(f"without {suppressed(subject.suppressed)}")
    if subject.snapshot.picture.losses.faults():
        words.append(lost(subject.snapshot.picture.losses))
    return ", ".join(words)


def _processes(targets: Sequence[Target]) -> str:
    if len(targets) > _MOST_NAMED:
        return f"{format_count(len(targets))} processes"
    return ", ".join(map(named, targets))


def _json(made: object) -> str:
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))
