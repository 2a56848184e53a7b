"""Runs a workload and the tool beside it, as a tester would by hand, and never hangs.

`Workload` speaks the protocol of tests/workloads/protocol.h; `Tracer` is one run of `ebpftrace attach
--json`, whose pictures it reads. Both are context managers that end what they started, and only that.
"""

import contextlib
import fcntl
import functools
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ebpftrace.kernel.backends import BACKENDS
from ebpftrace.kernel.worker import Worker
from tests.kernel.pictures import Picture

# Guests under emulation run 10 to 25 times slower: they raise every limit at once.
EXACT = ("--mode", "full")
"""Of the two commands that would take a sample where that is cheaper; a test may give another one after it."""
TIME_SCALE = float(os.environ.get("EBPFTRACE_TIME_SCALE", "1"))
START_LIMIT = 20 * TIME_SCALE  # from the command to the first picture
PICTURE_LIMIT = 15 * TIME_SCALE  # from one picture to the next
WORK_LIMIT = 60 * TIME_SCALE  # one phase of a workload
LEAVE_LIMIT = 45 * TIME_SCALE  # from the signal to the end: the kernel removes probes one by one

REPOSITORY = Path(__file__).parents[2]
WORKLOADS = REPOSITORY / "tests" / "workloads"
BUILT = os.environ.get("EBPFTRACE_BUILT_WORKLOADS", "")
"""Where they are, made by a compiler for another machine."""
TOOL = (sys.executable, "-m", "ebpftrace")
BACKEND = os.environ.get("EBPFTRACE_TEST_BACKEND", "auto")

# What the tools of the running test said last, for the report of a failure.
recent: deque["JsonTool"] = deque(maxlen=3)


@functools.cache
def workload(name: str) -> Path:
    """The built program; everything is built once in a run, under a lock, unless it is said where it is."""
    if BUILT:
        return Path(BUILT) / name
    with (WORKLOADS / "Makefile").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "-j2", "-C", WORKLOADS], check=True)
    return WORKLOADS / "build" / name


@functools.cache
def backends() -> tuple[str, ...]:
    """The ways of holding probes that this kernel has, the cheapest first."""
    worker = Worker()
    try:
        refused = worker.trial().refused
    finally:
        worker.close()
    return tuple(backend for backend in BACKENDS if backend not in refused)


class Lines:
    """The lines of a pipe, read by a thread, so that waiting for one has a limit."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.pipe = pipe
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for line in self.pipe:
            self.lines.put(line.decode(errors="surrogateescape").removesuffix("\n"))
        self.lines.put(None)

    def next(self, limit: float, what: str) -> str | None:
        """The next line, None at the end of the pipe."""
        try:
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            raise AssertionError(f"no {what} within {limit:.0f} s") from None
        if line is None:
            self.lines.put(None)
        return line

    def forget(self) -> None:
        """Drop the lines that nobody has asked for."""
        with contextlib.suppress(queue.Empty):
            while (line := self.lines.get_nowait()) is not None:
                del line
            self.lines.put(None)

    def close(self) -> None:
        self.thread.join(5)
        if not self.thread.is_alive():
            self.pipe.close()


class Program:
    """A child with pipes, killed and reaped on the way out."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.title = " ".join(command)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
        assert self.process.stdout
        self.out = Lines(self.process.stdout)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self, limit: float) -> int:
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.title} has not ended in {limit:.0f} s") from None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.out.close()


def copied(tmp_path: Path, program: str, name: str) -> Path:
    """A program by a name that nothing else on this machine has."""
    there = tmp_path / name
    shutil.copy(workload(program), there)
    return there


