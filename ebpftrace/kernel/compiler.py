"""Compiling `bpf/` with BCC, in a child process that hands over descriptors and code and ends.

So clang's 100 MB, its words on stderr and, if it comes to that, its crashes stay out of the process
that watches, and compiling runs beside the planning of the probes.
"""

import ctypes
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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ebpftrace.errors import CannotAttach, EbpftraceError
from ebpftrace.kernel import sources
from ebpftrace.kernel.bccapi import bcc, use_headers

log = logging.getLogger(__name__)

MAPS = (
    "control",
    "slots",
    "in_flight",
    "blocks",
    "cohorts",
    "stacks_seen",
    "watched",
    "events",
    "losses",
    "hits",
    "walks",
    "no_program",
)
PROGRAMS = ("enter_birth", "enter_resize", "enter_free", "leave", "on_thread_exit", "on_exec")
_INSTRUCTION = struct.Struct("<BBhi")
_LOAD_64, _PSEUDO_MAP_FD = 0x18, 1  # include/uapi/linux/bpf.h
_LENGTH = struct.Struct("<I")
_WORDS = 64 << 10
_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Compiled:
    """Descriptors of the maps, and the instructions of each program (map descriptors in place)."""

    maps: dict[str, int]
    code: dict[str, bytes]

    def close(self) -> None:
        """Give up the maps."""
        for fd in self.maps.values():
            os.close(fd)


class Compilation:
    """A compilation under way. Start it from the main thread, before any other thread runs."""

    def __init__(self, definitions: dict[str, object]) -> None:
        """`definitions` become -D options; sizes of maps are among them."""
        flags = [f"-D{name}={value}" for name, value in definitions.items()]
        log.debug("compiling with %s", " ".join(flags))
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by cancel()
        self._socket, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._socket.close()
            _child(theirs, self._words.fileno(), flags)
        theirs.close()

    def result(self) -> Compiled:
        """Wait for it. CannotAttach with the compiler's last words."""
        try:
            return self._receive()
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End the child, whether it is done or not."""
        if self._pid:
            self._socket.close()
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
            self._words.close()

    def _receive(self) -> Compiled:
        deadline = time.monotonic() + _LIMIT_S
        self._socket.settimeout(_LIMIT_S)
        try:
            head, descriptors, _, _ = socket.recv_fds(self._socket, _LENGTH.size, len(MAPS))
            if len(head) < _LENGTH.size:
                raise CannotAttach(_failure("BCC ended without an answer", self._said()))
            body = bytearray()
            (length,) = _LENGTH.unpack(head)
            while len(body) < length and time.monotonic() < deadline:
                piece = self._socket.recv(length - len(body))
                if not piece:
                    raise CannotAttach(_failure("BCC ended in mid-answer", self._said()))
                body += piece
        except TimeoutError as error:
            raise CannotAttach(_failure("BCC did not end in a minute", self._said())) from error
        answer: dict[str, Any] = json.loads(body)
        for line in self._said().splitlines():
            log.debug("compiler: %s", line)
        if answer["error"]:
            raise CannotAttach(answer["error"])
        for fd in descriptors:
            os.set_inheritable(fd, False)
        here = dict(zip(answer["maps"], descriptors, strict=True))
        code = {name: relocated(b64decode(text), here) for name, text in answer["code"].items()}
        return Compiled(dict(zip(MAPS, descriptors, strict=True)), code)

    def _said(self) -> str:
        self._words.seek(0)
        return self._words.read(_WORDS).decode(errors="replace").strip()


def relocated(code: bytes, descriptors: dict[int, int]) -> bytes:
    """`code` with each map descriptor of the compiling process replaced by ours."""
    out = bytearray(code)
    for at in range(0, len(code), 8):
        operation, registers, _, immediate = _INSTRUCTION.unpack_from(code, at)
        if operation == _LOAD_64 and registers >> 4 == _PSEUDO_MAP_FD:
            struct.pack_into("<i", out, at + 4, descriptors[immediate])
    return bytes(out)


def _failure(what: str, said: str) -> str:
    """A sentence with the lines that say why, and the way out where there is one."""
    lines = said.splitlines()
    reasons = [line for line in lines if "error" in line][:3] or lines[-3:]
    out = "--debug keeps every line of the compiler."
    if "bpf map" in said:
        out = "The maps need less memory with a smaller --max-blocks or --max-stacks."
    return f"The BPF programs could not be made: {what}. {' '.join(reasons)}. {out}"


def _child(answer_to: socket.socket, words: int, flags: Sequence[str]) -> None:
    """Never returns: this is a copy of the tool, and must not act as the tool."""
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the parent decides, and kills us
        os.dup2(words, 1)
        os.dup2(words, 2)
        maps: list[int] = []
        code: dict[str, str] = {}
        error = ""
        try:
            maps, code = _compile(flags)
        except EbpftraceError as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001 - BCC raises the bare class for everything
            with os.fdopen(os.dup(words), "rb") as said:
                said.seek(0)
                error = _failure(str(failure), said.read(_WORDS).decode(errors="replace"))
        body = json.dumps({"error": error, "code": code, "maps": maps}).encode()
        socket.send_fds(answer_to, [_LENGTH.pack(len(body))], maps)
        answer_to.sendall(body)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _compile(flags: Sequence[str]) -> tuple[list[int], dict[str, str]]:
    use_headers(sources.headers())
    module = bcc()
    compiled = module.BPF(text=sources.flatten().encode(), cflags=list(flags))
    lib = module.libbcc.lib
    maps = [int(lib.bpf_table_fd(compiled.module, name.encode())) for name in MAPS]
    code = {}
    for name in PROGRAMS:
        start = lib.bpf_function_start(compiled.module, name.encode())
        size = lib.bpf_function_size(compiled.module, name.encode())
        code[name] = b64encode(ctypes.string_at(start, size)).decode()
    return maps, code
