"""The kernel's own library in a process, [vdso], which no file holds: read from its memory.

It is linked at 0 and mapped whole, so a mapping of it is the image from its first byte on.
"""

import os

from ebpftrace.errors import TargetGone
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.maps import Mapping
from ebpftrace.target.process import Process

NAME = "[vdso]"
_MOST_BYTES = 1 << 20  # x86-64 has two pages


class VdsoImage(ElfImage):
    """A copy of the library, which it owns: close it. It cannot read any more after that."""

    def close(self) -> None:
        """Let go of the copy; closing twice does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_vdso_image(process: Process, mapping: Mapping) -> VdsoImage | None:
    """The library mapped at `mapping`, None where it cannot be read (the process ended)."""
    try:
        content = process.memory(mapping.start, min(mapping.end - mapping.start, _MOST_BYTES))
    except TargetGone:
        return None
    if not content:
        return None
    try:
        fd = os.memfd_create("ebpftrace-vdso", os.MFD_CLOEXEC)
    except OSError:
        return None
    try:
        os.write(fd, content)
        return VdsoImage(fd, len(content))
    except (BadElf, OSError):
        os.close(fd)
        return None
