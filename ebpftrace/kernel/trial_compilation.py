"""Does BCC compile here? A program of three lines, whose code is known before."""

import struct

from ebpftrace.errors import CannotAttach
from ebpftrace.host.check import Check, failed, note, ok, refused
from ebpftrace.kernel.compiler import Compilation, Unit

_TEXT = """int trial(void *context) {
    return __clang_major__ << 16 | __clang_minor__ << 8 | __clang_patchlevel__;
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


def checks(compilation: Compilation | CannotAttach) -> tuple[Check, ...]:
    """Of BCC itself, and of what its clang made."""
    if isinstance(compilation, CannotAttach):
        return (refused(_BOTH, compilation),)
    try:
        compiled = compilation.result()
    except CannotAttach as error:
        return (refused(_BOTH, error),)
    version = compiled.bcc_version
    known = ok("BCC", version) if version else note("BCC", "found; it does not tell its version")
    return known, clang(compiled.code["trial"])


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
