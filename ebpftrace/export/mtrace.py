"""Calls of an allocator as lines of the log that glibc's mtrace() writes, for the script `mtrace`.

The script (glibc 2.36, malloc/mtrace.pl) splits a line at blanks, hands paths to a shell, and keeps
what it found for a place by its address alone, whichever file that is in.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

Kind = Literal["malloc", "free", "realloc"]

START = b"= Start\n"
END = b"= End\n"

_MOST_CALLERS = 1 << 16  # of code that is made at run time there is no end; 10 MB
# What blanks, the shell that starts addr2line, or the script's own syntax would make something of.
_NOT_OF_A_PATH = re.compile(r"[^\w./+@:,=%-]")


class Call(NamedTuple):
    """One call that has returned; sizes in bytes, addresses in the process.

    `malloc` is every function that gives a block, and `address` that block: 0 if there was none.
    `free`: `address` is what was freed. `realloc` makes of the block at `old`, which may be 0, one at
    `address`, which is 0 if that failed, or if `size` is 0 and the block was freed.

    `caller_address` is where it returns to, `caller_offset` the same as the file at `caller_module`
    states it, with the load bias taken off; both None where it lies in no file.
    """

    kind: Kind
    address: int
    old: int
    size: int
    caller_module: str | None
    caller_offset: int | None
    caller_address: int


def lines(calls: Iterable[Call]) -> Iterator[bytes]:
    """One for each call, two of a realloc, none of one that did nothing; without START and END.

    The order is that of the calls: an address must be freed before it is given again.
    """
    where = _Callers()
    for call in calls:
        said = _SAID[call.kind](call)
        if said:
            at = where(call.caller_module, call.caller_offset, call.caller_address)
            for one in said:
                yield f"@ {at} {one}\n".encode()


def _malloc(call: Call) -> tuple[str, ...]:
    return (f"+ {_pointer(call.address)} {_size(call)}",)


def _free(call: Call) -> tuple[str, ...]:
    return (f"- {_pointer(call.address)}",) if call.address else ()


def _realloc(call: Call) -> tuple[str, ...]:
    if not call.old:
        return _malloc(call)
    if not call.address:
        if not call.size:
            return (f"- {_pointer(call.old)}",)
        return (f"! {_pointer(call.old)} {_size(call)}",)
    return f"< {_pointer(call.old)}", f"> {_pointer(call.address)} {_size(call)}"


_SAID: dict[Kind, Callable[[Call], tuple[str, ...]]] = {
    "malloc": _malloc,
    "free": _free,
    "realloc": _realloc,
}


def _pointer(address: int) -> str:
    """The script takes for a block what starts with `0x`, and compares it as text."""
    return f"{address:#x}" if address else "(nil)"


def _size(call: Call) -> str:
    """As C's %#lx has it: nothing is `0`."""
    return f"{call.size:#x}" if call.size else "0"


class _Callers:
    """How callers are written: `path:[0x123]`, or `[0x7f123]` of what lies in no file."""

    def __init__(self) -> None:
        self._written: dict[tuple[str | None, int | None, int], str] = {}
        self._modules: dict[int, list[str]] = {}

    def __call__(self, module: str | None, offset: int | None, address: int) -> str:
        key = module, offset, address
        written = self._written.get(key)
        if written is None:
            if len(self._written) == _MOST_CALLERS:
                self._written.clear()
            written = self._written[key] = self._write(module, offset, address)
        return written

    def _write(self, module: str | None, offset: int | None, address: int) -> str:
        """The last byte of the call, so that the line is the call's and not the one after it.

        An address that stands for one file already gets a zero in front: the same number, and
        another text.
        """
        if module is None or offset is None:
            return f"[{address - 1:#x}]"
        path = _NOT_OF_A_PATH.sub("_", module)
        of_it = self._modules.setdefault(offset, [])
        if path not in of_it:
            of_it.append(path)
        return f"{path}:[0x{'0' * of_it.index(path)}{offset - 1:x}]"
