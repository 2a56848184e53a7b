"""One running process: its identity, its threads, its mappings.

Owns the pidfd and the decision whether a process can be traced at all. Leaves the mapped files to
`modules`. A process whose main thread has ended lives on in its other threads, and /proc shows it
only through them, so everything is read by way of a living one (`anchor`).
"""

import contextlib
import errno
import functools
import os
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ebpftrace import shortage
from ebpftrace.bounded import within
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.model.ids import Pid, Tid
from ebpftrace.target.maps import Mapping, parse_maps
from ebpftrace.target.memory import Memory
from ebpftrace.text import clean

_PF_KTHREAD = 0x00200000  # include/linux/sched.h
_ENDED_STATES = "ZXx"
_MOST_PID = 1 << 22  # PID_MAX_LIMIT: a larger number never names a process
_MOST_STATUS = 64 << 10
_MOST_MAPS = 128 << 20
_LOCK_S = 2.0
_ELF32, _ELF64 = b"\x7fELF\x01", b"\x7fELF\x02"
# What a file of /proc/PID says of a process that is on its way out.
_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True)
class _Stat:
    """The fields of /proc/PID/stat that are needed; `start_time` in clock ticks since boot.

    `stack`: where it starts, which each program that the process runs has at random. `faults`: page faults of
    all its threads so far.
    """

    state: str
    flags: int
    start_time: int
    stack: int
    faults: int


