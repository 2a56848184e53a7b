"""What LLVM's, elfutils' and binutils' tools say of places in a file, in one form."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """A function that covers a place, and where in its source that is; None for what is not told."""

    function: str | None
    file: str | None
    line: int | None


Chain = tuple[Place, ...]
"""The innermost inlined function first."""

_LLVM = ("llvm-symbolizer", *(f"llvm-symbolizer-{n}" for n in range(25, 10, -1)))
_AT = re.compile(r"^(?P<file>.*?):(?P<line>\d+|\?)(?::\d+)?(?: \(.*\))?$")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that looks up lines. `read` takes all it printed, and how many places it was asked."""

    name: str
    command: tuple[str, ...]
    read: Callable[[str, Sequence[int]], list[Chain]]

    def chains(self, path: Path, addresses: Sequence[int]) -> list[Chain]:
        """One for each of `addresses` of the file `path`."""
        done = subprocess.run(
            [*self.command, path],
            input="".join(f"{address:#x}\n" for address in addresses),
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
        )
        found = self.read(done.stdout, addresses)
        if len(found) != len(addresses):
            raise ValueError(f"{self.name} answered {len(found)} of {len(addresses)} questions")
        return found


def choose(wanted: str | None = None) -> Tool | None:
    """The first of the three that is here, or the one called `wanted`; None where there is none."""
    for tool in (
        Tool("llvm-symbolizer", ("--inlines", "--output-style=JSON", "--obj"), read_llvm),
        Tool("eu-addr2line", ("-a", "-i", "-f", "-C", "-e"), read_addr2line),
        Tool("addr2line", ("-a", "-i", "-f", "-C", "-e"), read_addr2line),
    ):
        names = _LLVM if tool.name == "llvm-symbolizer" else (tool.name,)
        program = next(filter(None, map(shutil.which, names)), None)
        if program is not None and wanted in (None, tool.name):
            return Tool(tool.name, (program, *tool.command), tool.read)
    return None


def read_llvm(text: str, _addresses: Sequence[int]) -> list[Chain]:
    """Of `llvm-symbolizer --output-style=JSON`, an object a line; "" and 0 say not told."""
    return [
        _told(
            Place(one["FunctionName"] or None, one["FileName"] or None, one["Line"] or None)
            for one in json.loads(line).get("Symbol", ())
        )
        for line in text.splitlines()
        if line.startswith("{")
    ]


def read_addr2line(text: str, addresses: Sequence[int]) -> list[Chain]:
    """Of `addr2line -a -i -f`: the address, then two lines a function; ?? and 0 say not told."""
    heads = iter([*addresses, -1])
    head = next(heads)
    found: list[list[Place]] = []
    function: str | None = None
    for line in text.splitlines():
        if function is None and re.fullmatch(r"0x[0-9a-f]+", line) and int(line, 16) == head:
            found.append([])
            head = next(heads)
        elif function is None:
            function = line
        else:
            match = _AT.match(line)
            file, number = (match["file"], match["line"]) if match else (line, "?")
            found[-1].append(
                Place(
                    None if function == "??" else function.partition(" inlined at ")[0],
                    None if file == "??" else file,
                    int(number) or None if number.isdigit() else None,
                )
            )
            function = None
    return [_told(chain) for chain in found]


def _told(places: Iterable[Place]) -> Chain:
    chain = tuple(places)
    return () if chain == (Place(None, None, None),) else chain
