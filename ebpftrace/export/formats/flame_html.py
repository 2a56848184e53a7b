"""The flame graph as one HTML page: no network, no other file, for as long as there are browsers.

Its policy lets only this style and this script in, by their hashes. Names of a target get there as
compressed data, which the script turns into text, or escaped.
"""

import json
import re
import sys
import zlib
from array import array
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import BinaryIO

from ebpftrace.analysis.names import short
from ebpftrace.export.formats.call_tree import CallTree, call_tree
from ebpftrace.export.formats.flame_facts import facts, title, warnings
from ebpftrace.export.formats.subject import MEASURES, Measure, Subject

_SCRIPTS = ("flame_data.js", "flame_boxes.js", "flame_page.js")
_MODULES = "Each module (program or library) has a colour."
_CHANGES = (
    "Red with ▲ holds more than in the older snapshot, blue with ▼ less, grey the same; functions are "
    "matched by the names on the way to them."
)
_MARK = re.compile(r"\{\{(\w+)\}\}")


def write(subject: Subject, out: BinaryIO) -> None:
    """All measures are in it, also those of `subject.base`; `subject.measure` is shown first."""
    before = subject.older()
    style, script = _asset("flame.css"), "".join(map(_asset, _SCRIPTS))
    parts = {
        "policy": _policy(style, script),
        "title": escape(title(subject)),
        "summary": "\n".join(
            f"<p{' class=bad' if bad else ''}>{escape(words)}</p>"
            for bad, words in warnings(subject, before)
        ),
        "facts": "\n".join(
            f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in facts(subject)
        ),
        "colours": _MODULES if before is None else _CHANGES,
        "style": style,
        "script": script,
        "data": b64encode(packed(call_tree(subject, before), subject.measure)).decode(),
    }
    # In one pass: what looks like a mark in a name of the target stays as it is.
    out.write(_MARK.sub(lambda mark: parts[mark[1]], _asset("flame.html")).encode())


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Content Security Policy, level 2: nothing is loaded, nothing runs but these two."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def packed(tree: CallTree, measure: Measure) -> bytes:
    """Deflated: the length of the tables, 32 bits and as many of 0; they as JSON, filled up to 8 bytes; columns.

    Those are 64-bit floats by end of a stack (four of `held`, four of `before`, `growth`; the last two
    where they are known), then 32-bit numbers: of nodes the function, source and depth, and the ends.
    All little-endian, as is every processor that a browser runs on.
    """
    names = [one.name for one in tree.functions]
    modules = _Table()
    paths = _Table()
    tables = {
        "nodes": len(tree.function),
        "ends": len(tree.ends),
        "names": names,
        "short": {at: said for at, name in enumerate(names) if (said := short(name)) != name},
        "module": [modules.number(one.module) for one in tree.functions],
        "modules": modules.texts,
        "sources": [(paths.number(one.file), one.line) for one in tree.sources],
        "files": paths.texts,
        "root": "all",
        "measure": MEASURES.index(measure),
        "diff": bool(tree.before),
        "growth": bool(tree.growth),
    }
    texts = json.dumps(tables, separators=(",", ":")).encode()
    floats = (*tree.held, *tree.before, *([tree.growth] if tree.growth else ()))
    columns = map(_little, (*floats, tree.function, tree.source, tree.depth, tree.ends))
    length = len(texts).to_bytes(8, "little")
    return zlib.compress(b"".join((length, texts, bytes(-len(texts) % 8), *columns)))


def _little(column: "array[int] | array[float]") -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


class _Table:
    """Texts, each once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        number = self._numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number