@final
class Process:
    """A process that can be traced, held by a pidfd: close it, or use it as a context manager.

    Every method may be called after the process has ended; those that cannot answer then say so.
    """

    def __init__(self, pid: Pid, pidfd: int, start_time: int, comm: str, exe: str) -> None:
        """For `open`, which makes the checks; takes over `pidfd`."""
        self.pid = pid
        self.start_time = start_time
        self.comm = comm
        self.exe = exe
        self._pidfd = pidfd
        self._stack = 0
        self._hangs = False

    @classmethod
    def open(cls, pid: int) -> "Process":
        """Hold process `pid`.

        TargetGone where there is none (any more); CannotAttach where it is ourselves, a thread, a
        thread of the kernel, a 32-bit program, or not ours to read.
        """
        if pid == os.getpid():
            raise CannotAttach(
                f"Process {pid} is ebpftrace itself, which would trace itself; "
                "give the pid of another process."
            )
        pidfd = _open_pidfd(pid)
        try:
            return cls._identify(Pid(pid), pidfd)
        except BaseException:
            os.close(pidfd)
            raise

    @classmethod
    def _identify(cls, pid: Pid, pidfd: int) -> "Process":
        # While the pidfd has not become readable the number cannot be given to another process:
        # everything read between opening it and the last look at it is of one process.
        with _reading(pid):
            stat = _read_stat(f"/proc/{pid}")
            if stat.flags & _PF_KTHREAD:
                raise CannotAttach(
                    f"Process {pid} is a thread of the kernel and has no memory of its own to "
                    "trace; give the pid of a program."
                )
            process = cls(pid, pidfd, stat.start_time, "", "")
            if process.ended():
                raise _gone(pid, zombie=stat.state in _ENDED_STATES)
            process._stack = _read_stat(process.proc_path()).stack  # before what names the program
            process.comm = clean(_read_file(f"/proc/{pid}/comm", 64).rstrip(b"\n"))
            process.exe = _read_exe(pid, process.anchor())
            if process.ended():
                raise _gone(pid)
        return process

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Process {self.pid} {self.comm!r}>"

    def close(self) -> None:
        """Let go of the pidfd; closing twice does nothing."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def fileno(self) -> int:
        """The pidfd, which polls readable when the last thread has ended."""
        return self._pidfd

    def ended(self) -> bool:
        """Whether the last thread has ended; True also for what is closed."""
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def runs_another_program(self) -> bool:
        """Has it called exec since it was opened? False also where it has ended."""
        try:
            with _reading(self.pid):
                return not self.ended() and _read_stat(self.proc_path()).stack != self._stack
        except CannotAttach:
            return False

    def check(self) -> None:
        """TargetGone where the process has ended or its pid names another process by now."""
        with _reading(self.pid):
            if self.ended() or _read_stat(f"/proc/{self.pid}").start_time != self.start_time:
                raise _gone(self.pid)

    def threads(self) -> list[Tid]:
        """The living threads, ascending; empty where the process has ended."""
        with _reading(self.pid):
            return sorted(self._living_threads())

    def tasks(self) -> list[Tid]:
        """The numbers of its threads, those that are ending too: quicker than `threads`."""
        with _reading(self.pid):
            try:
                return [Tid(int(name)) for name in os.listdir(f"/proc/{self.pid}/task")]
            except _GONE:
                return []

    def has_thread(self, thread: Tid) -> bool:
        """Is `thread` one of ours and alive?"""
        try:
            return _read_stat(f"/proc/{self.pid}/task/{thread}").state not in _ENDED_STATES
        except (*_GONE, PermissionError):
            return False

    def anchor(self) -> Tid:
        """A living thread: the leader while it lives, else the lowest. TargetGone without one.

        A perf event belongs to one thread, and the /proc files of a dead leader are empty.
        """
        with _reading(self.pid):
            if _read_stat(f"/proc/{self.pid}").state not in _ENDED_STATES:
                return Tid(self.pid)
            living = self.threads()
        if not living:
            raise _gone(self.pid)
        return living[0]

    def maps(self) -> tuple[Mapping, ...]:
        """The mappings now. TargetGone where the process ends; CannotAttach where unreadable.

        What is done with them wants the lock of its memory, which somebody may hold for ever.
        """
        with _reading(self.pid):
            for _ in range(3):
                text = within(_LOCK_S, functools.partial(_read_maps, self.proc_path()))
                # Empty: the thread read through has just ended; another may live on.
                if text:
                    return parse_maps(text)
        raise _gone(self.pid)

    def proc_path(self) -> str:
        """The /proc directory of a living thread. TargetGone without one."""
        return f"/proc/{self.pid}/task/{self.anchor()}"

    def memory(self, address: int, most: int) -> bytes:
        """The bytes from `address` on, up to `most` or to where nothing can be read; TargetGone.

        Nothing any more once that hung: what lies there may be of a file system of the target's own.
        """
        if self._hangs:
            return b""
        try:
            with self.opened_memory() as memory:
                return memory.read(address, most)
        except TimeoutError:
            self._hangs = True
            return b""
        except _GONE as error:
            raise _gone(self.pid) from error
        except OSError:
            return b""

    def opened_memory(self) -> Memory:
        """Its memory, by a living thread. TargetGone, OSError."""
        thread = self.anchor()
        return Memory(f"/proc/{self.pid}/task/{thread}", thread)

    def rss_bytes(self) -> int | None:
        """Resident bytes, or None where the process has ended (its memory goes first)."""
        try:
            fields = _read_file(f"{self.proc_path()}/statm", 256).split()
            pages = int(fields[1])
        except (OSError, TargetGone, IndexError, ValueError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE") or None

    def page_faults(self) -> int | None:
        """So far, of all its threads, those that have ended too; None where the process has ended."""
        try:
            return _read_stat(self.proc_path()).faults
        except (OSError, TargetGone):
            return None

    def namespaces(self) -> dict[str, int]:
        """Inode numbers of the namespaces it is in, by kind ("pid", "mnt", "net"); TargetGone."""
        with _reading(self.pid):
            links = (Path(self.proc_path()) / "ns").iterdir()
            return {link.name: link.stat().st_ino for link in links}

    def _living_threads(self) -> Iterator[Tid]:
        try:
            entries = list(Path(f"/proc/{self.pid}/task").iterdir())
        except _GONE:
            return
        for entry in entries:
            with contextlib.suppress(*_GONE):
                if _read_stat(str(entry)).state not in _ENDED_STATES:
                    yield Tid(int(entry.name))


def _open_pidfd(pid: int) -> int:
    if not 0 < pid <= _MOST_PID:
        raise TargetGone(f"There is no process {pid}: pids run from 1 to {_MOST_PID}.")
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ESRCH):
            raise CannotAttach(f"Process {pid} cannot be held: {error.strerror}.") from error
        leader = _thread_group(pid)
        if leader not in (None, pid):
            raise CannotAttach(
                f"{pid} is a thread of process {leader}, not a process; use -p {leader}."
            ) from error
        raise TargetGone(f"There is no process {pid}; it may have ended.") from error


def _thread_group(pid: int) -> int | None:
    """The process that thread `pid` belongs to, None where there is no such thread."""
    try:
        status = _read_file(f"/proc/{pid}/status", _MOST_STATUS)
    except OSError:
        return None
    for line in status.split(b"\n"):
        if line.startswith(b"Tgid:"):
            number = line[5:].strip()
            return int(number) if number.isdigit() else None
    return None


def _read_exe(pid: Pid, anchor: Tid) -> str:
    """The path of the executable, with the kernel's " (deleted)"; refuses what is not 64-bit."""
    path = f"/proc/{pid}/task/{anchor}/exe"
    exe = clean(os.fsencode(Path(path).readlink()))
    ident = _read_file(path, len(_ELF64))
    if ident == _ELF32:
        raise CannotAttach(
            f"Process {pid} ({exe}) is a 32-bit program; only 64-bit programs can be traced."
        )
    if ident != _ELF64:
        raise CannotAttach(f"The executable of process {pid} ({exe}) is not an ELF file.")
    return exe


