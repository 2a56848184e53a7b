"""BPF instructions put together and rewritten: what a C compiler of BCC's age cannot say. Pure.

An instruction is 8 bytes: opcode, registers (source << 4 | destination), s16 offset, s32 immediate
(include/uapi/linux/bpf.h).
"""

import struct
from collections.abc import Mapping

SIZE = 8
_LAYOUT = struct.Struct("<BBhi")
_LOAD_64, _MOVE, _MOVE_64, _CALL, _EXIT = 0x18, 0xB4, 0xBF, 0x85, 0x95
_AND, _JUMP_IF_0, _ADD_64, _SET_64 = 0x57, 0x15, 0x07, 0xB7
_KERNEL_FUNCTION, _MAP_DESCRIPTOR = 2, 1  # what a source register of 2 or 1 makes of a call, a load
_MOST_JUMP = 0x7FFF
IS_RETURN = "bpf_session_is_return"
"""The function of the kernel that `session` calls (535a3692ba72, 6.13)."""
# See bpf/arch.h.
_CURRENT_TASK, _TASK_REGISTERS = 158, 175  # see bpf/faults.h
_NAMESPACE_IDS = 120  # see bpf/ids.h
_COOKIE_HELPER, _NO_RETURN_WANTED, _DEPTH_IN_USE, _COOKIE_HIGH = 174, 0x7FFE01, 0x7FFE02, 0x7FFE03


def instruction(code: int, registers: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """One instruction."""
    return _LAYOUT.pack(code, registers, offset, immediate)


RETURN_0 = instruction(_MOVE) + instruction(_EXIT)
"""The empty program."""


def helper_call(number: int) -> bytes:
    """A call of a helper of the kernel by its number."""
    return instruction(_CALL, 0, 0, number)


def map_load(register: int, fd: int) -> bytes:
    """`register` = the map behind a descriptor of this process."""
    return instruction(_LOAD_64, register | _MAP_DESCRIPTOR << 4, 0, fd) + instruction(0)


def with_maps(code: bytes, descriptors: Mapping[int, int]) -> bytes:
    """`code` with each map descriptor replaced; LookupError where it names another one."""
    out = bytearray(code)
    for at in range(0, len(code), SIZE):
        operation, registers, _, immediate = _LAYOUT.unpack_from(code, at)
        if operation == _LOAD_64 and registers >> 4 == _MAP_DESCRIPTOR:
            struct.pack_into("<i", out, at + 4, descriptors[immediate])
    return bytes(out)


def with_constant_cookie(code: bytes, cookie: int) -> bytes:
    """`code` with every call of bpf_get_attach_cookie replaced by `cookie`, 64 bits."""
    low = _with_constant(code, _COOKIE_HELPER, cookie & 0xFFFFFFFF)
    return _with_constant(low, _COOKIE_HIGH, cookie >> 32)


def with_own_cookie(code: bytes) -> bytes:
    """`code` with all of the cookie from bpf_get_attach_cookie."""
    return _with_constant(code, _COOKIE_HIGH, 0)


def with_answer(code: bytes, no_return_wanted: int) -> bytes:
    """`code` with what its entries answer where they want no return."""
    return _with_constant(code, _NO_RETURN_WANTED, no_return_wanted)


def with_depth(code: bytes, frames: int) -> bytes:
    """`code` with the number of frames after which a walk ends."""
    return _with_constant(code, _DEPTH_IN_USE, frames)


SAVED_REGISTERS = (
    helper_call(_CURRENT_TASK)
    + instruction(_MOVE_64, 0 << 4 | 1)
    + helper_call(_TASK_REGISTERS)
    + RETURN_0
)
"""A program that asks for what user mode has saved: refused by kernels that cannot tell (before 5.15)."""


NAMESPACE_IDS = (
    instruction(_SET_64, 1)  # device and inode: those of no namespace
    + instruction(_SET_64, 2)
    + instruction(_MOVE_64, 10 << 4 | 3)  # 8 bytes of the stack for the answer
    + instruction(_ADD_64, 3, 0, -8)
    + instruction(_SET_64, 4, 0, 8)
    + helper_call(_NAMESPACE_IDS)
    + RETURN_0
)
"""A program that asks for its ids in a pid namespace."""


def without_saved_registers(code: bytes) -> bytes:
    """`code` that does not ask for them."""
    return _with_constant(_with_constant(code, _CURRENT_TASK, 0), _TASK_REGISTERS, 0)


def _with_constant(code: bytes, helper: int, value: int) -> bytes:
    call = helper_call(helper)
    constant = struct.pack("<BBhI", _MOVE, 0, 0, value)
    steps = (code[at : at + SIZE] for at in range(0, len(code), SIZE))
    return b"".join(constant if step == call else step for step in steps)


def session(enter: bytes, leave: bytes, is_return: int) -> bytes:
    """One program of two: `leave` where bpf_session_is_return says so, else `enter`.

    `is_return` is the BTF id of that function. BCC cannot call functions of the kernel; a call of
    one is a call of which the source register is 2.
    """
    ends = len(leave) // SIZE + 1
    if ends > _MOST_JUMP:
        raise ValueError(f"{ends} instructions are too far to jump over")
    choose = (
        instruction(_MOVE_64, 1 << 4 | 6),  # r6 = context
        instruction(_CALL, _KERNEL_FUNCTION << 4, 0, is_return),
        instruction(_AND, 0, 0, 0xFF),  # a bool is one byte
        instruction(_MOVE_64, 6 << 4 | 1),
        instruction(_JUMP_IF_0, 0, ends - 1, 0),
    )
    return b"".join((*choose, leave, enter))
