"""What a poll costs the tool itself with a million live blocks in many call sites.

A real process (tests/workloads/many_sites) fills the real kernel maps; the session runs in this
process, so that the CPU time of each poll can be taken on the thread that draws it.
"""

import argparse
import gc
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ebpftrace.model.picture import Picture, Site
from ebpftrace.session.kept import Kept
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import prepare
from ebpftrace.session.session import Session
from ebpftrace.session.watch import Watch
from ebpftrace.target.process import Process
from scripts.bench.command import run
from scripts.bench.figures import Spread, Target, save, table
from scripts.bench.loops import WORKLOADS, Child, LoopEnded

COHORTS = 5
MOST_CPU_MS = {10_000: 50.0, 50_000: 300.0}
MOST_BYTES = 350e6
LONG_EPOCH_S = 60.1  # epochs are ten seconds long from then on
_INTERVAL_S = 2e-5  # for each site: time for a phase and a poll, also on a slow machine
_LEAST_INTERVAL_S = 0.5
_QUIET_S = 11.0  # growth is over five to ten seconds: until then every site is drawn anew
_STATIC_POLLS, _CHANGED_POLLS = 12, 6
_PHASE_S = 120.0


@dataclass(frozen=True, slots=True)
class Poll:
    """One picture drawn: CPU and wall time in ms, and what it covered."""

    since_attach_s: float
    cpu_ms: float
    wall_ms: float
    sites: int
    redrawn: int
    cohorts: int
    blocks: int


class MeasuredWatch(Watch):
    """One that notes what each of its pictures costs."""

    def __init__(self, kept: Kept, before: Watch | None = None) -> None:
        super().__init__(kept, before)
        self.polls: list[Poll] = []
        self._before: tuple[Site, ...] = ()

    def now(self) -> float:
        """Seconds since attach, by which epochs go."""
        return (time.monotonic_ns() - self._tracer.start_ns) / 1e9

    def draw(self, final: bool) -> Picture:
        cpu, wall = time.thread_time(), time.perf_counter()
        picture = super().draw(final)
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        both = zip(self._before, picture.sites, strict=False)
        same = sum(one is other for one, other in both)
        self._before = picture.sites
        self.polls.append(
            Poll(
                since_attach_s=picture.since_attach_s,
                cpu_ms=cpu * 1e3,
                wall_ms=wall * 1e3,
                sites=len(picture.sites),
                redrawn=len(picture.sites) - same,
                cohorts=len(self._book),
                blocks=picture.totals.blocks,
            )
        )
        return picture


class MeasuredSession(Session):
    """A session of such a watch."""

    MADE_OF = MeasuredWatch
    _watch: MeasuredWatch

    @classmethod
    def opened(cls, pid: int, options: CaptureOptions) -> "MeasuredSession":
        """Attached to one process."""
        session = cls.open([Process.open(pid)], prepare(options), _narrate)
        assert isinstance(session, MeasuredSession)
        return session

    @property
    def polls(self) -> list[Poll]:
        """What each of its pictures has cost."""
        return self._watch.polls

    def now(self) -> float:
        """Seconds since attach, by which epochs go."""
        return self._watch.now()


@dataclass(frozen=True, slots=True)
class Scale:
    """One size. `cohorts` while nothing changed, and while everything did. `filling_cpu_s` is CPU
    time of this process while all sites were new, their names included.
    """

    sites: int
    static: Spread
    changed: Spread
    cohorts: tuple[int, int]
    blocks: int
    filling_cpu_s: float
    filling_s: float
    tool_bytes: int
    kernel_bytes: int
    losses: dict[str, int]

    def targets(self) -> list[Target]:
        """Both kinds of poll are held against the limit."""
        found = [Target(f"MB of tool and kernel, {self.sites:,} sites", MOST_BYTES / 1e6, self.mb)]
        limit = MOST_CPU_MS.get(self.sites)
        if limit is not None:
            for name, spread in (("static", self.static), ("every site changed", self.changed)):
                found.append(
                    Target(f"ms a poll, {self.sites:,} sites, {name}", limit, spread.median)
                )
        return found

    @property
    def mb(self) -> float:
        return (self.tool_bytes + self.kernel_bytes) / 1e6


def _narrate(sentence: str) -> None:
    sys.stderr.write(f"scale: {sentence}\n")
    sys.stderr.flush()


def _phase(child: Child) -> None:
    """One more block for every site."""
    child.go()
    child.expect("done", _PHASE_S)