def _read_stat(base: str) -> _Stat:
    """/proc/.../stat. ProcessLookupError where it is cut short."""
    # comm stands in parentheses, unescaped, and may hold some itself: the last one closes it.
    fields = _read_file(f"{base}/stat", 4096).rpartition(b")")[2].split()
    try:
        faults = int(fields[7]) + int(fields[9])
        return _Stat(
            fields[0].decode("ascii"), int(fields[6]), int(fields[19]), int(fields[25]), faults
        )
    except (IndexError, ValueError) as error:
        raise ProcessLookupError(f"{base}/stat is incomplete") from error


def _read_maps(base: str) -> bytes:
    """/proc/.../maps, and not without the memory's lock: `map_files` would hang without it.

    Maps alone are read without that lock on newer kernels (seen on 6.18).
    """
    _read_file(f"{base}/cmdline", 1)
    return _read_file(f"{base}/maps", _MOST_MAPS)


def _read_file(path: str, most: int) -> bytes:
    """At most `most` bytes of a file of /proc, which has no size to go by. OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        while most > 0 and (part := os.read(fd, min(most, 1 << 20))):
            parts.append(part)
            most -= len(part)
    finally:
        os.close(fd)
    return b"".join(parts)


@contextlib.contextmanager
def _reading(pid: Pid) -> Iterator[None]:
    """Say in our own errors what reading /proc/PID ran into."""
    try:
        yield
    except _GONE as error:
        raise _gone(pid) from error
    except PermissionError as error:
        raise CannotAttach(_not_permitted(pid)) from error
    except TimeoutError as error:
        raise CannotAttach(
            f"Process {pid} is stuck in the kernel with the lock of its memory held, or something "
            f"that reads its memory is: see /proc/{pid}/task/*/stack. Nothing was placed."
        ) from error
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise CannotAttach(shortage.open_files()) from error
        raise CannotAttach(f"Process {pid} cannot be read: {error.strerror}.") from error


def _not_permitted(pid: Pid) -> str:
    if os.geteuid() == 0:
        return (
            f"Process {pid} may not be read, though this is root (permission denied): a security "
            "module, or a capability that is missing (CAP_SYS_PTRACE), keeps it from us. "
            "ebpftrace doctor says which capabilities are there."
        )
    return (
        f"Process {pid} may not be read by this user (permission denied); run ebpftrace as root, "
        "for instance with sudo."
    )


def _gone(pid: Pid, zombie: bool = False) -> TargetGone:
    if zombie:
        return TargetGone(
            f"Process {pid} has ended and only waits for its parent to collect its status."
        )
    return TargetGone(f"Process {pid} has ended.")
