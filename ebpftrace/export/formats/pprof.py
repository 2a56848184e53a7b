"""A heap profile for pprof: profile.proto of github.com/google/pprof, packed by gzip.

Values and their order are those of Go's heap profiles. Nothing was sampled, so the period is 1 byte;
pprof does not scale by it. What is owned elsewhere: `profile_proto` the schema, `pprof_mappings` in
which file code lies.
"""

import gzip
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import BinaryIO

from ebpftrace.analysis import wording
from ebpftrace.export.formats.places import Place, Places
from ebpftrace.export.formats.pprof_mappings import Mapping, Mappings, instruction
from ebpftrace.export.formats.profile_proto.messages import profile_class
from ebpftrace.export.formats.subject import Measure, Subject, measured
from ebpftrace.model.ids import Slot
from ebpftrace.model.picture import CallSite, Counts

_VALUES: tuple[tuple[str, str, Measure], ...] = (
    ("alloc_objects", "count", "allocated-blocks"),
    ("alloc_space", "bytes", "allocated-bytes"),
    ("inuse_objects", "count", "blocks"),
    ("inuse_space", "bytes", "bytes"),
)
_MEANING = (
    "inuse is what is not freed; alloc what was allocated since the attach, freed or not, and what a "
    "realloc brought in from before. All allocations are counted, not samples of them. pprof leaves out "
    "frames of malloc, operator new and the like (drop_frames)."
)
# What pprof leaves out of heap profiles of C and C++ in its older text format too, so that a program's
# own functions come first. It compares with names without their parameters.
_ALLOCATORS = (
    r"((malloc|calloc|realloc|reallocarray|memalign|aligned_alloc|posix_memalign|valloc|pvalloc)"
    r"(@plt)?|operator new(\[\])?)"
)
_LEVEL = 6  # of gzip: 0.1 s of 50,000 sites; 9 takes 0.6 s for a file 8 % smaller
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def write(subject: Subject, out: BinaryIO) -> None:
    """Each site is a sample; those that are alike stay apart, and pprof sums them."""
    out.write(gzip.compress(_Profile(subject).encoded(), _LEVEL, mtime=0))


