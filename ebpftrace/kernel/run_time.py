"""How long our programs run, as the kernel measures it where it is asked to (BPF_ENABLE_STATS, since 5.8).

Each run of any program of this host takes some 50 ns longer meanwhile: ask for moments only.
"""

import contextlib
import logging
import os

from ebpftrace.kernel import syscalls
from ebpftrace.kernel.programs import Programs

log = logging.getLogger(__name__)


class RunTime:
    """Of the programs at probes, all together. Measured from `begin` to `end`."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._asking: int | None = None
        self._before: dict[int, int] = {}
        self.refused = False
        """Does the kernel not measure it?"""

    def begin(self) -> None:
        """From now on, unless it is refused."""
        if self._asking is not None or self.refused:
            return
        try:
            self._asking = syscalls.enable_run_time()
            self._before = self._read()
        except OSError as error:
            log.info("the run time of BPF programs is not measured: %s", error.strerror)
            self.refused = True
            self.close()

    def end(self) -> int | None:
        """Nanoseconds since `begin`; None where they were not measured."""
        if self._asking is None:
            return None
        before, now = self._before, self._read()
        self.close()
        return sum(ns - before.get(program, 0) for program, ns in now.items())

    def _read(self) -> dict[int, int]:
        found = {}
        for program in self._programs.at_probes():
            with contextlib.suppress(OSError):  # one that was given up just now
                found[program] = syscalls.program_run_time(program)
        return found

    def close(self) -> None:
        """Measure no more."""
        if self._asking is not None:
            os.close(self._asking)
            self._asking = None
