"""Writes a 32-bit x86 executable that says "ready" and waits for the end of its stdin.

It needs no 32-bit compiler and no 32-bit libc, only a kernel that runs 32-bit programs.
Known answer: ebpftrace says that it cannot attach to a 32-bit process.
"""

import struct
import sys
from pathlib import Path

BASE = 0x08048000
HEADERS = 52 + 32  # ELF header, one program header
MESSAGE = b"ready\n"

CODE = b"".join(
    [
        b"\xb8\x04\x00\x00\x00",  # mov $4, %eax            (write)
        b"\xbb\x01\x00\x00\x00",  # mov $1, %ebx
        b"\xb9MSG.",  # mov $message, %ecx
        b"\xba\x06\x00\x00\x00",  # mov $6, %edx
        b"\xcd\x80",  # int $0x80
        b"\xb8\x03\x00\x00\x00",  # again: mov $3, %eax     (read)
        b"\x31\xdb",  # xor %ebx, %ebx
        b"\x8d\x4c\x24\xfc",  # lea -4(%esp), %ecx
        b"\xba\x01\x00\x00\x00",  # mov $1, %edx
        b"\xcd\x80",  # int $0x80
        b"\x85\xc0",  # test %eax, %eax
        b"\x7f\xe8",  # jg again
        b"\xb8\x01\x00\x00\x00",  # mov $1, %eax            (exit)
        b"\x31\xdb",  # xor %ebx, %ebx
        b"\xcd\x80",  # int $0x80
    ]
)


def executable() -> bytes:
    """The whole file: ELF header, one loadable segment, the code, the message."""
    message = BASE + HEADERS + len(CODE)
    body = CODE.replace(b"MSG.", struct.pack("<I", message)) + MESSAGE
    size = HEADERS + len(body)
    ident = b"\x7fELF" + bytes([1, 1, 1, 0]) + bytes(8)  # 32-bit, little-endian, version 1, SysV
    header = struct.pack(
        "<HHIIIIIHHHHHH",
        2,  # ET_EXEC
        3,  # EM_386
        1,  # version
        BASE + HEADERS,  # entry
        52,  # program headers follow
        0,  # no sections
        0,  # flags
        52,  # size of this header
        32,  # size of a program header
        1,  # how many
        0,  # size of a section header
        0,
        0,
    )
    segment = struct.pack("<IIIIIIII", 1, 0, BASE, BASE, size, size, 5, 0x1000)  # PT_LOAD, r-x
    return ident + header + segment + body


def main() -> None:
    """Writes to the path in the first argument, executable."""
    path = Path(sys.argv[1])
    path.write_bytes(executable())
    path.chmod(0o755)


if __name__ == "__main__":
    main()
