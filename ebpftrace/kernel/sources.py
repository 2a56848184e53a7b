"""Where `bpf/` is, and its files put into the one text that BCC rewrites."""

import re
from pathlib import Path

_INCLUDE = re.compile(r'#include "([\w.]+)"\s*')
_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE.parent / "bpf", _HERE.parent.parent / "bpf")  # in a wheel, in a checkout


def folder() -> Path:
    """The folder `bpf/` that belongs to this code."""
    for place in _PLACES:
        if (place / "ebpftrace.c").is_file():
            return place
    raise FileNotFoundError("bpf/ebpftrace.c is not where this installation should have it")


def headers() -> Path:
    """The header tree that takes the place of kernel headers."""
    return folder() / "headers"


def flatten(name: str = "ebpftrace.c", root: Path | None = None) -> str:
    """The text of `name` with its quote-includes in place, each file once.

    `#line` markers keep compiler messages at the true file and line. System includes stay.
    """
    return "".join(_lines(name, root or folder(), set()))


def _lines(name: str, root: Path, seen: set[str]) -> list[str]:
    seen.add(name)
    out = [f'#line 1 "{name}"\n']
    text = (root / name).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        match = _INCLUDE.fullmatch(line)
        if match is None:
            out.append(line)
            continue
        if match[1] not in seen:
            out += _lines(match[1], root, seen)
        out.append(f'\n#line {number + 1} "{name}"\n')
    return out
