"""heaptrack's data file, as heaptrack_print and heaptrack_gui read it: `heaptrack.NAME.PID.zst`.

It is a list of events. Blocks that are outstanding are allocated when they were born and never freed.
When the freed ones lived is not known: one after the other in the beginning, so the peak is what is
held in the end, or the largest of them. Which of them were temporary is not known either: none.
"""

from itertools import chain
from typing import BinaryIO

from ebpftrace.analysis.wording import suppressed
from ebpftrace.export.formats.births import births
from ebpftrace.export.formats.heaptrack_traces import Traces
from ebpftrace.export.formats.places import Places
from ebpftrace.export.formats.subject import Subject
from ebpftrace.units import format_count

MOST_FREED = 1_000_000
"""Each is three lines; of more, one stands for several."""

# The oldest file format that has all of this; every heaptrack since 1.0 reads it.
_VERSION = "v 10000 1"
_PAGE = 4096
_STEPS = 1000  # heaptrack_gui draws 500; heaptrack_print -M makes a snapshot of each
_SHORTEST_STEP_NS = 10_000_000  # heaptrack's own

_Freed = tuple[int, int, int]
"""The index of a site, a size, and how many of it."""


def write(subject: Subject, out: BinaryIO) -> None:
    """Bytes of each site are exact; so are calls, or the command line says how many of them are one."""
    total_ns = int(subject.snapshot.picture.since_attach_s * 1e9)
    step_ns = max(_SHORTEST_STEP_NS, -(-total_ns // _STEPS))
    born = births(subject, step_ns)
    freed, of_freed = _freed(subject)
    tables = _Tables(subject)
    order = list(dict.fromkeys(chain.from_iterable(born.at)))
    names = [tables.add(*born.blocks[number]) for number in order[:1]]
    if not names:
        freed = _one_alone(freed)
    names_freed = [tables.add(site, size) for site, size, _ in freed]
    names += [tables.add(*born.blocks[number]) for number in order[1:]]
    churn = _churn(tables, freed, names_freed)
    header = _header(subject, _cuts(born.merged, of_freed))
    out.write("\n".join([*header, *tables.lines, ""]).encode())
    allocations = [b""] * len(born.blocks)
    for number, name in zip(order, names, strict=True):
        allocations[number] = b"+ %b\n" % name
    resident = _resident(subject, step_ns)
    if not names:
        out.write(churn)
    for span, numbers in enumerate(born.at):
        if numbers or span in resident or span == len(born.at) - 1:
            out.write(b"c %x\n" % (min((span + 1) * step_ns, total_ns) // 1_000_000))
            if span in resident:
                out.write(b"R %x\n" % resident[span])
            events = map(allocations.__getitem__, numbers)
            if numbers and churn:
                out.write(next(events) + churn)
                churn = b""
            out.write(b"".join(events))


class _Tables:
    """What events refer to by number: a size and a trace, from 0 on.

    heaptrack_gui counts on it that each is allocated before the next one is for the first time.
    """

    def __init__(self, subject: Subject) -> None:
        picture = subject.snapshot.picture
        self._sites = picture.sites
        self._places = Places(picture)
        self._traces = Traces(self._places, several=len(picture.targets) > 1)
        self.lines = self._traces.lines
        self._of_sites: dict[int, int] = {}
        self._count = 0

    def add(self, site: int, size: int) -> bytes:
        """Its number, in hex."""
        trace = self._of_sites.get(site)
        if trace is None:
            known = site < len(self._sites)
            places = self._places
            stack = places.stack(self._sites[site].at) if known else places.rest()
            trace = self._of_sites[site] = self._traces.number(stack)
        self.lines.append(f"a {size:x} {trace:x}")
        self._count += 1
        return b"%x" % (self._count - 1)


def _churn(tables: _Tables, freed: list[_Freed], names: list[bytes]) -> bytes:
    """Each is allocated and freed before the next.

    heaptrack takes for temporary what is freed right after it was allocated: so nothing, a block of
    size 0, is freed between the two.
    """
    nothing = tables.add(freed[0][0], 0) if freed else b""
    return b"".join(
        b"+ %b\n- %b\n- %b\n" % (name, nothing, name) * count
        for name, (_, _, count) in zip(names, freed, strict=True)
    )


def _one_alone(freed: list[_Freed]) -> list[_Freed]:
    """With the first block under a number of its own, where no block is held.

    That is number 0, which heaptrack takes for temporary too if it is freed after another number. So
    one block counts as temporary, and not all that share its number.
    """
    if not freed or freed[0][2] == 1:
        return freed
    site, size, count = freed[0]
    return [(site, size, 1), (site, size, count - 1), *freed[1:]]


def _freed(subject: Subject) -> tuple[list[_Freed], int]:
    """The blocks that were freed, and of how many each stands for one."""
    shown = {id(site) for site in subject.sites}
    sites = subject.snapshot.picture.sites
    counts = [(n, site.counts) for n, site in enumerate(sites) if id(site) in shown]
    counts.append((len(sites), subject.rest))
    stands_for = max(1, -(-sum(one.freed_blocks for _, one in counts) // MOST_FREED))
    freed = []
    for number, one in counts:
        if one.freed_blocks > 0:
            each, more = divmod(max(0, one.freed_bytes), one.freed_blocks)
            larger = more // stands_for
            smaller = -(-one.freed_blocks // stands_for) - larger
            freed += [(number, each + 1, larger), (number, each, smaller)]
    return [one for one in freed if one[2]], stands_for


def _resident(subject: Subject, step_ns: int) -> dict[int, int]:
    """The most pages in each span of which something is known."""
    picture = subject.snapshot.picture
    last = int(picture.since_attach_s * 1e9) // step_ns
    page = _page_size(subject)
    known = [(point.at, point.resident) for point in subject.snapshot.history]
    of_targets = [one.rss_bytes for one in picture.targets if one.rss_bytes is not None]
    if of_targets:
        known.append((picture.since_attach_s, sum(of_targets)))
    resident: dict[int, int] = {}
    for at, size in known:
        if size is not None:
            span = min(last, int(at * 1e9) // step_ns)
            resident[span] = max(resident.get(span, 0), size // page)
    return resident


def _page_size(subject: Subject) -> int:
    return subject.snapshot.host.page_size if subject.snapshot.host else _PAGE


def _cuts(merged: int, of_freed: int) -> list[str]:
    cuts = []
    if of_freed > 1:
        cuts.append(f"one call for {format_count(of_freed)} freed blocks")
    if merged > 1:
        cuts.append(f"one call for {format_count(merged)} held blocks")
    return cuts


def _header(subject: Subject, cuts: list[str]) -> list[str]:
    """The command line is what both tools show, comments are for those who look into the file."""
    snapshot = subject.snapshot
    commands = [" ".join(one.command_line) for one in snapshot.processes if one.command_line]
    commands = commands or [target.exe for target in snapshot.picture.targets]
    command = "; ".join(commands)
    if cuts:
        command += f"  [ebpftrace: {', '.join(cuts)}]"
    memory = snapshot.host.memory_bytes if snapshot.host else None
    page = _page_size(subject)
    hidden = [suppressed(subject.suppressed)] if subject.suppressed.sites else []
    return [
        _VERSION,
        f"# {subject.file}, by {snapshot.tool}",
        "# Freed blocks stand in the beginning, with the average size of their call site.",
        *(f"# Cut: {cut}." for cut in cuts),
        *(f"# Left out: {one}." for one in hidden),
        f"X {command}",
        f"I {page:x} {(memory or 0) // page:x}",
    ]
