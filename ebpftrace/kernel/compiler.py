"""Compiling `bpf/` with BCC, in a child process that hands over descriptors and code and ends.

So clang's 100 MB, its words on stderr and, if it comes to that, its crashes stay out of the process
that watches, and compiling runs beside the planning of the probes.
"""

import ctypes
import errno
import json
import logging
import os
import signal
import socket
import struct
import sys
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ebpftrace.errors import CannotAttach, HostRefuses
from ebpftrace.host.explain import refusal
from ebpftrace.kernel import sources
from ebpftrace.kernel.bccapi import bcc, use_headers
from ebpftrace.kernel.child import keep_only
from ebpftrace.kernel.compilation_failure import compiler_ended, compiler_failed, not_started
from ebpftrace.kernel.compiler_files import FileIdentity, of_compiler
from ebpftrace.kernel.instructions import with_maps

log = logging.getLogger(__name__)

MAPS = (
    "control",
    "slots",
    "in_flight",
    "blocks",
    "cohorts",
    "stacks_seen",
    "rules",
    "more_rules",
    "reported",
    "mapping_codes",
    "thread_stacks",
    "pool_memory",
    "watched",
    "fault_slots",
    "events",
    "misses",
    "losses",
    "hits",
    "walks",
    "paths",
    "programs",
)
PROGRAMS = ("enter", "leave", "on_thread_exit", "on_exec", "on_new_task", "on_loaded")
_LENGTH = struct.Struct("<I")
_WORDS = 64 << 10
_LIMIT_S = 300.0  # an emulated processor takes up to a minute
_MOST_ANSWER = 16 << 20


@dataclass(frozen=True, slots=True)
class Unit:
    """What is compiled: a text, and which of its maps and programs are handed back."""

    text: Callable[[], str] = sources.flatten
    maps: tuple[str, ...] = MAPS
    programs: tuple[str, ...] = PROGRAMS


