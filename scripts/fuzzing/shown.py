"""What may be shown: no text that a target chose may make a terminal, or who reads a line, do anything."""

import json
import unicodedata
from collections.abc import Iterable
from typing import Any

from scripts.fuzzing.target import Finding

# As `ebpftrace.text`, which is not asked: it is what is tried.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str | None, what: str, most: int | None = None, allowed: str = "") -> None:
    """Finding for what a terminal would obey or hide, and beyond `most` characters."""
    if text is None:
        return
    if most is not None and len(text) > most:
        raise Finding(f"{what} has {len(text)} characters, and may have {most}")
    if text.isascii() and text.isprintable():
        return
    for character in text:
        if unicodedata.category(character) in _HIDDEN and character not in allowed:
            raise Finding(f"{what} has {character!a} in it: {text[:200]!a}")


def all_printable(texts: Iterable[str | None], what: str, most: int | None = None) -> None:
    for text in texts:
        printable(text, what, most)


def report(text: str, what: str) -> None:
    """Of lines."""
    printable(text, what, allowed="\n")


def json_text(text: str, what: str) -> None:
    """Of lines of JSON: each is one, and all that stands in it is printable."""
    for line in text.splitlines():
        _walk(json.loads(line, parse_constant=_refused), what)


def _walk(value: Any, what: str) -> None:
    if isinstance(value, str):
        printable(value, what)
    elif isinstance(value, dict):
        for key, one in value.items():
            printable(key, what)
            _walk(one, what)
    elif isinstance(value, list):
        for one in value:
            _walk(one, what)


def _refused(constant: str) -> float:
    raise Finding(f"JSON with {constant} in it")
