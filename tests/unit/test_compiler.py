"""Whatever the compiling child does, the parent ends with a sentence and no descriptor more."""

import faulthandler
import os
import re
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from ebpftrace.errors import CannotAttach, HostRefuses
from ebpftrace.kernel import compilation_failure, compiler, trial_compilation
from ebpftrace.kernel.instructions import instruction
from ebpftrace.kernel.trials import MAP_KINDS

LENGTH = struct.Struct("<I")


def answering(text: bytes, descriptors: int = 0):
    def child(answer_to: socket.socket, *unused: object) -> None:
        if text or descriptors:
            here = [os.dup(0) for _ in range(descriptors)]
            socket.send_fds(answer_to, [text[:4]], here)
            answer_to.sendall(text[4:])
        os._exit(0)

    return child


def framed(text: bytes) -> bytes:
    return LENGTH.pack(len(text)) + text


def dying(*unused: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crashing(_answer_to: object, words: int, *unused: object) -> None:
    os.write(words, b"terminate called after throwing 'std::bad_alloc'\n")
    faulthandler.disable()  # pytest's would write to the terminal
    os.abort()


def sleeping(*unused: object) -> None:
    time.sleep(60)
    os._exit(0)


def dribbling(answer_to: socket.socket, *unused: object) -> None:
    answer_to.sendall(LENGTH.pack(1000))
    while True:
        answer_to.sendall(b" ")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "child, cause",
    [
        (answering(b""), "ended with status 0 and no answer"),
        (answering(b"\1"), "ended with status 0 and no answer"),
        (answering(LENGTH.pack(100) + b'{"error"'), "ended with status 0 and no answer"),
        (answering(b"garbage, and more of it"), "makes no sense"),
        (answering(framed(b"\xff\xfe")), "makes no sense"),
        (answering(framed(b"[]")), "makes no sense"),
        (answering(framed(b"{}")), "makes no sense"),
        (answering(framed(b'{"error": ["one"]}')), "makes no sense"),
        (answering(framed(b'{"error": null, "maps": [3], "code": {}}')), "makes no sense"),
        (answering(framed(b'{"error": null, "maps": [], "code": {}}'), 5), "makes no sense"),
        (
            answering(framed(b'{"error":null,"maps":[],"code":{"trial":""},"bcc":""}')),
            "makes no sense",
        ),
        (
            answering(framed(b'{"error":null,"maps":[],"code":{"trial":"AAAA"},"bcc":""}')),
            "makes no sense",
        ),
        (dying, "killed by SIGKILL, as it is when memory runs out"),
        (crashing, "killed by SIGABRT"),
        (sleeping, "did not end in 1 s"),
        (dribbling, "did not end in 1 s"),
    ],
)
def test_whatever_the_compiler_does_ends_in_a_sentence(monkeypatch, child, cause):
    monkeypatch.setattr(compiler, "_child", child)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(HostRefuses) as caught:
        compiler.Compilation({}, trial_compilation.TRIAL, limit_s=1).result()
    assert cause in caught.value.reason
    assert caught.value.reason.startswith("The BPF programs could not be made: ")
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("before", [True, False])
def test_an_interrupted_wait_ends_at_once_and_leaves_nothing(monkeypatch, before):
    monkeypatch.setattr(compiler, "_child", sleeping)
    descriptors = sorted(os.listdir("/proc/self/fd"))
    compilation = compiler.Compilation({}, trial_compilation.TRIAL)
    begun = time.monotonic()
    if before:
        compilation.interrupt()
    else:
        threading.Timer(0.05, compilation.interrupt).start()
    with pytest.raises(CannotAttach, match="given up"):
        compilation.result()
    assert time.monotonic() - begun < 1
    compilation.interrupt()  # it is over
    assert sorted(os.listdir("/proc/self/fd")) == descriptors
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_no_more_processes_is_a_sentence(monkeypatch):
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    before = sorted(os.listdir("/proc/self/fd"))
    check = trial_compilation.checks(trial_compilation.start(), 127)[0]
    assert (check.verdict, check.name) == ("failed", "BCC, clang")
    assert "cannot be started: this host lets ebpftrace start no more processes" in check.found
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "said, cause, fix",
    [
        ("could not open bpf map: blocks, error: Cannot allocate memory\n", "no memory", "--max-"),
        ("could not open bpf map: events, error: Too many open files", "more than", "ulimit -n"),
        ("x.c:3:1: error: unknown type\n2 errors", "unknown type", "--debug"),
        ("terminate called after throwing 'std::bad_alloc'", "bad_alloc", "memory"),
        ("LLVM \x1b[31mfailed", "·[31m", "--debug"),
        ("", "what", "--debug"),
    ],
)
def test_the_words_of_the_compiler_become_a_cause_and_a_fix(said, cause, fix):
    error = compilation_failure.compiler_failed("what", said)
    assert cause in error.reason
    assert fix in error.fix


def test_the_version_of_clang_is_what_its_program_returns():
    code = instruction(0xB7, 0, 0, 14 << 16 | 6) + instruction(0x95)
    assert trial_compilation.clang(code).found.startswith("14.0.6")
    assert trial_compilation.clang(code).verdict == "ok"


@pytest.mark.parametrize("code", [b"", b"\0" * 16, bytes(range(24)), instruction(0x95)])
def test_code_that_is_not_what_was_compiled_is_a_failure(code):
    assert trial_compilation.clang(code).verdict == "failed"


def test_every_kind_of_map_in_bpf_is_tried():
    text = (Path(__file__).parents[2] / "bpf" / "maps.h").read_text()
    tables = re.findall(r'^BPF_(?:F_)?TABLE\("(\w+)"', text, re.MULTILINE)
    macros = re.findall(r"^BPF_(\w+?)(?:_OUTPUT)?\(", text, re.MULTILINE)
    named = {name.lower() for name in macros if not name.endswith("TABLE")}
    assert {*tables, *named} == set(MAP_KINDS)


def test_an_assertion_of_the_compiler_is_put_down_to_its_age_and_to_nothing_else():
    said = 'python3: Casting.h:104: static bool isa(): Assertion `Val && "used"\' failed.\n'
    old = compilation_failure.compiler_ended(signal.SIGABRT, said)
    assert old.reason == (
        "The BPF programs could not be made: this BCC is too old for them (Assertion `Val && "
        '"used"\' failed).'
    )
    assert old.fix.startswith("Install BCC 0.26 or newer")
    other = compilation_failure.compiler_ended(signal.SIGABRT, "std::bad_alloc")
    assert "killed by SIGABRT" in other.reason
    assert "memory" in other.fix
