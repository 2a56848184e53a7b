"""Places in the code of a file, drawn at random from its disassembly."""

import random
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from ebpftrace.model.ids import ImageAddress

_LINE = re.compile(r"^ *([0-9a-f]+):\t(\S+)(?: (\S+))?")
_PREFIXES = frozenset({"bnd", "notrack", "data16", "rex.W", "addr32"})


def calls(lines: Iterable[str]) -> Iterator[int]:
    """The last byte of each call: one before its return address, which is where stacks are named.

    `lines`: of `objdump -d --no-show-raw-insn`.
    """
    called = False
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            called = False
            continue
        if called:
            yield int(match[1], 16) - 1
        word = match[3] if match[2] in _PREFIXES else match[2]
        called = (word or "").startswith("call")


def instructions(lines: Iterable[str]) -> Iterator[int]:
    """The first byte of each instruction."""
    for line in lines:
        match = _LINE.match(line)
        if match is not None:
            yield int(match[1], 16)


def sample(path: Path, count: int, seed: int, *, of_any_kind: bool) -> list[ImageAddress]:
    """At most `count` places of `path`, ascending: calls, or instructions of any kind."""
    with subprocess.Popen(
        ["objdump", "-d", "--no-show-raw-insn", path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = list((instructions if of_any_kind else calls)(process.stdout))
    draw = random.Random(f"{seed} {path.name}")
    return [ImageAddress(at) for at in sorted(draw.sample(found, min(count, len(found))))]