def _wait_until(session: MeasuredSession, since_attach_s: float) -> None:
    time.sleep(max(0.0, since_attach_s - session.now()))


def _fill(session: MeasuredSession, child: Child, blocks_per_site: int) -> None:
    """One block a site in each epoch but the last, which is a long one and takes all others."""
    for _ in range(COHORTS - 1):
        _wait_until(session, int(session.now()) + 1.05)
        _phase(child)
    _wait_until(session, LONG_EPOCH_S)
    for _ in range(blocks_per_site - (COHORTS - 1) - _CHANGED_POLLS):
        _phase(child)


def _changing(session: MeasuredSession, child: Child) -> list[Poll]:
    """Polls in which every site had changed since the one before."""
    start = len(session.polls)
    end = time.monotonic() + _PHASE_S
    while time.monotonic() < end:
        seen = session.latest()
        _phase(child)
        while session.after(seen, _PHASE_S) is None:
            pass
        found = [poll for poll in session.polls[start:] if poll.redrawn == poll.sites]
        if len(found) >= _CHANGED_POLLS:
            return found
    raise LoopEnded("The workload is too slow: no poll found every site changed.")


def measure(sites: int, blocks: int) -> Scale:
    """Fill, poll while everything changes, poll while nothing does."""
    _narrate(f"{sites:,} sites")
    interval = max(_LEAST_INTERVAL_S, _INTERVAL_S * sites)
    options = CaptureOptions(interval=interval, max_stacks=2 * sites, max_blocks=2 * blocks)
    with Child(WORKLOADS / "many_sites", sites, 1) as child:
        session = MeasuredSession.opened(child.pid, options)
        try:
            cpu, wall = time.process_time(), time.monotonic()
            _fill(session, child, blocks // sites)
            filling_cpu_s, filling_s = time.process_time() - cpu, time.monotonic() - wall
            changed = _changing(session, child)
            _wait_until(session, session.now() + _QUIET_S)
            quiet = len(session.polls)
            while len(session.polls) < quiet + _STATIC_POLLS:
                time.sleep(interval)
            static = [poll for poll in session.polls[quiet:] if not poll.redrawn]
            last = session.stop()
        finally:
            session.close()
    of_static = Spread.of(poll.cpu_ms for poll in static)
    of_changed = Spread.of(poll.cpu_ms for poll in changed)
    if of_static is None or of_changed is None:
        raise LoopEnded("No poll found nothing changed: is something else tracing this process?")
    return Scale(
        sites=sites,
        static=of_static,
        changed=of_changed,
        cohorts=(static[-1].cohorts, changed[-1].cohorts),
        blocks=last.totals.blocks,
        filling_cpu_s=filling_cpu_s,
        filling_s=filling_s,
        tool_bytes=last.cost.tool_rss_bytes or 0,
        kernel_bytes=last.cost.kernel_bytes or 0,
        losses={name: count for name, count in last.losses.items() if count},
    )


def _row(scale: Scale) -> list[str]:
    return [
        f"{scale.sites:,}",
        f"{scale.blocks:,}",
        " ".join(f"{count:,}" for count in scale.cohorts),
        scale.static.text(1),
        scale.changed.text(1),
        f"{scale.filling_cpu_s:.1f} of {scale.filling_s:.1f}",
        f"{scale.tool_bytes / 1e6:.0f}",
        f"{scale.kernel_bytes / 1e6:.0f}",
        " ".join(f"{name} {count}" for name, count in scale.losses.items()) or "none",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scale", description=__doc__)
    parser.add_argument("--sites", type=int, action="append", help="(10,000, then 50,000)")
    parser.add_argument("--blocks", type=int, default=1_000_000, help="live ones (a million)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    scales = []
    for sites in given.sites or (10_000, 50_000):
        scales.append(measure(sites, given.blocks))
        gc.collect()
    heads = (
        "sites",
        "blocks",
        "cohorts",
        "ms, nothing changed",
        "ms, all sites changed",
        "s CPU while filling",
        "MB tool",
        "MB kernel",
        "losses",
    )
    print("\nCPU of a poll: median (least-most)")
    print(table(heads, map(_row, scales)))
    targets = [target for scale in scales for target in scale.targets()]
    print("\nTargets\n" + "\n".join(target.text() for target in targets))
    if given.json:
        figures: dict[str, Any] = {"scales": [asdict(scale) for scale in scales]}
        save(given.json, "scale", figures, targets)
    return 0


if __name__ == "__main__":
    run("scale", main)
