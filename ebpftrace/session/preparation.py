"""The compilation and the worker, started before anything else that takes time.

This module imports little on purpose: what `session` needs beside it is loaded, and the probes are
planned, while the compiler runs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ebpftrace.kernel.compiler import Compiling
from ebpftrace.kernel.programs import start_compiling
from ebpftrace.kernel.sizes import MapSizes, available_bytes, choose
from ebpftrace.kernel.worker import Worker
from ebpftrace.session.options import CaptureOptions

if TYPE_CHECKING:
    from ebpftrace.kernel.tracer import Tracer


@dataclass(frozen=True, slots=True)
class Preparation:
    """What `Session.open` goes on from. Start it on the main thread."""

    options: CaptureOptions
    sizes: MapSizes
    compilation: Compiling
    worker: Worker

    def tracer(self) -> "Tracer":
        """What was compiled, loaded; it owns all of this then. CannotAttach, and `close` it."""
        from ebpftrace.kernel.tracer import Tracer

        tracer = Tracer(
            self.compilation.result(),
            self.sizes,
            self.options.stack_depth,
            self.worker,
            self.options.backend,
        )
        if self.options.may_watch_faults:
            tracer.load_faults_ahead()
        return tracer

    def interrupt(self) -> None:
        """Let `tracer` not wait for the compiler any longer; any thread may do this."""
        self.compilation.interrupt()

    def close(self) -> None:
        """Give up: the tracer was not made."""
        self.compilation.cancel()
        self.worker.close()


def prepare(options: CaptureOptions) -> Preparation:
    """Choose the sizes of the maps and start to compile. CannotAttach where this host cannot."""
    sizes = choose(
        available_bytes(), options.max_blocks, options.max_stacks, trace_log=options.trace_log
    )
    worker = Worker()  # first: it holds no end of the compiler's socket
    try:
        compiling = start_compiling(
            sizes,
            options.stack_depth,
            options.min_size,
            options.max_size,
            faults=options.may_watch_faults,
        )
    except BaseException:
        worker.close()
        raise
    return Preparation(options, sizes, compiling, worker)
