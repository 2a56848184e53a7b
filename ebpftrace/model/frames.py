"""One frame of a call stack as it is shown: what is known of it, and None for what is not."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """A place in the code. Names are clean (`text.clean`).

    `address` is the pc in the process, a return address; `offset` the same as the module's file
    states it, with the load bias taken off. `inlined`: the function is part of the next frame's
    code. `module` is a path, or a name of the kernel's such as `[vdso]`. `source` is the text of the
    line, without its indentation, where the file was there to be read.
    """

    function: str | None
    file: str | None
    line: int | None
    column: int | None
    inlined: bool
    module: str | None
    build_id: str | None
    offset: int | None
    address: int
    source: str | None = None
