"""What is left out of a snapshot that is more than is read, and said in its notes."""

from collections.abc import Iterator
from dataclasses import replace
from heapq import nlargest

from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import BlockColumns, Snapshot
from ebpftrace.snapshot.format.limits import MOST_ROWS_OF, TooMuch


class Fitting:
    """`snapshot` is what is left of the whole one."""

    def __init__(self, whole: Snapshot) -> None:
        self.snapshot = whole
        self._whole = whole
        self._notes: dict[str, str] = {}

    @property
    def is_whole(self) -> bool:
        return self.snapshot is self._whole

    def cut(self, error: TooMuch) -> None:
        """Leave more out. UsageError where nothing can be."""
        section = error.section
        if section == "history" and section not in self._notes:
            self._cut_history()
        elif section == "mappings" and section not in self._notes:
            self._cut_mappings()
        elif section not in {"facts", "processes"} and self.snapshot.picture.sites:
            self._cut_sites()
        else:
            raise UsageError(f"{section} of it could not be read again: {error}.") from None

    def blocks(self) -> Iterator[BlockColumns]:
        """The single ones, by the places that their sites have now."""
        whole = self._whole
        chunks = () if whole.blocks is None else whole.blocks()
        if self.snapshot.picture is whole.picture:
            yield from chunks
            return
        left = {site.at.id: place for place, site in enumerate(self.snapshot.picture.sites)}
        places = [left.get(site.at.id, -1) for site in whole.picture.sites]
        for chunk in chunks:
            yield chunk._replace(site=[-1 if n < 0 else places[n] for n in chunk.site])

    def _cut_history(self) -> None:
        most = MOST_ROWS_OF["history"]
        self.snapshot = replace(self.snapshot, history=self.snapshot.history[-most:])
        self._note("history", f"Of the history only the last {most:,} points were kept.")

    def _cut_mappings(self) -> None:
        processes = tuple([replace(one, mappings=()) for one in self.snapshot.processes])
        self.snapshot = replace(self.snapshot, processes=processes)
        self._note(
            "mappings",
            "The mappings of the processes were left out: there are more than a snapshot holds.",
        )

    def _cut_sites(self) -> None:
        """Half of them, those that hold least; the order stays."""
        picture = self.snapshot.picture
        sites, count = picture.sites, len(self._whole.picture.sites)
        by_bytes = nlargest(
            len(sites) // 2, range(len(sites)), key=lambda place: sites[place].counts.bytes
        )
        kept = tuple([sites[place] for place in sorted(by_bytes)])
        self.snapshot = replace(self.snapshot, picture=replace(picture, sites=kept))
        self._note(
            "sites",
            f"{count - len(kept):,} of {count:,} call sites, those that hold least, were left out: "
            "there is more of them than a snapshot holds. The totals count them.",
        )

    def _note(self, section: str, note: str) -> None:
        self._notes[section] = note
        notes = (*self._whole.notes, *self._notes.values())
        self.snapshot = replace(self.snapshot, notes=notes)