class Workload(Program):
    """A program of tests/workloads, past its `ready`."""

    def __init__(
        self,
        program: str | Path,
        *args: object,
        preload: str | Path = "",
        fixed_addresses: bool = False,
        user: int | None = None,
    ) -> None:
        path = program if isinstance(program, Path) else workload(program)
        command = ["setarch", "-R"] if fixed_addresses else []
        environment = dict(os.environ)
        if isinstance(preload, Path):
            environment["LD_PRELOAD"] = str(preload)
        elif preload:
            environment["LD_PRELOAD"] = ":".join(str(workload(name)) for name in preload.split())
        super().__init__(
            [*command, str(path), *map(str, args)],
            stdin=subprocess.PIPE,
            env=environment,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        self.said: list[str] = []
        try:
            self.expect("ready")
        except AssertionError:
            self.close()
            raise

    def __enter__(self) -> "Workload":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def go(self) -> None:
        """Start the next phase."""
        assert self.process.stdin
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def expect(self, word: str) -> None:
        """Read up to the line `word`; what else is said is kept in `said`."""
        end = time.monotonic() + WORK_LIMIT
        while (line := self.out.next(max(end - time.monotonic(), 0), f"{word!r}")) != word:
            if line is None:
                raise AssertionError(f"ended (status {self.wait(5)}) before it said {word!r}")
            assert line != "wrong", "the workload was surprised by its own libc"
            self.said.append(line)

    def phases(self, count: int = 1) -> None:
        for _ in range(count):
            self.go()
            self.expect("done")

    def pair_ns(self, readings: int = 7) -> float:
        """The median of what `loop_time` measures from now on, in ns."""
        self.out.forget()
        found: list[float] = []
        while len(found) < readings:
            line = self.out.next(WORK_LIMIT, "reading of loop_time")
            assert line is not None, "loop_time has ended"
            found.append(float(line.split()[1]))
        return sorted(found)[readings // 2]

    def leave(self) -> int:
        """Let it end by itself, at the end of its stdin."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.wait(WORK_LIMIT)

    def close(self) -> None:
        super().close()
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


@dataclass(frozen=True)
class Ended:
    """A run of the tool that is over; `final` is its last picture."""

    status: int
    stderr: str
    final: Picture


class Tool(Program):
    """A run of the tool without a terminal. What it says on stderr is kept."""

    def __init__(
        self,
        command: str,
        targets: Sequence[Workload | int],
        options: Sequence[object],
        user: tuple[str, ...] = (),
        **settings: Any,
    ):
        """`user` is a command in front of it."""
        pids = [target if isinstance(target, int) else target.pid for target in targets]
        selected = [word for pid in pids for word in ("-p", str(pid))]
        self.said: list[str] = []
        defaults = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": REPOSITORY}
        super().__init__(
            [*user, *TOOL, command, *EXACT, *selected, "--backend", BACKEND, *map(str, options)],
            **{**defaults, **settings},
        )
        assert self.process.stderr
        self.narration = Lines(self.process.stderr)

    def stderr(self) -> str:
        """What it has said on stderr so far."""
        with contextlib.suppress(queue.Empty):
            while (line := self.narration.lines.get(timeout=0.1)) is not None:
                self.said.append(line)
            self.narration.lines.put(None)
        return "\n".join(self.said)

    def close(self) -> None:
        if self.process.poll() is None:  # a failed test: it may still detach in good order
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LEAVE_LIMIT)
        super().close()
        self.narration.thread.join(5)
        self.stderr()
        self.narration.close()


class JsonTool(Tool):
    """One that shows pictures; `last` is the newest that was read."""

    last: Picture | None = None


class Tracer(JsonTool):
    """`ebpftrace attach --json` on running processes, past its first picture (so: armed)."""

    def __init__(
        self,
        *targets: Workload | int,
        options: tuple[object, ...] = (),
        interval: float = 0.2,
        user: tuple[str, ...] = (),
    ) -> None:
        super().__init__("attach", targets, ("--json", "--interval", interval, *options), user)
        recent.append(self)
        try:
            self.first = self.picture(START_LIMIT)
        except AssertionError:
            self.close()
            raise

    def __enter__(self) -> "Tracer":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _next(self, limit: float) -> Picture | None:
        line = self.out.next(limit, "picture")
        if line is None:
            return None
        self.last = Picture.parse(line)
        return self.last

    def picture(self, limit: float = PICTURE_LIMIT) -> Picture:
        """The next picture."""
        picture = self._next(limit)
        if picture is None:
            status = self.wait(LEAVE_LIMIT)
            raise AssertionError(f"ebpftrace ended (status {status}): {self.stderr()}")
        return picture

    def until(self, predicate: Callable[[Picture], object], limit: float = WORK_LIMIT) -> Picture:
        """The first picture of which `predicate` holds."""
        end = time.monotonic() + limit
        while not predicate(picture := self.picture()):
            assert time.monotonic() < end, f"not so within {limit:.0f} s"
        return picture

    def settled(self) -> Picture:
        """A picture that was begun after this call."""
        while self.out.lines.qsize():
            self.picture()
        self.picture()  # may have been begun before
        return self.picture()

    def ended(self) -> Ended:
        """Waits for an end that has another cause than us."""
        while self._next(LEAVE_LIMIT):
            pass
        status = self.wait(LEAVE_LIMIT)
        assert self.last
        assert self.last.final, "the last picture does not say that it is the final one"
        return Ended(status, self.stderr(), self.last)

    def finish(self, by: signal.Signals = signal.SIGINT) -> Ended:
        """End it as a user would, Ctrl-C unless told otherwise."""
        self.process.send_signal(by)
        return self.ended()


def run_tool(*args: object, user: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The tool from start to end, without a terminal; `user` is a command in front of it."""
    if args[:1] in (("attach",), ("record",)):
        args = (*args[:1], *EXACT, *args[1:])
    return subprocess.run(
        [*user, *TOOL, *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=REPOSITORY,
        timeout=START_LIMIT + LEAVE_LIMIT,
        check=False,
        text=True,
    )


def wait_until(condition: Callable[[], object], what: str, limit: float = WORK_LIMIT) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {limit:.0f} s"
        time.sleep(0.005)


def probed_text(pid: int) -> list[str]:
    """Mapped files whose code in the process differs from the file: breakpoints are still there."""
    changed = set()
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").split("\n"):
            if not line:
                continue
            span, permissions, offset, *rest = line.split(maxsplit=5)
            if "x" not in permissions or len(rest) < 3 or not rest[2].startswith("/"):
                continue
            start, end = (int(word, 16) for word in span.split("-"))
            with Path(f"/proc/{pid}/map_files/{start:x}-{end:x}").open("rb") as file:
                file.seek(int(offset, 16))
                original = file.read(end - start)
            if os.pread(memory, len(original), start) != original:
                changed.add(rest[2])
    finally:
        os.close(memory)
    return sorted(changed)
