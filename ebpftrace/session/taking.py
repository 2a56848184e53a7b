"""A snapshot of a watch: its picture, and what explains it later."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

from ebpftrace import __version__
from ebpftrace.host.facts import host_facts
from ebpftrace.model.picture import Picture, Point
from ebpftrace.model.snapshot import BlockColumns, ProcessFacts, Snapshot, Trigger
from ebpftrace.target.mapped import MOST_MAPPINGS
from ebpftrace.units import format_count


class Watched(Protocol):
    """What is wanted of a Session."""

    def facts(self) -> tuple[ProcessFacts, ...]:
        """Of the processes, in the order of the targets."""

    def block_columns(self, picture: Picture) -> Iterator[BlockColumns]:
        """All outstanding blocks, read now."""


def taken(
    session: Watched,
    picture: Picture,
    trigger: Trigger,
    history: Sequence[Point],
    *,
    blocks: bool = False,
) -> Snapshot:
    """`picture` is one of the session's; may wait for a second. Any thread.

    With `blocks` the snapshot reads them when it is asked for them, before the session is closed.
    """
    there = {(target.pid, target.slot) for target in picture.targets}  # others came since
    processes = tuple(one for one in session.facts() if (one.pid, one.slot) in there)
    return Snapshot(
        picture,
        trigger,
        picture.watch,
        f"ebpftrace {__version__}",
        host_facts(),
        processes,
        tuple(history),
        partial(session.block_columns, picture) if blocks else None,
        tuple(_left_out(one) for one in processes if len(one.mappings) == MOST_MAPPINGS),
    )


def _left_out(process: ProcessFacts) -> str:
    most = format_count(MOST_MAPPINGS)
    return f"Of the mappings of process {process.pid} it holds the first {most}."
