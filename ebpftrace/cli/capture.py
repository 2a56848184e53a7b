"""What commands that attach share: options of the capture, and leaving."""

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from ebpftrace.cli.common import chosen_backend, note
from ebpftrace.cli.pooling import read_pools

if TYPE_CHECKING:
    from ebpftrace.cli.opening import Opening
    from ebpftrace.session.options import CaptureOptions
    from ebpftrace.session.session import Session
    from ebpftrace.session.wanted import Wanted

log = logging.getLogger(__name__)


def capture_options(
    given: argparse.Namespace, first_interval: float | None = None, wanted: "Wanted | None" = None
) -> "CaptureOptions":
    """What `add_when`, `add_tracked` and `add_naming` were given, and what is `wanted` beside pids."""
    # Not at the top: `--version` and usage errors need none of the capture half.
    from ebpftrace.session.options import CaptureOptions
    from ebpftrace.session.wanted import Wanted

    return CaptureOptions(
        interval=given.interval,
        mode=given.mode,
        budget_percent=given.budget,
        first_interval=first_interval,
        stack_depth=given.stack_depth,
        max_blocks=given.max_blocks,
        max_stacks=given.max_stacks,
        min_size=given.min_size,
        max_size=given.max_size,
        backend=chosen_backend(given),
        pools=read_pools(given),
        dwarf=not given.no_dwarf,
        debuginfod=given.debuginfod,
        drain_after=given.drain_after,
        wanted=Wanted() if wanted is None else wanted,
    )


def leave(session: "Session | Opening") -> None:
    """Remove the probes, with a note where that takes time."""
    log.info("removing the probes")
    slow = session.slow_probes()
    if slow and sys.stderr.isatty():
        note(f"removing {slow} probes; the kernel takes about 0.1 s for each, more if busy")
    session.close()
