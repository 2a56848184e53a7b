"""What stays when a watch ends and another one of the same processes begins."""

from dataclasses import dataclass

from ebpftrace.drain.polling import Polling
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.session.modes import Modes
from ebpftrace.session.newcomers import Newcomers
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.removals import Removals
from ebpftrace.symbols.lines import Lines, standard_lines


@dataclass(frozen=True, slots=True)
class Kept:
    """`lines`: None where none are looked up."""

    tracer: Tracer
    options: CaptureOptions
    polling: Polling
    lines: Lines | None
    removals: Removals
    modes: Modes
    newcomers: Newcomers

    @classmethod
    def of(cls, tracer: Tracer, options: CaptureOptions, polling: Polling) -> "Kept":
        """For a first watch."""
        return cls(
            tracer,
            options,
            polling,
            standard_lines(debuginfod=options.debuginfod) if options.dwarf else None,
            Removals(),
            Modes(options.mode, options.budget_percent, may_grow=options.may_watch_faults),
            Newcomers(options.wanted, tracer),
        )

    def close(self) -> None:
        """After the last watch: give back everything."""
        if self.lines is not None:
            self.lines.close()
        self.removals.wait()
        self.tracer.close()
