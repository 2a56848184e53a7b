"""One run of the process that reads debug information, from outside: started, asked, watched, ended."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ebpftrace.errors import EbpftraceError
from ebpftrace.kernelfiles import read, sizes
from ebpftrace.symbols.resolver import wire
from ebpftrace.units import format_bytes

_START_S = 10.0
_WATCH_MS = 100
_MARGIN_BYTES = 32 << 20  # of what is reserved and not used
_MOST_HELD = 1 << 30
"""Of memory that no file backs, however large the files: a sparse one costs its owner nothing."""
_MOST_SENTENCE = 500
_MOST_STATUS = 64 << 10
_INTERPRETER = ("-I", "-c")  # neither its environment nor the current directory may choose modules
_RUN = "from ebpftrace.symbols.resolver import process; os._exit(process.main(sys.argv[1:]))"
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class ResolverGone(EbpftraceError):
    """It cannot be started here at all: there will be no files and lines."""


class ModuleFailed(EbpftraceError):
    """This file's debug information cannot be read; the sentence says why."""


class Child:
    """Started by the constructor. For one thread at a time, but for `interrupt`."""

    def __init__(
        self, environment: Mapping[str, str], files: Sequence[int] = (), *, network: bool
    ) -> None:
        """`environment`: all that it gets beside what it needs; `files` it may use. ResolverGone."""
        self._channel, theirs = socket.socketpair()
        path = [part for part in sys.path if part]
        command = [
            sys.executable,
            *_INTERPRETER,
            f"import os, sys; sys.path[:] = {path!r}; {_RUN}",
            str(theirs.fileno()),
            str(os.getpid()),
            *(["network"] if network else []),
        ]
        try:
            with theirs, _blocked(signal.SIGUSR1):  # which ends it before it can ignore it
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno(), *files],
                    env={**_ENVIRONMENT, **environment},
                    cwd="/",
                    start_new_session=True,
                )
        except OSError as error:
            self._channel.close()
            raise ResolverGone(f"What reads debug information does not start: {error}.") from error
        try:
            self._channel.settimeout(_START_S)
            hello, _ = wire.receive(self._channel)
        except (OSError, EOFError, ValueError) as error:
            how = self._how_it_ended()
            raise ResolverGone(f"What reads debug information does not start ({how}).") from error
        if "error" in hello:
            self.stop()
            raise ResolverGone(f"Debug information cannot be read: {hello['error']}")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(
        self, request: wire.Message, files: Sequence[int], limit_s: float, most_bytes: int
    ) -> wire.Message:
        """The answer to a request that may take so long and so much memory.

        ModuleFailed with the reason; then it runs no more, unless it was its answer.
        """
        limits = {"most_bytes": most_bytes + _MARGIN_BYTES, "seconds": limit_s}
        try:
            self._channel.settimeout(limit_s)
            wire.send(self._channel, {**request, **limits}, files)
            end = time.monotonic() + limit_s
            held = min(most_bytes, _MOST_HELD)
            answer, stray = wire.receive(self._channel, lambda: self._await(held, end))
            for fd in stray:
                os.close(fd)
        except TimeoutError as error:
            self.stop()
            raise ModuleFailed(f"reading it took longer than {limit_s:.0f} s") from error
        except MemoryError as error:
            self.stop()
            most = format_bytes(min(most_bytes, _MOST_HELD))
            raise ModuleFailed(f"reading it took more than {most}") from error
        except (OSError, EOFError) as error:
            raise ModuleFailed(f"reading it ended with {self._how_it_ended()}") from error
        except ValueError as error:
            raise self.senseless() from error
        if "error" in answer:
            raise ModuleFailed(str(answer["error"])[:_MOST_SENTENCE])
        return answer

    def _await(self, most: int, end: float) -> None:
        """Until more of the answer is there. TimeoutError; MemoryError beyond `most` bytes."""
        waiting = select.poll()
        waiting.register(self._channel, select.POLLIN)
        while True:
            there = waiting.poll(_WATCH_MS)
            if time.monotonic() > end:
                raise TimeoutError
            if there:
                return
            if self.memory_bytes("RssAnon") > most:
                raise MemoryError

    def senseless(self) -> ModuleFailed:
        """What to raise for an answer that is none; ends the process."""
        self.stop()
        return ModuleFailed("what was read makes no sense")

    def memory_bytes(self, field: str = "VmRSS") -> int:
        """By a field of /proc/PID/status, in which it has chosen its name; 0 where it has ended."""
        return sizes(read(f"/proc/{self.pid}/status", _MOST_STATUS) or "").get(field, 0)

    def _how_it_ended(self) -> str:
        """In words, and its end, if need be."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.stop()
            return "silence"
        self.stop()
        if code >= 0:
            return f"status {code}"
        return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"

    def interrupt(self) -> None:
        """Make whoever waits for an answer stop waiting; any thread may do this."""
        self._process.kill()

    def stop(self) -> None:
        """End it; twice does nothing."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    @property
    def stopped(self) -> bool:
        """Has it been ended?"""
        return self._channel.fileno() < 0


@contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    """For this thread, and from its beginning for what it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
