"""The programs that a launched process runs: each is traced before any of its code has allocated.

A probe goes into the file, but it is the file that is mapped which is the right one, whatever the
loader's configuration, LD_PRELOAD or a file that was just replaced make of it. So nothing is guessed:
the kernel side stops the process at its exec, where the program and its loader are mapped, and then
whenever the loader tells debuggers of libraries (`target.loader`). Once these are there, before the
first constructor, the probes are placed as in any running process, and the process goes on. A
program without a loader is probed at its exec.

It is stopped, too, where a stack cannot be walked for want of a rule, as long as it has one thread: a
program that ends within milliseconds has whole stacks.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from ebpftrace import kerneltime
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.kernel import layout
from ebpftrace.kernel.attach import Attachment
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.session import hazards
from ebpftrace.session.removals import Removals
from ebpftrace.target.launching import Launch
from ebpftrace.target.loader import Loader, loader_of
from ebpftrace.target.modules import open_modules, released
from ebpftrace.target.process import Process
from ebpftrace.text import clean

log = logging.getLogger(__name__)

_NO_SLOT = Slot(0)
PATIENCE_S = 10.0
"""That a loader has to tell of libraries, and the kernel of an exec; then both are not waited for."""


class _Loading(NamedTuple):
    """A program whose loader is to tell of its libraries."""

    process: Process
    loader: Loader
    probe: Attachment
    until: float


class Entering:
    """True as long as a program waits to be traced."""

    def __init__(
        self,
        launch: Launch,
        tracer: Tracer,
        attach: Callable[[Pid], None],
        removals: Removals,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`attach` to what the process runs now; it raises CannotAttach."""
        self._launch = launch
        self._tracer = tracer
        self._attach = attach
        self._removals = removals
        self._clock = clock
        self._loading: _Loading | None = None
        self._exec_until: float | None = None
        self._resumed_at = 0.0
        self.entered = False
        """Has the first program been traced?"""
        self.late = False
        """Did one run for a while before it was?"""

    def __bool__(self) -> bool:
        return self._loading is not None or self._exec_until is not None

    @property
    def pid(self) -> Pid:
        """Of the process that was launched."""
        return self._launch.pid

    def run_in(self, listen: Callable[[], None]) -> None:
        """Let the child execute the command, until that is traced; `listen` leads to what is below.

        UsageError where it cannot be executed; TargetGone where it ended before; CannotAttach, and it
        is held.
        """
        caution = hazards.caution(self._tracer.trial)
        if caution is not None:
            log.warning("%s", caution)
        self._tracer.watch(self._launch.pid, _NO_SLOT, held=True)
        self._exec_until = self._clock() + PATIENCE_S
        self._launch.go()
        while not self.entered:
            listen()
            self.tick()
            if self._launch.ended() and not self.entered:
                command = clean(self._launch.command[0])
                raise TargetGone(f"{command} ended before it could be traced.")

    def on_program(self, kind: int, moment_ns: int) -> None:
        """It is held, since that moment, at its exec or where its loader tells of libraries.

        CannotAttach for the first program, which stays held then.
        """
        if kind == layout.EVENT_EXEC:
            self._on_exec()
        elif kerneltime.ours_s(moment_ns) > self._resumed_at:
            # Else it is not held any more: where the probe for the program before is still being
            # removed, one stop is told twice, and a second SIGCONT would end the next one.
            self._on_loaded()

    def _on_exec(self) -> None:
        self._exec_until = None
        self._give_up_loading()
        self._do(self._await_libraries)

    def _on_loaded(self) -> None:
        loading = self._loading
        if loading is None or not loading.loader.has_mapped(loading.process):
            self._resume()
            return
        self._give_up_loading()
        self._do(self._attach_now)

    def on_misses(self, events: Sequence[bytes]) -> None:
        """The walks of these have been finished; it may be held at one of them."""
        if any(layout.EVENT.unpack_from(event)[1] & layout.MISS_HELD for event in events):
            self._resume()

    def tick(self) -> None:
        """Attach late where what was waited for has not come. CannotAttach as `on_program`."""
        now = self._clock()
        if self._launch.ended():
            self._exec_until = None
            self._give_up_loading()
        elif self._exec_until is not None and now >= self._exec_until:
            self._exec_until = None
            self._attach_late("the kernel told nothing of its exec")
        elif self._loading is not None and now >= self._loading.until:
            self._give_up_loading()
            self._attach_late("its loader told nothing of its libraries")

    def close(self) -> None:
        """No more of it; what is held goes on, but for a first program that was not traced."""
        self._exec_until = None
        self._give_up_loading()
        if self.entered:
            self._resume()

    def _do(self, step: Callable[[], None]) -> None:
        """Then let it go on, with a warning where a later program cannot be traced."""
        try:
            step()
        except CannotAttach as error:
            if not self.entered:
                raise
            log.warning("Not traced after its exec: %s", error)
        self._resume()

    def _resume(self) -> None:
        self._resumed_at = self._clock()
        self._launch.resume()

    def _await_libraries(self) -> None:
        """Attach at once to a program without a loader that tells."""
        with ExitStack() as undo:
            process = undo.enter_context(Process.open(self._launch.pid))
            self._tracer.watch(process.pid, _NO_SLOT, held=True)  # the program before had a slot
            with released(open_modules(process)) as modules:
                loader = loader_of(process, modules, at_exec=True)
                if loader is not None:
                    probe = self._tracer.tell_of_libraries(loader, process.pid)
                    until = self._clock() + PATIENCE_S
                    self._loading = _Loading(process, loader, probe, until)
                    undo.pop_all()
        if self._loading is None:
            self._attach_now()

    def _attach_now(self) -> None:
        self._attach(self._launch.pid)
        self.entered = True

    def _attach_late(self, why: str) -> None:
        self.late = True
        log.warning("The program ran for %.0f s without probes: %s.", PATIENCE_S, why)
        self._do(self._attach_now)

    def _give_up_loading(self) -> None:
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.process.close()
            self._removals.add(loading.probe)