TRACER = Unit()
TRACER_OF_CALLS = Unit(maps=(*MAPS, "calls"))
TRACER_OF_FAULTS = Unit(
    maps=(*MAPS, "faults", "touched", "last_fault"), programs=(*PROGRAMS, "on_fault")
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """Descriptors of the maps, and the instructions of each program (map descriptors in place)."""

    maps: dict[str, int]
    code: dict[str, bytes]
    bcc_version: str
    made_by: tuple[FileIdentity, ...] = ()

    def close(self) -> None:
        """Give up the maps."""
        for fd in self.maps.values():
            os.close(fd)


class Compiling(Protocol):
    """What is under way to a `Compiled`."""

    def result(self) -> Compiled:
        """Wait for it. HostRefuses with the cause; CannotAttach when interrupted."""

    def interrupt(self) -> None:
        """Make `result` wait no longer, now and from now on; any thread may do this."""

    def cancel(self) -> None:
        """Give it up, whether it is done or not."""


class Compilation:
    """A compilation under way. Start it from the main thread, before any other thread runs."""

    def __init__(
        self, definitions: dict[str, object], unit: Unit = TRACER, limit_s: float = _LIMIT_S
    ) -> None:
        """`definitions` become -D options; sizes of maps are among them. HostRefuses where no
        child can be started.
        """
        self._unit = unit
        self._limit_s = limit_s
        self._given_up = False
        flags = [f"-D{name}={value}" for name, value in definitions.items()]
        log.debug("compiling with %s", " ".join(flags))
        with ExitStack() as undo:
            try:
                self._words = undo.enter_context(tempfile.TemporaryFile())
                self._socket, theirs = map(undo.enter_context, socket.socketpair())
                self._pid = os.fork()
            except OSError as error:
                raise not_started(error) from error
            undo.pop_all()
        if self._pid == 0:
            self._socket.close()
            _child(theirs, self._words.fileno(), unit, flags)
        theirs.close()

    def result(self) -> Compiled:
        """Wait for it. HostRefuses with the compiler's last words; CannotAttach when interrupted."""
        try:
            return self._receive()
        finally:
            self.cancel()

    def interrupt(self) -> None:
        """Make `result` wait no longer, now and from now on; any thread may do this."""
        self._given_up = True
        with suppress(OSError):  # it has its result
            self._socket.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        """End the child, whether it is done or not."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        self._socket.close()
        self._words.close()

    def _receive(self) -> Compiled:
        descriptors: list[int] = []
        try:
            body = self._body(descriptors)
            for line in self._said().splitlines():
                log.debug("compiler: %s", line)
            return self._understood(json.loads(body), descriptors)
        except BaseException as error:
            for fd in descriptors:
                os.close(fd)
            if self._given_up:  # not worth a wait for the compiler's last words
                raise CannotAttach("The compilation was given up.") from error
            if isinstance(error, TimeoutError):
                what = f"the compiler did not end in {self._limit_s:.0f} s"
                raise compiler_failed(what, self._said()) from error
            if isinstance(error, OSError):  # the child is gone, with or without a word
                raise compiler_ended(self._ended(), self._said()) from error
            if isinstance(error, (ValueError, LookupError, TypeError, struct.error)):
                what = "the compiler's answer makes no sense"
                raise compiler_failed(what, self._said()) from error
            raise

    def _body(self, descriptors: list[int]) -> bytes:
        """The child's answer. OSError where it ends before that; `descriptors` come with it."""
        deadline = time.monotonic() + self._limit_s
        self._socket.settimeout(self._limit_s)
        head, here, flags, _ = socket.recv_fds(self._socket, _LENGTH.size, len(self._unit.maps))
        descriptors += here
        # Fewer than were sent: this process may have no more (scm_detach_fds).
        if flags & socket.MSG_CTRUNC and len(here) < len(self._unit.maps):
            raise refusal(errno.EMFILE, "map", "The BPF maps cannot be taken over")
        if len(head) < _LENGTH.size:
            raise ConnectionResetError
        (length,) = _LENGTH.unpack(head)
        if length > _MOST_ANSWER:
            raise ValueError(length)
        body = bytearray()
        while len(body) < length:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = self._socket.recv(length - len(body))
            if not piece:
                raise ConnectionResetError
            body += piece
        return bytes(body)

    def _understood(self, answer: dict[str, Any], descriptors: list[int]) -> Compiled:
        """ValueError, LookupError or TypeError where it is not what was asked for."""
        if answer["error"]:
            reason, fix = answer["error"]
            raise HostRefuses(str(reason), str(fix))
        for fd in descriptors:
            os.set_inheritable(fd, False)
        here = dict(zip(answer["maps"], descriptors, strict=True))
        code = {
            name: with_maps(b64decode(answer["code"][name], validate=True), here)
            for name in self._unit.programs
        }
        if not all(code.values()):
            raise ValueError("a program is empty")
        maps = dict(zip(self._unit.maps, descriptors, strict=True))
        made_by = tuple(FileIdentity(*file) for file in answer["files"])
        return Compiled(maps, code, str(answer["bcc"]), made_by)

    def _ended(self) -> int | None:
        """The child's wait status; None while it runs on."""
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid = 0
                return status
            time.sleep(0.01)
        return None

    def _said(self) -> str:
        self._words.seek(0)
        return self._words.read(_WORDS).decode(errors="replace").strip()


def _child(answer_to: socket.socket, words: int, unit: Unit, flags: Sequence[str]) -> None:
    """Never returns: this is a copy of the tool, and must not act as the tool."""
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)  # the parent decides, and kills us
        os.dup2(words, 1)
        os.dup2(words, 2)
        keep_only(answer_to.fileno(), words)
        maps: list[int] = []
        code: dict[str, str] = {}
        files: tuple[FileIdentity, ...] = ()
        version = ""
        error: HostRefuses | None = None
        try:
            maps, code, version = _compile(unit, flags)
            files = of_compiler(Path(str(bcc().__file__)))
        except HostRefuses as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - BCC raises the bare class for everything
            said = os.pread(words, _WORDS, 0).decode(errors="replace")
            error = compiler_failed(str(failure) or type(failure).__name__, said)
        answer = {
            "error": (error.reason, error.fix) if error else None,
            "code": code,
            "maps": maps,
            "bcc": version,
            "files": files,
        }
        body = json.dumps(answer).encode()
        socket.send_fds(answer_to, [_LENGTH.pack(len(body))], maps)
        answer_to.sendall(body)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _compile(unit: Unit, flags: Sequence[str]) -> tuple[list[int], dict[str, str], str]:
    use_headers(sources.headers())
    module = bcc()
    compiled = module.BPF(text=unit.text().encode(), cflags=list(flags))
    lib = module.libbcc.lib
    maps = [int(lib.bpf_table_fd(compiled.module, name.encode())) for name in unit.maps]
    if -1 in maps:
        raise LookupError(f"BCC made no map {unit.maps[maps.index(-1)]}")
    code = {}
    for name in unit.programs:
        start = lib.bpf_function_start(compiled.module, name.encode())
        size = lib.bpf_function_size(compiled.module, name.encode())
        if not start or not size:
            raise LookupError(f"BCC made no program {name}")
        code[name] = b64encode(ctypes.string_at(start, size)).decode()
    return maps, code, str(getattr(module, "__version__", ""))
