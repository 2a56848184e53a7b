"""/proc/PID/maps as data.

Owns the parsing of that text, which a target shapes as it likes: paths are any bytes and there may
be tens of thousands of lines. Leaves the reading to `process` and the files to `modules`.
"""

import re
from dataclasses import dataclass

from ebpftrace.model.ids import Address, FileOffset

MOST_LINES = 1_000_000
"""More mappings than vm.max_map_count lets any process have unless it was raised 15-fold."""

# A path is the rest of the line: it may hold spaces and look like another field. Digits are
# bounded so that no line makes an integer larger than the kernel prints.
_LINE = re.compile(
    rb"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([-rwxsp]{4}) ([0-9a-f]{1,16}) "
    rb"([0-9a-f]{1,8}:[0-9a-f]{1,8}) ([0-9]{1,20})(?:[ ]+([^\n]*))?\n",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of /proc/PID/maps: addresses [start, end), `offset` bytes into the mapped file.

    `device` is "major:minor" in hex as the kernel prints it. `path` is raw (undecodable bytes are
    surrogates): clean it before it is shown.
    """

    start: Address
    end: Address
    perms: str
    offset: FileOffset
    device: str
    inode: int
    path: str

    @property
    def executable(self) -> bool:
        return "x" in self.perms

    @property
    def file_backed(self) -> bool:
        return self.inode != 0

    @property
    def special(self) -> bool:
        """Named by the kernel rather than a file: `[vdso]`, `[heap]`, `[uprobes]`, `[stack]`."""
        return self.inode == 0 and self.path.startswith("[")


def parse_maps(text: bytes) -> tuple[Mapping, ...]:
    """The mappings in `text`, in its order (the kernel's: ascending addresses).

    Lines that are not a mapping, an unfinished last one for instance, are left out, and so is
    everything after MOST_LINES. Never raises.
    """
    found: list[Mapping] = []
    for match in _LINE.finditer(text):
        start, end, perms, offset, device, inode, path = match.groups(b"")
        # The kernel escapes only the newline, so a file really named `a\012b` reads the same.
        name = path.replace(b"\\012", b"\n").decode("utf-8", "surrogateescape")
        found.append(
            Mapping(
                Address(int(start, 16)),
                Address(int(end, 16)),
                perms.decode(),
                FileOffset(int(offset, 16)),
                device.decode(),
                int(inode),
                name,
            )
        )
        if len(found) == MOST_LINES:
            break
    return tuple(found)
