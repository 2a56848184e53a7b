"""Calls of an allocator as lines of the log that glibc's mtrace() writes, for the script `mtrace`.

The script (glibc 2.36, malloc/mtrace.pl) splits a line at blanks, hands paths to a shell, and keeps
what it found for a place by its address alone, whichever file that is in.
"""

import re
from collections.abc import Callable, Iterable

from ebpftrace.model.calls import CallKind, CallRecord

Locate = Callable[[int], tuple[str, int] | None]
"""The file that an address of the process lies in, and the address as that file states it, with the
load bias taken off; None where it lies in no file."""

START = b"= Start\n"
END = b"= End\n"

_ALLOCATED, _FREED, _RESIZING, _RESIZED = map(  # members of an enum cost 40 ns to look up
    int, (CallKind.ALLOCATED, CallKind.FREED, CallKind.RESIZING, CallKind.RESIZED)
)
_MOST_CALLERS = 1 << 16  # of code that is made at run time there is no end; 10 MB
# What blanks, the shell that starts addr2line, or the script's own syntax would make something of.
_NOT_OF_A_PATH = re.compile(r"[^\w./+@:,=%-]")


def remark(sentence: str) -> bytes:
    """A line that the script leaves out, as it does START."""
    return f"= {sentence}\n".encode()


class Lines:
    """The lines of one log, which is about one process."""

    def __init__(self, locate: Locate) -> None:
        self._callers = _Callers(locate)

    def of(self, calls: Iterable[CallRecord]) -> bytes:
        """One for each call, in their order, as `drain.calls.CallOrder` gives them.

        The block of an allocation is `(nil)` where it failed. A resize that is RESIZED with `old` is
        two.
        """
        lines: list[bytes] = []
        add = lines.append
        at = self._callers
        for call in calls:
            address, _, size, caller, _, _, kind = call
            if kind == _ALLOCATED and address and size:
                add(b"%s+ 0x%x 0x%x\n" % (at[caller], address, size))
            elif kind == _FREED:
                add(b"%s- 0x%x\n" % (at[caller], address))
            else:
                lines += _other(at[caller], call)
        return b"".join(lines)

    def forget(self, start: int, end: int) -> None:
        """Other code is at these addresses from now on."""
        for caller in [caller for caller in self._callers if start < caller <= end]:
            del self._callers[caller]


def _other(at: bytes, call: CallRecord) -> list[bytes]:
    address, old, size, _, _, _, kind = call
    # As glibc's %#lx and %p.
    asked = b"0x%x" % size if size else b"0"
    block = b"0x%x" % address if address else b"(nil)"
    if kind == _ALLOCATED:
        return [b"%s+ %s %s\n" % (at, block, asked)]
    if kind == _RESIZING:
        return [b"%s< %s\n" % (at, block)]
    if kind == _RESIZED:
        before = [b"%s< 0x%x\n" % (at, old)] if old else []
        return [*before, b"%s> %s %s\n" % (at, block, asked)]
    return [b"%s! 0x%x %s\n" % (at, old, asked)]


class _Callers(dict[int, bytes]):
    """How callers are written: `@ path:[0x123] `, or `@ [0x7f123] ` of what lies in no file.

    Nothing of the caller 0, which is not known.
    """

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._modules: dict[int, list[str]] = {}

    def __missing__(self, caller: int) -> bytes:
        if len(self) >= _MOST_CALLERS:
            self.clear()
        written = self[caller] = f"@ {self._write(caller)} ".encode() if caller else b""
        return written

    def _write(self, caller: int) -> str:
        """The last byte of the call, so that the line is the call's and not the one after it.

        An address that stands for one file already gets a zero in front: the same number, and
        another text.
        """
        call = caller - 1
        located = self._locate(call)
        if located is None:
            return f"[{call:#x}]"
        module, inside = located
        path = _NOT_OF_A_PATH.sub("_", module)
        of_it = self._modules.setdefault(inside, [])
        if path not in of_it:
            of_it.append(path)
        return f"{path}:[0x{'0' * of_it.index(path)}{inside:x}]"
