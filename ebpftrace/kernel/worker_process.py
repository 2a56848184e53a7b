"""The process that places and removes probes, from within: a thread for each conversation.

It is a copy of the tool that has given up everything but its socket. It holds the descriptors of
all probes, so that its end, however it comes, is theirs. It ends in good order when its maker has
gone, also when that one was killed: a process that is killed while it removes a probe leaves the
breakpoint in the target for good ("failed to unregister, leaking uprobe", kernel/events/uprobes.c).
"""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

from ebpftrace.errors import HostRefuses
from ebpftrace.kernel import features, syscalls
from ebpftrace.kernel.btf import kernel_function, kernel_offsets
from ebpftrace.kernel.child import keep_only
from ebpftrace.kernel.instructions import RETURN_0
from ebpftrace.kernel.probe_trials import probe_trial
from ebpftrace.kernel.refusing import refuse, refused
from ebpftrace.kernel.testbed import TOUCH, Testbed, function
from ebpftrace.threads import Thread

MOST_MESSAGE = 1 << 18
_MOST_FILES = 8
_LOOK_S = 0.1
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_NAME = b"ebpftrace-probe"
_IGNORED = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP),
    signal.SIGUSR1,  # for the maker, but systemctl kill sends it to all of a service
)

_EXPLAINED = ("place", "renew")
"""Requests whose maker says what an error number means."""

Answer = dict[str, Any]


def run(control: socket.socket, maker: int) -> None:
    """Never returns."""
    status = 1
    try:
        _serve(control, *_begun(control, maker))
        status = 0
    finally:
        os._exit(status)


def _serve(control: socket.socket, tried: "Tried | None", failure: Exception | None) -> None:
    """Whoever asks, to the end of the maker; each is told about a `failure`."""
    conversations: list[tuple[Conversation, Thread]] = []
    while True:
        word, files, _, _ = socket.recv_fds(control, 16, _MOST_FILES)
        if not word:
            break
        for file in files:
            channel = socket.socket(fileno=file)
            if tried is None:
                assert failure is not None
                refuse(channel, failure)
                continue
            serving = Conversation(channel, tried)
            thread = Thread(serving.run, "conversation")
            try:
                thread.start()
            except (RuntimeError, MemoryError) as error:  # no more of them
                refuse(channel, error)
            else:
                conversations.append((serving, thread))
    for serving, _ in conversations:
        serving.end()
    for serving, thread in conversations:
        while thread.is_alive() and not serving.abandoned():
            thread.join(_LOOK_S)
    if tried is not None:
        tried.release()


class Tried:
    """What was tried on our own code, and that code for more.

    The probes of the trial stay until `release`: their removal keeps everybody on this host from
    opening other perf events of uprobes for half a second.
    """

    def __init__(self) -> None:
        self._held = ExitStack()
        self.trial = self._held.enter_context(probe_trial())  # first: it forks, so no threads yet
        self.testbed: Testbed | None = None
        with suppress(OSError):  # for this machine there is no code
            self.testbed = Testbed()

    def release(self) -> None:
        """Remove the probes of the trial."""
        self._held.pop_all().close()


def _begun(control: socket.socket, maker: int) -> tuple[Tried, None] | tuple[None, Exception]:
    """What it serves with, or why it cannot."""
    try:
        _detach(control, maker)
        return Tried(), None
    except Exception as error:  # noqa: BLE001 - for who asks for anything
        return None, error


