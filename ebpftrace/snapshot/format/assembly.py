"""Sections to snapshots, each of which may rest on the one before: a file is the first of its kind."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ebpftrace.model.picture import Point, Site
from ebpftrace.model.snapshot import BlockColumns, MappedRange, ProcessFacts, Snapshot
from ebpftrace.snapshot.format.columns import Columns
from ebpftrace.snapshot.format.facts_reading import facts_of, processes_of
from ebpftrace.snapshot.format.heads import Sections
from ebpftrace.snapshot.format.limits import MOST_ROWS_OF
from ebpftrace.snapshot.format.sites_reading import cohorts_of, history_of, mappings_of, sites_of
from ebpftrace.snapshot.format.tables_reading import Tables
from ebpftrace.snapshot.values import Object, Unfit, UnfitSection, needed, within

Blocks = Callable[[int], Iterator[BlockColumns]]

_NEEDED = (
    *("facts", "processes", "history", "mappings", "sites", "cohorts"),
    *("callsites", "stacks", "frames", "modules", "strings"),
)


class Assembly:
    """Takes one after the other. Once it was UnfitSection it is of no use any more."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._sites: tuple[Site, ...] = ()
        self._points: tuple[Point, ...] = ()
        self._mappings: dict[int, tuple[MappedRange, ...]] = {}
        self._processes: tuple[ProcessFacts, ...] = ()

    def first(self, sections: Sections, blocks: Blocks | None = None) -> Snapshot:
        """Of everything. `blocks` gives single blocks where it is told how many sites there are."""
        for name in _NEEDED:
            if name not in sections:
                raise UnfitSection(name, "it is missing")
        return self.next(sections, blocks)

    def next(self, sections: Sections, blocks: Blocks | None = None) -> Snapshot:
        """Of what has changed since the one before."""
        self._tables.take(sections)
        with within("facts"):
            facts = facts_of(needed(sections, "facts"))
        if "history" in sections:
            with within("history"):
                self._points = history_of(sections["history"], self._points)
        self._take_processes(sections)
        self._take_sites(sections)
        count = len(self._sites)
        return Snapshot(
            picture=replace(facts.picture, sites=self._sites),
            trigger=facts.trigger,
            watch=facts.watch,
            tool=facts.tool,
            host=facts.host,
            processes=self._processes,
            history=self._points,
            blocks=(lambda: blocks(count)) if blocks is not None and facts.blocks else None,
            notes=facts.notes,
        )

    def _take_processes(self, sections: Sections) -> None:
        if "mappings" in sections:
            with within("mappings"):
                self._mappings = mappings_of(sections["mappings"], self._tables)
        if "processes" in sections:
            with within("processes"):
                self._processes = processes_of(sections["processes"], self._mappings)

    def _take_sites(self, sections: Sections) -> None:
        changed: list[Site] = []
        if "sites" in sections:
            with within("cohorts"):
                cohorts = cohorts_of(sections.get("cohorts"))
            with within("sites"):
                changed = sites_of(sections["sites"], cohorts, self._tables)
        if "changes" in sections:
            with within("changes"):
                self._sites = _with_changes(self._sites, changed, sections["changes"])
        elif changed:
            self._sites = tuple(changed)
        else:
            return
        if len({site.at.id for site in self._sites}) < len(self._sites):
            raise UnfitSection("sites", "two of its sites have the same id")


def _with_changes(
    before: Sequence[Site], changed: Sequence[Site], changes: Object
) -> tuple[Site, ...]:
    gone = frozenset(Columns(changes, "left_out").whole("left_out"))
    places = Columns(changes, "place").whole("place")
    if len(places) != len(changed):
        raise Unfit("it names other sites than there are")
    sites = [site for place, site in enumerate(before) if place not in gone]
    for place, site in zip(places, changed, strict=True):
        if place < len(sites):
            sites[place] = site
        elif place == len(sites):
            sites.append(site)
        else:
            raise Unfit("it leaves out a site")
    if len(sites) > MOST_ROWS_OF["sites"]:
        raise Unfit(f"there are more than {MOST_ROWS_OF['sites']} sites")
    return tuple(sites)
