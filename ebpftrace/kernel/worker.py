"""The process that places and removes probes, seen from the one that watches.

Placing a probe takes the lock of the memory of every process that maps the file, and one process
that is stuck holds its own for ever. A thread that waits for it cannot even be killed, so all of it
happens in a child, and every question to it has a time limit. On a host with much to do a kernel may
take longer; as long as nobody is found stuck, the limit is that of patience.
"""

import contextlib
import json
import logging
import os
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ebpftrace.errors import CannotAttach, HostRefuses
from ebpftrace.host import limits
from ebpftrace.host.explain import refusal
from ebpftrace.kernel import worker_process
from ebpftrace.kernel.btf import Offsets
from ebpftrace.kernel.child import how_it_ended
from ebpftrace.kernel.probe_trials import ProbeTrial

log = logging.getLogger(__name__)

LIMIT_S = 10.0
LOOK_S = 2.0
_LOOK_AGAIN_S = 0.5  # it is known already that something hangs
_END_S = 5.0  # from the end of its sockets to its own, which removes all probes
_PATIENCE_S = 60.0  # from the limit on, where nothing is stuck
_MOST_ANSWER = worker_process.MOST_MESSAGE
_STUCK = "It is stuck in the kernel; dmesg may say more."


class WorkerSilent(CannotAttach):
    """The worker did not answer in time: it is stuck in the kernel, or was stopped."""


class WorkerGone(CannotAttach):
    """The worker has ended, and every probe with it."""


class Channel:
    """One conversation with the worker, served there by a thread of its own.

    What is placed through it is removed when it is closed. For one thread at a time.
    """

    def __init__(
        self,
        own: socket.socket,
        explain: Callable[[], str | None] = str,
        gone: Callable[[], WorkerGone] = lambda: _gone("has ended"),
    ) -> None:
        """`explain`: asked after a silence for sentences about it; None: it is only slow.

        `gone`: what is raised after its end.
        """
        self._socket = own
        self._explain = explain
        self._gone = gone
        self._silent = False

    def say(self, request: Mapping[str, object], files: Sequence[int] = ()) -> None:
        """Send a request. WorkerGone; WorkerSilent where an answer is still owed."""
        if self._silent:  # that answer would be taken for the one to this request
            raise WorkerSilent("The process that places the probes still owes an answer.")
        try:
            message = json.dumps({**request, "files": len(files)}).encode()
            socket.send_fds(self._socket, [message], files)
        except OSError as error:
            self._raise_last_words()
            raise self._gone() from error

    def _raise_last_words(self) -> None:
        """Why it serves no conversation, if it has said so before it closed this one."""
        answer = b""
        for _ in range(2):  # where it had not read a request, there is an ECONNRESET before them
            with contextlib.suppress(OSError):
                answer = answer or self._socket.recv(_MOST_ANSWER, socket.MSG_DONTWAIT)
        if answer:
            _heard(answer)

    def answered(self) -> bool:
        """Has an answer come, or the worker's end, so that `hear` does not wait?"""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        return bool(waiting.poll(0))

    def hear(self, limit_s: float) -> dict[str, Any]:
        """The next answer.

        WorkerSilent after `limit_s` seconds without one, or later where the worker is only slow;
        WorkerGone; HostRefuses.
        """
        began, told = time.monotonic(), False
        self._socket.settimeout(max(limit_s, 0.001))
        while True:
            try:
                answer = self._socket.recv(_MOST_ANSWER)
                break
            except TimeoutError as error:
                why = self._explain()
                now = time.monotonic()
                if why is None and now - began < limit_s + _PATIENCE_S:
                    if not told:
                        log.warning(
                            "The kernel takes long to place or remove probes, and nothing is stuck: "
                            "waiting for up to %.0f s more.",
                            _PATIENCE_S,
                        )
                    told = True
                    continue
                self._silent = True
                raise WorkerSilent(
                    f"The process that places the probes has not answered for {now - began:.0f} s. "
                    f"Nothing is counted. {why or _STUCK}"
                ) from error
            except OSError as error:
                self._raise_last_words()
                raise self._gone() from error
        if not answer:
            raise self._gone()
        return _heard(answer)

    def ask(
        self, request: Mapping[str, object], files: Sequence[int] = (), limit_s: float = LIMIT_S
    ) -> dict[str, Any]:
        """`say` and `hear`."""
        self.say(request, files)
        return self.hear(limit_s)

    def close(self) -> None:
        """End it. What it has placed and not yet removed is removed behind our back."""
        self._socket.close()


