"""Does BCC compile here? A program of three lines, whose code is known before, and what old ones cannot."""

import struct
from contextlib import suppress

from ebpftrace.errors import CannotAttach
from ebpftrace.host.check import Check, failed, note, ok, refused
from ebpftrace.kernel import bccapi
from ebpftrace.kernel.compiler import Compilation, Unit
from ebpftrace.kernel.programs import are_compiled
from ebpftrace.kernel.sizes import available_bytes, choose

# The second function is only compiled: BCC 0.18 aborts on helpers that are called by their numbers.
_TEXT = """int trial(void *context) {
    return __clang_major__ << 16 | __clang_minor__ << 8 | __clang_patchlevel__;
}
int by_number(void *context) {
    return ((unsigned long long (*)(void *))174)(context);
}
"""
TRIAL = Unit(lambda: _TEXT, (), ("trial",))
_BOTH = "BCC, clang"
_LIMIT_S = 30.0  # 0.4 s where processors are real, 10 s where they are emulated
_RETURN = struct.Struct("<BBhiBBhi")
_MOVE, _MOVE_32, _EXIT = 0xB7, 0xB4, 0x95


def start() -> Compilation | CannotAttach:
    """Start it from the main thread, before other threads run; or why it cannot be started."""
    try:
        return Compilation({}, TRIAL, _LIMIT_S)
    except CannotAttach as error:
        return error


def checks(compilation: Compilation | CannotAttach, stack_depth: int) -> tuple[Check, ...]:
    """Of BCC itself, and of what its clang made; `stack_depth` is what `attach` compiles for."""
    if isinstance(compilation, CannotAttach):
        return (_refused(compilation, stack_depth),)
    try:
        compiled = compilation.result()
    except CannotAttach as error:
        return (_refused(error, stack_depth),)
    version = compiled.bcc_version
    known = ok("BCC", version) if version else note("BCC", "found; it does not tell its version")
    return known, clang(compiled.code["trial"])


def _refused(error: CannotAttach, stack_depth: int) -> Check:
    """Where BCC is not installed, what was compiled before does."""
    found = refused(_BOTH, error)
    with suppress(CannotAttach):
        if bccapi.found() is None and are_compiled(choose(available_bytes()), stack_depth):
            kept = "What was compiled before is used; other options of attach need BCC."
            return note(_BOTH, f"{found.found} {kept}", found.fix)
    return found


def clang(code: bytes) -> Check:
    """Pure: the version of clang is what the program returns, so it shows in the code."""
    name = "clang"
    try:
        move, registers, _, value, end, *_ = _RETURN.unpack(code)
    except struct.error:
        move = registers = value = end = 0
    if move not in (_MOVE, _MOVE_32) or registers or end != _EXIT or value <= 0:
        return failed(
            name,
            f"clang turned a program of three lines into {code[:32].hex(' ', 8) or 'nothing'}, "
            "which is not what it says.",
            "BCC and its LLVM do not fit together: install both from the distribution.",
        )
    return ok(name, f"{value >> 16}.{value >> 8 & 255}.{value & 255}, within BCC")
