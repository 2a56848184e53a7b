"""One injection of a fault: the runs of the tool that it starts, and what it may use."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kernel.faults.fault import Expected
from tests.kernel.faults.injection import Call, Injector
from tests.kernel.faults.judging import Ended
from tests.kernel.faults.subject import Subject
from tests.kernel.faults.ways import Way
from tests.kernel.harness import START_LIMIT, WORK_LIMIT, wait_until
from tests.kernel.leftovers import alive, kernel_words, marked

if TYPE_CHECKING:
    from tests.kernel.faults.bench import Bench

_LOOK_S = 0.002


class Run:
    """The tool, with its output in files: nobody has to read them for it to go on."""

    def __init__(
        self,
        way: Way,
        command: Sequence[str],
        folder: Path,
        expected: Expected,
        cwd: Path,
        environment: Mapping[str, str],
        stdout: str | None = None,
    ) -> None:
        """`stdout`: the path of something else to write to."""
        self.way, self.expected = way, expected
        self._out, self._err = folder / "out", folder / "err"
        folder.mkdir()
        with (
            open(stdout or self._out, "wb") as out,  # noqa: PTH123
            self._err.open("wb") as err,
        ):
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if way.starts_program else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env=environment,
                start_new_session=True,
            )
        self.began = time.monotonic()
        self.ended_at = 0.0
        self.killed = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def runs(self) -> bool:
        return self.process.poll() is None

    def said(self) -> bytes:
        return self._out.read_bytes() if self._out.exists() else b""

    def until_picture(self, number: int = 1) -> bool:
        """Waits for its first line on stdout, or so many; False where it has ended before."""
        end = time.monotonic() + START_LIMIT
        while self.said().count(b"\n") < number:
            if not self.runs():
                return False
            assert time.monotonic() < end, "no picture"
            time.sleep(_LOOK_S)
        return True

    def kill(self, by: signal.Signals = signal.SIGKILL) -> None:
        """Send it that, if it is still there."""
        self.killed = self.killed or by == signal.SIGKILL
        self.process.send_signal(by)

    def children(self, name: str = "") -> list[int]:
        """Those of this name that live."""
        try:
            listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except OSError:
            return []
        return [pid for pid in map(int, listed) if alive(pid) and name in _name(pid)]

    def wait(self) -> list[str]:
        """For its end, which is brought about if it hangs: then a sentence about where.

        What it has started ends before that, unless the tool was killed.
        """
        found = []
        if self.process.stdin and not self.killed:
            self.process.stdin.close()
        try:
            self.process.wait(WORK_LIMIT)
        except subprocess.TimeoutExpired:
            where = [f"{pid}: {kernel_words(pid)}" for pid in (self.pid, *self.children())]
            found.append(f"it hangs, {'; '.join(where)}")
            self.kill()
            self.process.wait()
        self.ended_at = self.ended_at or time.monotonic()
        return found

    def ended(self) -> Ended:
        said = self._err.read_text(errors="replace")
        return Ended(self.way, self.process.returncode, self.said(), said)

    def close(self) -> None:
        """At the very end, of a program that it has started as well."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


class Round:
    """What `Fault.inject` is given: the target, folders, chance (`random`), and ways to start the tool."""

    def __init__(
        self, bench: "Bench", number: int, subject: Subject, folder: Path, expected: Expected
    ) -> None:
        self.bench, self.number, self.subject, self.folder = bench, number, subject, folder
        self.expected = expected
        self.random = random.Random(f"{bench.seed} {number}")
        self.runs: list[Run] = []
        self.undo = ExitStack()
        """Closed once the runs have ended, before what they have left is looked at."""
        self.injector = Injector(folder, subject.pid)

    def start(
        self,
        way: Way,
        *options: str,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        expected: Expected | None = None,
        stdout: str | None = None,
        pid: int | None = None,
    ) -> Run:
        """The tool on the target, or on `pid`; `prefix`: a command in front of it."""
        command = [*prefix, *way.command(pid or self.subject.pid, self.bench.places.cwd), *options]
        run = Run(
            way,
            command,
            self.folder / f"run{len(self.runs)}",
            expected or self.expected,
            self.bench.places.cwd,
            {**self.bench.environment, **(env or {})},
            stdout,
        )
        self.runs.append(run)
        if run.process.stdin:
            run.process.stdin.write(b"go\n")
            run.process.stdin.flush()
        return run

    def start_paused(self, way: Way, call: Call) -> tuple[Run, Callable[[], None]] | None:
        """A run that waits before `call`, and what lets it go on; None where it has ended before that."""
        gate = self.undo.enter_context(self.injector.gate())
        run = self.start(way, env=self.injector.pausing(call))
        end = time.monotonic() + START_LIMIT
        while not gate.reached(0.01):
            if not run.runs():
                return None
            assert time.monotonic() < end, f"never at {call}"
        return run, gate.open

    def ours(self) -> list[int]:
        """Every process of the runs that lives."""
        return marked(self.bench.mark)

    def until(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, what, START_LIMIT)

    def kill_all(self) -> None:
        """All processes of the runs at once, as systemd does with a service that does not end."""
        for run in self.runs:
            run.killed = True
        for pid in self.ours():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
