"""Where a program's loader says that its libraries are mapped, and none of their code has run.

SVR4's rendezvous for debuggers (`struct r_debug` of <link.h>): the loader calls an empty function
before and after it changes what is mapped, at the start and at each dlopen. glibc calls it for the
second time when everything is relocated and before the first constructor (dl_main of elf/rtld.c), musl
once, at the same point. No other moment is as exact: a look at the exec is too early, for the libraries
are not there, and any later one misses what constructors allocate.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from ebpftrace.errors import TargetGone
from ebpftrace.model.ids import Address, FileOffset
from ebpftrace.target.modules import Module
from ebpftrace.target.process import Process

_CALLED, _DEBUG = "_dl_debug_state", "_r_debug"
_STATE = 24  # of r_debug, on 64-bit machines
_CONSISTENT = 0


class Loader(NamedTuple):
    """`offset` of the function in the file of `module`; `state`: where r_state is; None without one."""

    module: Module
    offset: FileOffset
    state: Address | None

    def has_mapped(self, process: Process) -> bool:
        """Is it done? Asked when the function is called; True where it does not say."""
        if self.state is None:
            return True
        try:
            state = process.memory(self.state, 4)
        except TargetGone:
            return True
        return len(state) < 4 or struct.unpack("<i", state)[0] == _CONSISTENT


def loader_of(
    process: Process, modules: Sequence[Module], *, at_exec: bool = False
) -> Loader | None:
    """Of a program whose modules these are; None where nothing in it tells of libraries.

    `at_exec`: none either where a program, being linked statically, has the function and calls it for
    dlopen only.
    """
    program = next((one for one in modules if one.name == process.exe), None)
    others = sorted((one for one in modules if one is not program), key=_is_no_loader_by_name)
    image = program.image if program is not None else None
    if program is not None and image is not None and not image.interpreted:
        if image.soname() is not None:
            others.append(program)  # the loader itself was executed
        elif not at_exec:
            others = [program]
        else:
            return None
    return next((found for one in others if (found := _in(one)) is not None), None)


def _is_no_loader_by_name(module: Module) -> bool:
    """Loaders are looked into first, for to look into all files of a large process takes a while."""
    return not module.name.rpartition("/")[2].startswith("ld")


def _in(module: Module) -> Loader | None:
    image = module.image
    if image is None:
        return None
    called = next(iter(image.symbols((_CALLED,))), None)
    offset = image.file_offset(called.value) if called else None
    if called is None or offset is None:
        return None
    mapped, debug = module.address_of(offset), image.variable(_DEBUG)
    state = None
    if mapped and debug is not None:
        state = Address(mapped[0] - called.value + debug + _STATE)
    return Loader(module, offset, state)