class Worker:
    """Start it from the main thread, before any other thread runs. It ends with its maker."""

    def __init__(self) -> None:
        """CannotAttach where no process can be started.

        Lifts the limits of both processes first: below 5.11 the smallest map is refused where others
        of the same user, systemd for one, have used up the locked memory that is usual.
        """
        limits.lift()
        try:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            maker = os.getpid()
            self.pid = os.fork()
        except OSError as error:
            raise _not_started(error) from error
        if self.pid == 0:
            worker_process.run(theirs, maker)
        self._ended = self._stuck = False
        self._status: int | None = None
        theirs.close()
        self._look: Channel | None = self._start_look()  # while there is other work

    def channel(self) -> Channel:
        """A new conversation. WorkerGone."""
        return Channel(self._connect(), self._why_silent, self._gone)

    def _connect(self) -> socket.socket:
        try:
            own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise _not_started(error) from error
        with theirs:
            try:
                socket.send_fds(self._control, [b"-"], [theirs.fileno()])
            except OSError as error:
                own.close()
                raise self._gone() from error
        return own

    def _gone(self) -> WorkerGone:
        """With how it ended, where that is known."""
        limit_s = 0 if self._stuck else _END_S
        if not self._ended_within(limit_s) or self._status is None:
            return _gone("has ended")
        return _gone(how_it_ended(self._status))

    def trial(self) -> ProbeTrial:
        """What was tried at the start of the worker. CannotAttach."""
        return ProbeTrial.from_object(self._ask_once({"do": "trial"}))

    def kernel_function(self, name: str) -> int | None:
        """As in `btf`; the worker has looked while the programs were compiled. CannotAttach."""
        number: int | None = self._ask_once({"do": "kernel_function", "name": name})["id"]
        return number

    def kernel_offsets(self) -> Offsets:
        """As in `btf`. CannotAttach."""
        returns, exits, pids, faults = self._ask_once({"do": "kernel_offsets"})["offsets"]
        return tuple(returns), tuple(exits), tuple(pids), tuple(faults)

    def _ask_once(self, request: Mapping[str, object]) -> dict[str, Any]:
        channel = self.channel()
        try:
            return channel.ask(request)
        finally:
            channel.close()

    def check_locks(self) -> None:
        """No process of the host may sit on the lock of its own memory. CannotAttach names it.

        Placing a probe would wait for that one, and keep every fork of the host waiting as well
        (dup_mmap_sem of kernel/events/uprobes.c).
        """
        looking, self._look = self._look or self._start_look(), None
        pid = _hangs(looking, LOOK_S)
        if pid is not None:
            self._stuck = True
            raise CannotAttach(
                f"Process {pid} ({_comm(pid)}) is stuck in the kernel with the lock of its memory "
                "held: placing a probe would wait for it, and every fork of this host as well. "
                f"Nothing was placed. {_what_to_do(pid)}"
            )

    def what_is_stuck(self) -> str:
        """Who, in words, for after a silence."""
        pid = self._stuck_now()
        return "a process of this host" if pid is None else f"process {pid} ({_comm(pid)})"

    def _stuck_now(self) -> int | None:
        try:
            pid = _hangs(self._start_look(), _LOOK_AGAIN_S)
        except CannotAttach:
            return None
        self._stuck = self._stuck or pid is not None
        return pid

    def _start_look(self) -> Channel:
        looking = Channel(self._connect(), gone=self._gone)
        looking.say({"do": "look"})
        return looking

    def _why_silent(self) -> str | None:
        """Now a writer waits for the lock that is held, so that those who only read hang too."""
        if self._stopped():
            self._stuck = True
            return f"It was stopped; kill -CONT {self.pid} lets it go on."
        pid = self._stuck_now()
        if pid is None:
            return None
        return (
            f"It waits for the lock of the memory of process {pid} ({_comm(pid)}), which is stuck "
            "in the kernel; until then no process of this host can fork (kill, a builtin of the "
            f"shell, still works). {_what_to_do(pid)}"
        )

    def _stopped(self) -> bool:
        try:
            after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2]
        except OSError:
            return False
        return after_name.split()[0] in "Tt"

    def close(self, limit_s: float = LIMIT_S) -> None:
        """End it, and with it every probe that is still in place.

        It is never killed: see `worker_process`. One that is stuck ends when it gets out; where a
        process is, the grace periods that removing waits for may take as long.
        """
        if self._look is not None:
            self._look.close()
        self._control.close()
        if not self._ended_within(0 if self._stuck else limit_s):
            log.info("process %d still removes probes, and ends when it has", self.pid)

    def ended(self) -> bool:
        """Is it gone, and every probe with it?"""
        if not self._ended:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._ended = bool(pid)
                self._status = status if pid else None
            except ChildProcessError:
                self._ended = True
        return self._ended

    def _ended_within(self, limit_s: float) -> bool:
        end = time.monotonic() + limit_s
        while not self.ended():
            if time.monotonic() >= end:
                return False
            time.sleep(0.002)
        return True


def _heard(answer: bytes) -> dict[str, Any]:
    """HostRefuses; RuntimeError for what is a defect."""
    heard: dict[str, Any] = json.loads(answer)
    if "host_refuses" in heard:
        raise HostRefuses(*heard["host_refuses"])
    if "internal" in heard:
        raise RuntimeError(f"in the worker: {heard['internal']}")
    return heard


def _not_started(error: OSError) -> CannotAttach:
    return refusal(error, "fork", "The process that places the probes cannot be started")


def _hangs(looking: Channel, limit_s: float) -> int | None:
    """The process at whose memory a look hangs. WorkerSilent where it did not even begin."""
    pid = 0
    try:
        while (pid := looking.hear(limit_s)["pid"]) is not None:
            pass
    except WorkerSilent:
        if not pid:
            raise
        return pid
    finally:
        looking.close()
    return None


def _what_to_do(pid: int) -> str:
    return (
        f"See /proc/{pid}/task/*/stack for what it waits for; end it, or what reads its memory, "
        "and try again. ps and pgrep may hang at it as well."
    )


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def _gone(how: str) -> WorkerGone:
    return WorkerGone(
        f"The process that placed the probes {how}, and they are gone with it. Start again."
    )
