"""Collapsed stacks: a line for each, from the start of the thread inward, and its measure.

`main;serve;session_create 4096`, as flamegraph.pl, inferno and speedscope read it. The format has no
way to quote: a `;` in a name becomes `:`.
"""

from typing import BinaryIO

from ebpftrace.export.formats.places import Places
from ebpftrace.export.formats.subject import Subject, measured


def write(subject: Subject, out: BinaryIO) -> None:
    """Stacks with the same names are one line; those with nothing of the measure are left out."""
    places = Places(subject.snapshot.picture)
    lines: dict[tuple[str, ...], int] = {}
    names: list[str] = []
    for site in subject.sites:
        value = measured(site.counts, subject.measure)
        if value:
            stack = places.stack(site.at)
            names += (place.name.replace(";", ":") for place in places.table[len(names) :])
            key = tuple([names[number] for number in stack])
            lines[key] = lines.get(key, 0) + value
    rest = measured(subject.rest, subject.measure)
    if rest:
        lines[tuple(places.table[number].name for number in places.rest())] = rest
    out.write("".join(f"{';'.join(key[::-1])} {value}\n" for key, value in lines.items()).encode())
