"""OpenMetrics text 1.0: what the picture says in figures, at its time, as if it had been scraped then.

Prometheus takes it by `promtool tsdb create-blocks-from openmetrics`, and scraped as long as it is new.
node_exporter's textfile collector does not: it reads the older text format without times. Call sites
beyond `selection.top` are one series, `id="others"`, so that sums over all series are the totals.
"""

from collections.abc import Callable, Iterable
from operator import add
from typing import BinaryIO

from ebpftrace.analysis.selection import matches, rank
from ebpftrace.analysis.summing import counts_of
from ebpftrace.analysis.wording import caller, leading
from ebpftrace.export.formats.metric_families import FamilyWriter, Labels, label_set
from ebpftrace.export.formats.subject import Subject, measured
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.losses import LOSSES
from ebpftrace.model.picture import Counts, Picture, Site, Target
from ebpftrace.model.snapshot import Snapshot

_UNKNOWN = "unknown"
_GAUGES: tuple[tuple[str, str, Callable[[Counts], int]], ...] = (
    ("outstanding_bytes", "Bytes that were not freed", lambda counts: counts.bytes),
    ("outstanding_blocks", "Blocks that were not freed", lambda counts: counts.blocks),
)
_COUNTERS: tuple[tuple[str, str, Callable[[Counts], int]], ...] = (
    (
        "allocated_bytes",
        "Bytes that were allocated, adopted ones included",
        lambda counts: measured(counts, "allocated-bytes"),
    ),
    (
        "allocated_blocks",
        "Blocks that were allocated, adopted ones included",
        lambda counts: measured(counts, "allocated-blocks"),
    ),
    ("freed_bytes", "Bytes that were freed", lambda counts: counts.freed_bytes),
    ("freed_blocks", "Blocks that were freed", lambda counts: counts.freed_blocks),
)
_ADOPTED: tuple[tuple[str, str, Callable[[Counts], int]], ...] = (
    (
        "adopted_bytes",
        "Bytes from before the attach that were first seen in a realloc",
        lambda counts: counts.adopted_bytes,
    ),
    (
        "adopted_blocks",
        "Blocks from before the attach that were first seen in a realloc",
        lambda counts: counts.adopted_blocks,
    ),
)

_Summed = dict[str, Counts]
"""By label set: two programs of one pid and name, before and after an exec, are one series."""


def write(subject: Subject, out: BinaryIO) -> None:
    """What is not known is left out."""
    picture = subject.snapshot.picture
    moment = picture.time.timestamp()
    start = moment - picture.since_attach_s
    writer = FamilyWriter(out, moment, start)
    _origin(writer, subject.snapshot, start)
    _counts(writer, "", "by process and family of allocators", _by_process(subject), totals=True)
    _resident(writer, picture.targets)
    _left_out(writer, subject)
    _cost(writer, picture)
    _counts(writer, "site_", "by call site", _by_site(subject), totals=False)
    writer.end()


def _origin(writer: FamilyWriter, snapshot: Snapshot, start: float) -> None:
    picture, host = snapshot.picture, snapshot.host
    known: Labels = {
        "tool": snapshot.tool,
        "watch": snapshot.watch,
        "trigger": snapshot.trigger.kind,
        "mode": picture.mode,
        "filters": " ".join(picture.filters),
    }
    if host is not None:
        known = {
            **known,
            "host": host.name,
            "kernel": host.kernel,
            "machine": host.machine,
            "distribution": host.distribution,
        }
    writer.family(
        "ebpftrace_snapshot",
        "info",
        "What took the picture, why and where",
        [(label_set(known), 1)],
    )
    began = "When the tool attached, since the epoch"
    writer.family(
        "ebpftrace_watch_start_time_seconds", "gauge", began, [("", round(start, 3))], "seconds"
    )
    processes = {label_set(_described(target)): 1 for target in picture.targets}
    writer.family(
        "ebpftrace_process", "info", "The processes that are watched", list(processes.items())
    )


def _described(target: Target) -> Labels:
    return {
        **_process(target),
        "exe": target.exe,
        "allocators": ",".join(target.allocators),
        "ended": target.ended,
        "ended_by": target.ended_by,
    }


def _process(target: Target) -> Labels:
    return {"pid": target.pid, "process": target.comm}


def _counts(writer: FamilyWriter, of: str, by: str, rows: _Summed, *, totals: bool) -> None:
    """A family for each count. Only the totals say when they began: all others did then, too."""
    for name, says, value in _GAUGES:
        writer.family(
            f"ebpftrace_{of}{name}",
            "gauge",
            f"{says}, {by}",
            [(labels, value(counts)) for labels, counts in rows.items()],
            name.rpartition("_")[2],
        )
    for name, says, value in (*_COUNTERS, *_ADOPTED) if totals else _COUNTERS:
        writer.family(
            f"ebpftrace_{of}{name}",
            "counter",
            f"{says}, {by}",
            [(labels, value(counts)) for labels, counts in rows.items()],
            name.rpartition("_")[2],
            created=totals,
        )


def _summed(rows: Iterable[tuple[str, Counts]]) -> _Summed:
    sums: _Summed = {}
    for labels, counts in rows:
        before = sums.get(labels)
        sums[labels] = counts if before is None else Counts(*map(add, before, counts))
    return sums


