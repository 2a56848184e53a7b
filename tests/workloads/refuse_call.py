"""refuse_call.py NUMBER[:FIRST] ERRNO COMMAND...: runs a command under a seccomp filter that answers one
system call (its x86-64 number) with an error, as container runtimes do. FIRST: only with that first argument.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # include/uapi/linux/bpf_common.h


def statement(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def main() -> None:
    call, answer, command = sys.argv[1], getattr(errno, sys.argv[2]), sys.argv[3:]
    number, _, first = call.partition(":")
    beyond = 3 if first else 1
    program = statement(LOAD_WORD, 0)  # seccomp_data.nr
    program += statement(JUMP_IF_EQUAL, int(number), 0, beyond)
    if first:
        program += statement(LOAD_WORD, 16)  # seccomp_data.args[0]
        program += statement(JUMP_IF_EQUAL, int(first), 0, 1)
    program += statement(RETURN, RET_ERRNO | answer) + statement(RETURN, RET_ALLOW)
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0):
        sys.exit("the filter was not taken")
    os.execvp(command[0], command)


main()