def _detach(control: socket.socket, maker: int) -> None:
    """Become nobody's output and nobody's terminal job."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)  # the maker decides; our end is its closed socket
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)  # stopped, it would never hear of it
    prctl(_PR_SET_NAME, _NAME, 0, 0, 0)
    if os.getppid() != maker:
        os._exit(1)
    keep_only(
        control.fileno()
    )  # first: with a copy of the maker's end it would never hear of its end
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
    except OSError:  # in a container without one
        nothing = os.memfd_create("nothing")
    for standard in range(3):  # who reads our output must see its end when the maker ends
        os.dup2(nothing, standard)
    os.close(nothing)


class _LeftAlone(Exception):
    """Nobody waits for this conversation any more: `Conversation.abandoned`."""


class Conversation:
    """The other end of a `Channel`: requests one after another, until it is closed."""

    def __init__(self, channel: socket.socket, tried: Tried) -> None:
        self._socket = channel
        self._tried = tried
        self._held: list[int] = []
        self._looking = self._abandoned = False
        self._turn = threading.Lock()
        self._doing: dict[str, Callable[[Answer, list[int]], Answer]] = {
            "place": self._place,
            "check": self._check,
            "clear": self._clear,
            "remove": self._remove,
            "renew": self._renew,
            "look": self._look,
            "trial": self._trial,
            "release": self._release,
            "kernel_function": self._kernel_function,
            "kernel_offsets": self._kernel_offsets,
            "time": self._time,
            "touch": self._touch,
        }

    def abandoned(self) -> bool:
        """Leave it alone if it looks, which may last for ever, and holds no probes.

        Then it does nothing more: it would be killed while it places or removes some.
        """
        with self._turn:
            self._abandoned = self._looking and not self._held
            return self._abandoned

    def run(self) -> None:
        """Serve it to its end."""
        try:
            while True:
                message, files, _, _ = socket.recv_fds(self._socket, MOST_MESSAGE, _MOST_FILES)
                if not message:
                    break
                self._answer(json.loads(message), files)
        except (OSError, _LeftAlone):
            pass  # the other end has gone
        finally:
            try:
                self._clear({}, [])
            finally:
                self._remove({}, [])
                self._socket.close()

    def end(self) -> None:
        """No more requests, also where the other end stays open; any thread may say so."""
        with suppress(OSError):  # it has ended
            self._socket.shutdown(socket.SHUT_RD)

    def _answer(self, request: Answer, files: list[int]) -> None:
        try:
            if len(files) < request["files"]:  # this process may open no more
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            answer = self._doing[request["do"]](request, files)
        except _LeftAlone:
            raise
        except HostRefuses as error:
            answer = {"host_refuses": (error.reason, error.fix)}
        except Exception as error:  # noqa: BLE001 - the edge of a process: the maker raises it again
            if isinstance(error, OSError) and request["do"] in _EXPLAINED:
                answer = {"errno": error.errno or 0}
            else:
                answer = refused(error)
        finally:
            for file in files:
                with suppress(OSError):
                    os.close(file)
        self._say(answer)

    def _say(self, answer: Answer) -> None:
        self._socket.send(json.dumps(answer).encode())

    def _place(self, request: Answer, files: list[int]) -> Answer:
        """Place one `Placement`; the descriptors of its program and file come with it."""
        program, *file = files
        path = f"/proc/self/fd/{file[0]}" if file else self._testbed().path
        offsets, cookies = request["offsets"], request["cookies"]
        if request["attach_type"]:
            self._held.append(
                syscalls.link_uprobes(
                    program,
                    path,
                    offsets,
                    cookies,
                    request["process"] or os.getpid(),
                    request["attach_type"],
                    returns=request["returns"],
                )
            )
            return {"errno": 0}
        events = features.uprobe_events()
        bit = events.return_bit if request["returns"] else None
        for offset, cookie in zip(offsets, cookies, strict=True):
            event = syscalls.open_uprobe(
                path, offset, request["thread"] or os.getpid(), events.type, bit
            )
            self._held.append(event)
            if request["cookies_are_known"]:
                self._held.append(syscalls.link_program(event, program, cookie))
            else:
                syscalls.set_program(event, program)
        return {"errno": 0}

    def _renew(self, request: Answer, files: list[int]) -> Answer:
        """Make the kernel look again at who may have the breakpoints of a link (multi, session).

        A child that was forked off has kept them and pays for them. Opening and closing an empty
        link at the same places removes them from every process that no link wants; our own is
        never touched. Where a process is stuck this hangs at the look, before anything is placed.
        """
        (file,) = files
        before = time.monotonic()
        for _pid in self._look_at_all():
            pass
        empty = syscalls.load_program(
            syscalls.PROG_TYPE_KPROBE,
            RETURN_0,
            "renew",
            attach_type=syscalls.ATTACH_TYPE_UPROBE_MULTI,
        )
        try:
            os.close(
                syscalls.link_uprobes(
                    empty,
                    f"/proc/self/fd/{file}",
                    request["offsets"],
                    [0] * len(request["offsets"]),
                    request["process"],
                    syscalls.ATTACH_TYPE_UPROBE_MULTI,
                )
            )
        finally:
            os.close(empty)
        return {"errno": 0, "took_s": time.monotonic() - before}

    def _check(self, _request: Answer, _files: list[int]) -> Answer:
        """Look whether a process is stuck: then this hangs, and nothing is placed."""
        for _pid in self._look_at_all():
            pass
        return {"errno": 0}

    def _clear(self, _request: Answer, _files: list[int]) -> Answer:
        """Wait, for ever, until no process is stuck, if anything is to be removed.

        Probes that count nothing do less harm than forks that wait, all over the host.
        """
        with suppress(OSError):  # too few files to look: then nobody knows of one
            if self._held:
                self._check({}, [])
        return {"errno": 0}

    def _remove(self, _request: Answer, _files: list[int]) -> Answer:
        """Each link or event in a thread of its own: most of the time the kernel just waits."""
        held, self._held = self._held, []
        closing = []
        for fd in reversed(held):
            try:
                thread = Thread(os.close, "removal", (fd,))
                thread.start()
            except (RuntimeError, MemoryError):  # no more of them
                os.close(fd)
            else:
                closing.append(thread)
        for thread in closing:
            thread.join()
        return {"errno": 0}

    def _trial(self, _request: Answer, _files: list[int]) -> Answer:
        return self._tried.trial.as_object()

    def _kernel_function(self, request: Answer, _files: list[int]) -> Answer:
        return {"id": kernel_function(request["name"])}

    def _kernel_offsets(self, _request: Answer, _files: list[int]) -> Answer:
        return {"offsets": kernel_offsets()}

    def _release(self, _request: Answer, _files: list[int]) -> Answer:
        self._tried.release()
        return {"errno": 0}

    def _testbed(self) -> Testbed:
        if self._tried.testbed is None:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        return self._tried.testbed

    def _time(self, request: Answer, _files: list[int]) -> Answer:
        """Nanoseconds for some calls of a function of the testbed, and where all its code is."""
        testbed = self._testbed()
        return {
            "ns": testbed.run(
                function(request["function"]),
                request["calls"],
                request["base"],
                request["depth"],
            ),
            "code": testbed.code,
        }

    def _touch(self, request: Answer, _files: list[int]) -> Answer:
        """The same for the first writes to so many pages, and which thread has done it."""
        testbed, pages = self._testbed(), request["pages"]
        with mmap.mmap(-1, pages * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
            with suppress(OSError):  # a kernel without huge pages
                area.madvise(mmap.MADV_NOHUGEPAGE)
            place = ctypes.addressof(ctypes.c_char.from_buffer(area)) >> 8
            took = testbed.run(TOUCH, pages, place, request["depth"])
        return {"ns": took, "code": testbed.code, "thread": threading.get_native_id()}

    def _look(self, _request: Answer, _files: list[int]) -> Answer:
        """Tell the number of each process before its memory is read; None when all were."""
        for pid in self._look_at_all():
            self._say({"pid": pid})
        return {"pid": None}

    def _look_at_all(self) -> Iterator[int]:
        """Read from the memory of every process; its number comes first."""
        self._looking = True
        for name in os.listdir("/proc"):
            if name.isdigit():
                yield int(name)
                with suppress(OSError):
                    _read_memory(name)
        with self._turn:
            self._looking = False
            if self._abandoned:
                raise _LeftAlone


def _read_memory(process: str) -> None:
    """A byte of it, which takes the lock. OSError."""
    file = os.open(f"/proc/{process}/cmdline", os.O_RDONLY)
    try:
        os.read(file, 1)
    finally:
        os.close(file)