class _Profile:
    def __init__(self, subject: Subject) -> None:
        self._profile = profile_class()()
        self._texts = {"": 0}
        self._places = Places(subject.snapshot.picture)
        self._mappings = Mappings(subject.snapshot)
        self._functions: dict[tuple[str, str, str], int] = {}
        # Of each process its own: equal addresses of two are two places.
        self._single: dict[Slot, dict[int, int]] = {}
        self._grouped: dict[Slot, dict[tuple[int, ...], int]] = {}
        self._labels: dict[tuple[Slot, int, str | None, str | None], list[dict[str, int]]] = {}
        self._commands = {one.slot: one.comm for one in subject.snapshot.picture.targets}
        self._add_header(subject)
        for site in subject.sites:
            self._add_sample(site.counts, self._stack(site.at), self._labels_of(site.at))
        rest = [self._location(Slot(0), (number,)) for number in self._places.rest()]
        self._add_sample(subject.rest, rest, [])
        self._add_mappings()

    def encoded(self) -> bytes:
        self._profile.string_table.extend(self._texts)
        encoded: bytes = self._profile.SerializeToString()
        return encoded

    def _add_header(self, subject: Subject) -> None:
        profile, picture = self._profile, subject.snapshot.picture
        for name, unit, _ in _VALUES:
            profile.sample_type.add(type=self._text(name), unit=self._text(unit))
        profile.default_sample_type = self._text("inuse_space")
        profile.period_type.type = self._text("space")
        profile.period_type.unit = self._text("bytes")
        profile.period = 1
        profile.drop_frames = self._text(_ALLOCATORS)
        duration = timedelta(seconds=picture.since_attach_s) // timedelta(microseconds=1) * 1000
        profile.duration_nanos = _fitting(duration)
        profile.time_nanos = _fitting(round(picture.time.timestamp() * 1e6) * 1000 - duration)
        profile.comment.extend(self._text(one) for one in _comments(subject))

    def _add_sample(
        self, counts: Counts, stack: Sequence[int], labels: Sequence[dict[str, int]]
    ) -> None:
        values = [_fitting(measured(counts, measure)) for _, _, measure in _VALUES]
        if any(values):
            self._profile.sample.add(location_id=stack, value=values, label=labels)

    def _add_mappings(self) -> None:
        for one in self._mappings.all():
            self._profile.mapping.add(
                id=one.number,
                memory_start=one.start,
                memory_limit=one.limit,
                file_offset=one.offset,
                filename=self._text(one.path),
                build_id=self._text(one.build_id),
                has_functions=one.used and one.functions,
                has_filenames=one.used and one.files,
                has_line_numbers=one.used and one.lines,
                has_inline_frames=one.inlines,
            )

    def _labels_of(self, at: CallSite) -> list[dict[str, int]]:
        key = (at.slot, at.pid, at.allocator, at.family)
        labels = self._labels.get(key)
        if labels is None:
            said = {
                "process": self._commands.get(at.slot),
                "allocator": at.allocator,
                "family": at.family,
            }
            labels = self._labels[key] = [
                {"key": self._text(name), "str": self._text(value)}
                for name, value in said.items()
                if value
            ]
            labels.append({"key": self._text("pid"), "num": _fitting(at.pid)})
        return labels

    def _stack(self, at: CallSite) -> list[int]:
        """Ids of locations. Inlined places are part of one with the place that they are in."""
        table = self._places.table
        single = self._single.setdefault(at.slot, {})
        ids: list[int] = []
        waiting: list[int] = []
        for number in self._places.stack(at):
            if not waiting:
                known = single.get(number)
                if known is not None:
                    ids.append(known)
                    continue
            place = table[number]
            if waiting and place.address != table[waiting[-1]].address:
                ids.append(self._location(at.slot, tuple(waiting)))
                waiting = []
            waiting.append(number)
            if not place.inlined:
                found = self._location(at.slot, tuple(waiting))
                ids.append(found)
                if len(waiting) == 1:
                    single[number] = found
                waiting = []
        if waiting:
            ids.append(self._location(at.slot, tuple(waiting)))
        return ids

    def _location(self, slot: Slot, group: tuple[int, ...]) -> int:
        """Of places of one address, the innermost first."""
        grouped = self._grouped.setdefault(slot, {})
        known = grouped.get(group)
        if known is not None:
            return known
        places = [self._places.table[number] for number in group]
        location = self._profile.location.add(id=len(self._profile.location) + 1)
        for place in places:
            location.line.add(
                function_id=self._function(place),
                line=_fitting(place.line or 0),
                column=_fitting(place.column or 0),
            )
        if places[0].address is not None:
            location.address = instruction(places[0])
            mapping = self._mappings.of(slot, places[0])
            if mapping is not None:
                location.mapping_id = mapping.number
                _note(mapping, places)
        found: int = location.id
        grouped[group] = found
        return found

    def _function(self, place: Place) -> int:
        name = system = place.name
        if not _has_function(place):
            # Without a name of the system's pprof leaves it as it is, brackets and all.
            name, system = _somewhere(place), ""
        key = (name, system, place.file or "")
        number = self._functions.setdefault(key, len(self._functions) + 1)
        if number > len(self._profile.function):
            self._profile.function.add(
                id=number,
                name=self._text(name),
                system_name=self._text(system),
                filename=self._text(key[2]),
            )
        return number

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))


def _note(mapping: Mapping, places: Sequence[Place]) -> None:
    """One without a name is enough for pprof to look into the file itself, if it has that."""
    mapping.functions = mapping.functions and all(map(_has_function, places))
    mapping.files = mapping.files and all(place.file for place in places)
    mapping.lines = mapping.lines and all(place.line for place in places)
    mapping.inlines = mapping.inlines or len(places) > 1


def _has_function(place: Place) -> bool:
    at = place.address if place.offset is None else place.offset
    return at is not None and place.name != f"{at:#x}"


def _somewhere(place: Place) -> str:
    """An offset says nothing without its file, and pprof sums up functions of the same name."""
    if place.module is None:
        return place.name
    return f"{place.name} [{os.path.basename(place.module).strip('[]')}]"


def _fitting(number: int) -> int:
    """Of a damaged or made-up snapshot: it may say more than an int64 holds."""
    return min(max(number, _LEAST), _MOST)


def _comments(subject: Subject) -> Iterator[str]:
    snapshot, picture = subject.snapshot, subject.snapshot.picture
    yield f"{subject.file}: {snapshot.trigger.sentence}"
    host = snapshot.host
    place = "" if host is None else f", {host.name}, {host.distribution}, Linux {host.kernel}"
    yield f"{snapshot.tool or 'ebpftrace'}{place}, {picture.time:%Y-%m-%d %H:%M:%S} UTC"
    for target in picture.targets:
        yield ", ".join([f"{wording.named(target)} {target.exe}", *wording.trouble(target)])
    yield wording.watched(picture)
    yield _MEANING
    yield f"stacks: {wording.stacks(picture)}"
    yield wording.lost(picture.losses)
    for loss, _ in picture.losses.faults():
        yield f"{loss.name}: {loss.sentence}"
    if subject.suppressed.sites:
        yield f"left out: {wording.suppressed(subject.suppressed)}"
    yield from snapshot.notes
