"""What is attached to a loop: ebpftrace itself, bcc's memleak.

Each is a context manager that measures only while it is armed, and whose end waits until every probe
has gone.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ebpftrace.errors import EbpftraceError
from ebpftrace.kernel import sources
from ebpftrace.kernel.backends import BACKENDS
from scripts.bench.loops import REPOSITORY

MEMLEAK = Path("/usr/sbin/memleak-bpfcc")
_MEMLEAK_PYTHON = Path("/usr/bin/python3")
_RUN_MEMLEAK = Path(__file__).with_name("run_memleak.py")
_TOOL = ("-m", "ebpftrace")
_LIMIT_S = 60.0


class TracerFailed(EbpftraceError):
    """The tracer did not arm, or ended by itself."""


class Tool:
    """One run of `ebpftrace attach --json`, armed: its first picture has come."""

    def __init__(self, pids: Sequence[int], *options: str, program: Sequence[str] = _TOOL) -> None:
        """`first_picture_s` is the time from here to that picture. TracerFailed without one.

        `program`: what Python runs, in place of the tool as it is.
        """
        named = [word for pid in pids for word in ("-p", str(pid))]
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the object
        self.pictures: list[dict[str, Any]] = []
        self._came: queue.SimpleQueue[bool] = queue.SimpleQueue()
        start = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, *program, "attach", "--json", "--mode", "full", *named, *options],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._words,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.next_picture()
        self.first_picture_s = time.monotonic() - start

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.pictures.append(json.loads(line))
            self._came.put(True)
        self._came.put(False)

    def next_picture(self) -> dict[str, Any]:
        """Wait for one more picture."""
        try:
            came = self._came.get(timeout=_LIMIT_S)
        except queue.Empty:
            came = False
        if not came:
            self.close()
            raise TracerFailed(f"ebpftrace sent no picture. {self.said()}")
        return self.pictures[-1]

    def said(self) -> str:
        """Its stderr."""
        self._words.seek(0)
        return self._words.read().decode(errors="replace").strip()

    def close(self) -> None:
        """End it as a user does, and wait until its probes have gone."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)


@contextlib.contextmanager
def tool(pids: Sequence[int], *options: str, program: Sequence[str] = _TOOL) -> Iterator[Tool]:
    """Run ebpftrace on `pids`; `pictures` holds everything it sent, also after the end."""
    run = Tool(pids, *options, program=program)
    try:
        yield run
    finally:
        run.close()


def back_ends(pid: int, leave_out: Callable[[str], None]) -> list[str]:
    """Those that hold probes on this process, the cheapest first; why not is told to `leave_out`."""
    found: list[str] = []
    for backend in BACKENDS:
        try:
            with tool([pid], "--backend", backend) as run:
                used = run.pictures[0]["targets"][0]["backend"]
        except TracerFailed as error:
            leave_out(f"The back end {backend} is left out. {error}")
            continue
        if used == backend:
            found.append(backend)
        else:
            leave_out(f"The back end {backend} is left out: the tool used {used} in its place.")
    return found


def _perf_events(pid: int) -> int:
    """Perf events that a process holds; 0 once it has ended."""
    folder = f"/proc/{pid}/fd"
    count = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                count += "perf_event" in os.readlink(f"{folder}/{name}")
    return count


@contextlib.contextmanager
def memleak(pid: int) -> Iterator[None]:
    """Run bcc's memleak; it attaches to the first byte of every function. TracerFailed."""
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            [_MEMLEAK_PYTHON, _RUN_MEMLEAK, MEMLEAK, "-p", str(pid), "86400"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            env={**os.environ, "BCC_KERNEL_SOURCE": str(sources.headers())},
        )
        try:
            if not _memleak_armed(process):
                words.seek(0)
                said = words.read().decode(errors="replace").strip()
                raise TracerFailed(f"memleak did not attach: {said[-500:]}")
            yield
        finally:
            process.kill()  # it keeps nothing in the kernel beyond its descriptors
            process.wait()


def _memleak_armed(process: "subprocess.Popen[bytes]") -> bool:
    """It says so before it begins to attach; all is done when it holds no more events than before."""
    end = time.monotonic() + _LIMIT_S
    steady, before = 0, 0
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.1)
        count = _perf_events(process.pid)
        steady = steady + 1 if count and count == before else 0
        before = count
        if steady == 5:
            return True
    return False