def _by_process(subject: Subject) -> _Summed:
    """What has no call site is of the only process; of several, it is not known of which."""
    targets = subject.snapshot.picture.targets
    processes = {target.slot: _process(target) for target in targets}
    groups: dict[tuple[Slot, Pid, str], list[Site]] = {}
    for site in subject.sites:
        at = site.at
        groups.setdefault((at.slot, at.pid, at.family or _UNKNOWN), []).append(site)
    rows = [
        (label_set({**processes.get(slot, {"pid": pid}), "family": family}), counts_of(sites))
        for (slot, pid, family), sites in groups.items()
    ]
    if any(subject.rest) or not rows:
        process = _process(targets[0]) if len(targets) == 1 else {"process": _UNKNOWN}
        rows.append((label_set({**process, "family": _UNKNOWN}), subject.rest))
    return _summed(rows)


def _by_site(subject: Subject) -> _Summed:
    """The first ones of the selection, and the rest of all that is in the subject."""
    picture, selection = subject.snapshot.picture, subject.selection
    sites = [site for site in subject.sites if matches(site, picture, selection)]
    sites.sort(key=rank(selection.sort))
    shown = tuple(sites[: selection.top or None])
    processes = {target.slot: _process(target) for target in picture.targets}
    rows = [
        (label_set(_located(site, processes.get(site.at.slot, {}), subject)), site.counts)
        for site in shown
    ]
    others = subject.counts.without(counts_of(shown))
    return _summed([*rows, (label_set({"id": "others"}), others)])


def _located(site: Site, process: Labels, subject: Subject) -> Labels:
    """The function is as short as in reports: a line in Prometheus is for people."""
    at = site.at
    labels = {
        "id": at.id,
        "pid": at.pid,
        **process,
        "allocator": at.allocator,
        "family": at.family or _UNKNOWN,
    }
    if not at.frames:
        return labels
    frame = at.frames[leading(at.frames, subject.selection.rules)]
    return {
        **labels,
        "function": caller(frame),
        "file": frame.file,
        "line": frame.line,
        "module": frame.module,
    }


def _resident(writer: FamilyWriter, targets: Iterable[Target]) -> None:
    """Of an ended process the last that is known; what an exec has replaced has none."""
    sizes = {
        label_set(_process(target)): target.rss_bytes
        for target in targets
        if target.rss_bytes is not None and target.ended != "exec"
    }
    says = "Resident memory of the process"
    writer.family("ebpftrace_resident_bytes", "gauge", says, list(sizes.items()), "bytes")


def _left_out(writer: FamilyWriter, subject: Subject) -> None:
    picture, hidden = subject.snapshot.picture, subject.suppressed
    for name, fault, says in (
        ("ebpftrace_losses", True, "What was lost or cut, by reason"),
        ("ebpftrace_ignored", False, "What is not counted and no loss, by reason"),
    ):
        known = [
            (label_set({"reason": loss.name}), count)
            for loss in LOSSES
            if loss.fault is fault and (count := picture.losses[loss.name]) is not None
        ]
        writer.family(name, "counter", says, known, created=True)
    for unit, size in (("bytes", hidden.bytes), ("blocks", hidden.blocks), ("sites", hidden.sites)):
        says = f"Outstanding {unit} that are suppressed, in no other family"
        if unit == "sites":
            says = "Call sites that are suppressed, in no other family"
        writer.family(f"ebpftrace_suppressed_{unit}", "gauge", says, [("", size)], unit)
    says = "Call sites that are not suppressed"
    writer.family("ebpftrace_sites", "gauge", says, [("", len(subject.sites))], "sites")


def _cost(writer: FamilyWriter, picture: Picture) -> None:
    """Of watching; percentages become ratios, as Prometheus wants them."""
    cost = picture.cost
    hits = "Hits of probes per second"
    _known(writer, "probe_hits_per_second", hits, cost.hits_per_s)
    for name, percent, where in (
        ("target_cpu_ratio", cost.target_cpu_percent, "in the processes that are watched"),
        ("tool_cpu_ratio", cost.tool_cpu_percent, "in the tool"),
    ):
        ratio = None if percent is None else _ratio(percent)
        _known(writer, name, f"What watching costs {where}, in processors", ratio, "ratio")
    resident = "Resident memory of the tool"
    _known(writer, "tool_resident_bytes", resident, cost.tool_rss_bytes, "bytes")
    _known(writer, "kernel_bytes", "Memory of the tool in the kernel", cost.kernel_bytes, "bytes")
    fill = [
        (label_set({"map": name}), _ratio(percent))
        for name, percent in cost.map_fill_percent.items()
    ]
    writer.family("ebpftrace_map_fill_ratio", "gauge", "How full BPF maps are", fill, "ratio")


def _ratio(percent: float) -> float:
    return round(percent / 100, 9)


def _known(
    writer: FamilyWriter, name: str, says: str, value: float | None, unit: str | None = None
) -> None:
    if value is not None:
        writer.family(f"ebpftrace_{name}", "gauge", says, [("", value)], unit)
