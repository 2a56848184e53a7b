"""Names of JIT code, which its runtime writes to /tmp/perf-PID.map for perf to read.

Owns which file is believed and how much of it is read: it belongs to an unprivileged user and is
read as root. Leaves its entries to `jitcode`.
"""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Collection
from typing import NamedTuple, final

from ebpftrace.bounded import within
from ebpftrace.host import status
from ebpftrace.symbols.demangling import demangled
from ebpftrace.symbols.jitcode import MOST_LINE, JitCode
from ebpftrace.target.process import Process
from ebpftrace.target.root import TargetRoot

MOST_BYTES = 64 << 20
"""Of a file that are read: its first ones."""
REREAD_SECONDS = 1.0

_SHARE = 0.1  # of the time may go into reading: a million entries take seconds
_HANGS_SECONDS = 2.0
_PIECE = 4 << 20
_SAMPLE = 64
_WRITABLE_BY_OTHERS = 0o002
_TICKS = os.sysconf("SC_CLK_TCK")
_SLACK_SECONDS = 2.0  # start times are told in ticks, and clocks are set


@final
class PerfMap:
    """The map of one process. Never raises; not for two threads at once."""

    def __init__(
        self,
        root: TargetRoot,
        pid: int,
        owners: Callable[[], Collection[int]],
        clock: Callable[[], float] = time.monotonic,
        *,
        since: float = 0.0,
    ) -> None:
        """`root` stays the caller's to close, after the last call here.

        `pid` is the process's in its innermost pid namespace. The file must belong to root or one
        of `owners`, and have been written to after `since`, in seconds since 1970: containers give
        the same pids again and again.
        """
        self.generation = 0
        self._path = f"/tmp/perf-{pid}.map"  # noqa: S108 - its writers know no other folder
        self._root = root
        self._owners = owners
        self._known_owners = frozenset({0})
        self._clock = clock
        self._since = since
        self._held: _Held | None = None
        self._code = JitCode()
        self._next = float("-inf")
        self._frozen = False

    @classmethod
    def of(cls, process: Process, root: TargetRoot) -> "PerfMap":
        """That of `process`, which lives yet."""

        def owners() -> Collection[int]:
            uids = status.of(process.pid).uids[:2]  # real and effective
            return () if process.ended() else uids

        pids = status.of(process.pid).pids
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - process.start_time / _TICKS
        since = time.time() - age - _SLACK_SECONDS
        return cls(root, pids[-1] if pids else process.pid, owners, since=since)

    def find(self, address: int) -> str | None:
        """The name of the code at `address` by what was read last: clean, demangled, clipped."""
        raw = self._code.find(address)
        return None if raw is None else demangled(raw.decode("utf-8", "surrogateescape"))

    def refresh(self) -> bool:
        """Read what is new in the file; True where that changed something, and `generation` too.

        At most once a second, and in a tenth of the time. Never again where it hung: its file
        system may be the target's own.
        """
        began = self._clock()
        if self._frozen or began < self._next:
            return False
        self._known_owners |= frozenset(self._owners())
        try:
            found = within(_HANGS_SECONDS, functools.partial(self._fetch, self._held))
        except TimeoutError:
            self._frozen, found = True, None
        except OSError:
            found = None
        changed = found is not None and self._take_in(found)
        self._next = began + max(REREAD_SECONDS, (self._clock() - began) / _SHARE)
        self.generation += changed
        return changed

    def freeze(self) -> None:
        """Go on with what was read: the process runs another program now."""
        self._frozen = True

    def close(self) -> None:
        """Let go of the file; closing twice does nothing. What was read is still found."""
        self._frozen = True
        if self._held is not None:
            os.close(self._held.fd)
            self._held = None

    def _fetch(self, held: "_Held | None") -> "_Fetched | None":
        """What was written since `held`, or all of a file that is another one. OSError.

        None where nothing was. Runs in a thread that may be given up, so it changes nothing here.
        """
        with contextlib.ExitStack() as opened:
            fd = self._open()
            if fd >= 0:
                opened.callback(os.close, fd)
            elif held is not None:
                # What has been deleted, or is out of reach since the end, is still held open.
                fd = held.fd
            else:
                return None
            state = _State.of(fd)
            if held is not None and state == held.state:
                return None
            start = held.offset if held is not None and held.goes_on_in(fd, state) else 0
            text = _read(fd, start, min(state.size, MOST_BYTES))
            opened.pop_all()
        return _Fetched(fd, state, start, text)

    def _open(self) -> int:
        """A descriptor of the file, -1 where there is none that may be believed. OSError."""
        try:
            fd = self._root.open_file(self._path, follow=False)
        except OSError:
            return -1
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, fd)
            it = os.fstat(fd)
            if (
                it.st_uid in self._known_owners
                and not it.st_mode & _WRITABLE_BY_OTHERS
                and it.st_nlink == 1  # with a second one it may be any file of root's
                and it.st_mtime >= self._since
            ):
                opened.pop_all()
                return fd
        return -1

    def _take_in(self, found: "_Fetched") -> bool:
        """Whether the names are others than before."""
        held, before = self._held, len(self._code)
        if held is not None and held.fd != found.fd:
            os.close(held.fd)
        if not found.start:
            held, self._code = None, JitCode()
        lines, end, inside = _whole_lines(found.text, held is not None and held.inside)
        sample = found.text[max(0, end - _SAMPLE) : end] or (held.sample if held else b"")
        self._held = _Held(found.fd, found.state, found.start + end, inside, sample)
        self._code.add(lines)
        if len(self._code) == before and (found.start or not before):
            return False
        self._code.settle()
        return True


class _State(NamedTuple):
    """What differs where the contents do."""

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, fd: int) -> "_State":
        it = os.fstat(fd)
        return cls(it.st_dev, it.st_ino, it.st_size, it.st_mtime_ns)


class _Held(NamedTuple):
    """A file read up to `offset`, before which the bytes of `sample` stand.

    `inside`: that is amid a line which is too long.
    """

    fd: int
    state: _State
    offset: int
    inside: bool
    sample: bytes

    def goes_on_in(self, fd: int, state: _State) -> bool:
        """Has the file only grown, as far as the sample shows?"""
        if state[:2] != self.state[:2] or state.size <= self.state.size:
            return False
        size = len(self.sample)
        return os.pread(fd, size, self.offset - size) == self.sample


class _Fetched(NamedTuple):
    fd: int
    state: _State
    start: int
    text: bytes


def _read(fd: int, start: int, end: int) -> bytes:
    text = bytearray()
    while start + len(text) < end:
        piece = os.pread(fd, min(end - start - len(text), _PIECE), start + len(text))
        if not piece:
            break
        text += piece
    return bytes(text)


def _whole_lines(text: bytes, inside: bool) -> tuple[bytes, int, bool]:
    """The whole lines of `text`, where what is to be read again begins, and whether amid a line.

    `inside`: `text` begins amid a line, which is left out.
    """
    first = 0
    if inside:
        first = text.find(b"\n") + 1
        if not first:
            return b"", len(text), True
    last = text.rfind(b"\n") + 1
    if len(text) - last > MOST_LINE:
        return text[first:last], len(text), True
    return text[first:last], last, False
