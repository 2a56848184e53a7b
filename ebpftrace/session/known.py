"""What is known of one traced process besides its allocations: read while it lives, kept afterwards."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from ebpftrace.model.snapshot import MemoryFigures, MemoryGroup, ProcessFacts
from ebpftrace.session.pace import Pace
from ebpftrace.session.traced import Traced
from ebpftrace.target import facts
from ebpftrace.target.group_figures import figures_of, limits_of, statistics_of
from ebpftrace.target.mapped import build_ids, mapped_ranges
from ebpftrace.target.maps import Mapping
from ebpftrace.target.memory_group import place_of
from ebpftrace.target.modules import ModuleKey
from ebpftrace.text import clean
from ebpftrace.threads import Thread

_SLOW_S = 10.0


class Known:
    """`look` is for one thread; `facts` for any.

    0.2 to 0.5 ms a look. smaps_rollup, which takes 12 ms for each GiB that is resident, is read by a
    thread of its own, every ten seconds at most; so are the limits of the group, here, as a process
    may be moved to another one.
    """

    def __init__(self, traced: Traced, share: Callable[[], float], *, environment: bool) -> None:
        """Reads at once what does not change, 1 ms, before the process can end.

        `share`: of the time, that looks may take, and as much smaps_rollup.
        """
        process = traced.process
        self._traced = traced
        self._command_line = facts.command_line(process)
        self._environment = facts.environment(process) if environment else None
        self._started = facts.started(process)
        self._limits = facts.limits(process)
        self._who = facts.status(process)
        self._status: tuple[dict[str, int], float] | None = None
        self._rollup: tuple[dict[str, int], float] | None = None
        self._rolling: Thread | None = None
        self._pace = Pace(0.0, share)
        self._rollup_pace = Pace(_SLOW_S, share)
        self._group: MemoryGroup | None = None
        self._limits_pace = Pace(_SLOW_S, share)
        self._statistics_pace = Pace(0.0, share)
        self._place = place_of(process.pid)
        self._looked_back = False
        self._mappings: Sequence[Mapping] = ()
        self._builds: dict[ModuleKey, str] = {}
        self._generation = -1

    def is_of(self, traced: Traced) -> bool:
        return self._traced is traced

    @property
    def lives(self) -> bool:
        return self._traced.ended is None

    def look(self, since_attach: Callable[[], float], *, fresh: bool = False) -> None:
        """Read what may have changed, nothing of one that has ended.

        `fresh`: also if it is not its turn, and its mappings too.
        """
        if not self.lives:
            self._look_back()
            return
        if fresh or self._pace.due():
            end = self._pace.begin()
            self._look_at_memory(since_attach)
            end()
        space = self._traced.space
        if fresh:
            space.refresh_if_older_than(0)
        self._mappings = space.mappings
        if space.generation != self._generation:
            self._generation = space.generation
            self._builds = build_ids(space)

    def _look_at_memory(self, since_attach: Callable[[], float]) -> None:
        process = self._traced.process
        status = facts.status(process)
        # Memory goes first when a process ends; then its number may become another's.
        if status is not None and status.memory and not process.ended():
            self._who, self._status = status, (status.memory, since_attach())
            self._look_at_group()
            self._start_rollup(since_attach)

    def _look_at_group(self) -> None:
        before = self._group
        limits = before.limits if before is not None else {}
        if self._limits_pace.due():
            end = self._limits_pace.begin()
            self._place = place_of(self._traced.process.pid)
            limits = limits_of(self._place) if self._place is not None else {}
            end()
        if self._place is None:
            self._group = None
            return
        figures = figures_of(self._place)
        if not figures:
            return  # it was removed
        if self._statistics_pace.due():
            end = self._statistics_pace.begin()
            figures |= statistics_of(self._place)
            end()
        elif before is not None:
            kept = (name for name in before.figures if name.startswith("memory.stat."))
            figures |= {name: before.figures[name] for name in kept}
        self._group = MemoryGroup(clean(self._place.path), self._place.version, limits, figures)

    def _look_back(self) -> None:
        """Once after the end: what its group has counted up to it, as limits met and kills.

        Each figure is the larger one of before and after the end.
        """
        if self._looked_back or self._group is None or self._place is None:
            return
        self._looked_back = True
        before = self._group.figures
        after = figures_of(self._place)
        larger = {name: max(value, after.get(name, value)) for name, value in before.items()}
        self._group = replace(self._group, figures=larger)

    def _start_rollup(self, since_attach: Callable[[], float]) -> None:
        going_on = self._rolling is not None and self._rolling.is_alive()
        if going_on or not self._rollup_pace.due():
            return
        end = self._rollup_pace.begin()

        def read() -> None:
            sums = facts.rollup(self._traced.process)
            if sums is not None:
                self._rollup = sums, since_attach()
            end()

        thread = Thread(read, "rollup")
        with suppress(RuntimeError):  # no more threads: the figures are none the worse without
            thread.start()
            self._rolling = thread

    def wait(self, limit_s: float) -> None:
        """For a reading of smaps_rollup that has begun."""
        if self._rolling is not None:
            self._rolling.join(limit_s)

    def facts(self) -> ProcessFacts:
        """As of the last look; of a process that has ended, the last before its end."""
        process, who = self._traced.process, self._who
        return ProcessFacts(
            pid=process.pid,
            slot=self._traced.slot,
            command_line=self._command_line,
            started=self._started,
            parent=who.parent if who is not None else None,
            users=who.users if who is not None else (),
            limits=self._limits,
            memory=self._memory(),
            group=self._group,
            mappings=mapped_ranges(self._mappings, self._builds),
            environment=self._environment,
        )

    def _memory(self) -> MemoryFigures | None:
        if self._status is None:
            return None
        sums, sums_at = self._rollup or (None, None)
        return MemoryFigures(*self._status, sums, sums_at)
