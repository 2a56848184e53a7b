"""Formats as they are defined, read in Python: also where the tools of a format are not at hand.

What is not as it is defined is Failed; so is what contradicts itself.
"""

import gzip
import json
import re
import zlib
from array import array
from base64 import b64decode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ebpftrace.export.formats.profile_proto.messages import profile_class
from ebpftrace.export.formats.subject import MEASURES, Measure
from scripts.formats.check_pprof import VALUES
from scripts.formats.checking import Failed, Files, Tool, Totals

# Stack, blank, number: frames are not empty and hold no `;`.
_LINE = re.compile(r"[^;\n]+(?:;[^;\n]+)* [1-9]\d*")
_DATA = re.compile(r'<script type="text/plain" id="data">([^<]*)</script>')
_WIDTH = 8  # of a number of 64 bits


def collapsed(files: Files) -> Totals:
    """By lines, of which each stack has one."""
    return {measure: _collapsed(file) for measure, file in files.items()}


def _collapsed(file: Path) -> int:
    lines = file.read_text("utf-8").split("\n")
    if lines.pop():
        raise Failed(f"{file.name} ends within a line")
    for line in lines:
        if not _LINE.fullmatch(line):
            raise Failed(f"no stack and number: {line[:200]!r}")
    parts = [line.rpartition(" ") for line in lines]
    if len({stack for stack, _, _ in parts}) < len(parts):
        raise Failed(f"{file.name} has a stack twice")
    return sum(int(number) for _, _, number in parts)


def html(files: Files) -> Totals:
    """Of the columns that `flame_html.packed` describes, at the ends of stacks."""
    found = _DATA.search(files["bytes"].read_text("utf-8"))
    if found is None:
        raise Failed("the page has no data")
    data = zlib.decompress(b64decode(found[1]))
    length = int.from_bytes(data[:8], "little")
    ends = _json(data[8 : 8 + length].decode())["ends"]
    at = 8 + -(-length // 8) * 8
    totals: dict[Measure, int] = {}
    for measure in MEASURES:
        column = array("d", data[at : at + _WIDTH * ends])
        at += _WIDTH * ends
        totals[measure] = int(sum(column))
    return totals


def pprof(files: Files) -> Totals:
    """By the schema of its protobuf, in which every reference has to lead somewhere."""
    profile = profile_class().FromString(gzip.decompress(files["bytes"].read_bytes()))
    texts = profile.string_table
    known = {one.id for one in profile.location}
    functions = {one.id for one in profile.function}
    if any(line.function_id not in functions for one in profile.location for line in one.line):
        raise Failed("a location is of a function that there is not")
    if any(not known.issuperset(one.location_id) for one in profile.sample):
        raise Failed("a sample is at a location that there is not")
    names = [VALUES[texts[one.type]] for one in profile.sample_type]
    columns = zip(*(one.value for one in profile.sample), strict=True)
    sums = list(map(sum, columns)) or [0] * len(names)
    return dict(zip(names, sums, strict=True))


def speedscope(files: Files) -> Totals:
    """By the weights of its samples, whose sum is where a profile ends."""
    said = _json(files["bytes"].read_text("utf-8"))
    frames = len(said["shared"]["frames"])
    totals: dict[Measure, int] = {}
    for measure, one in zip(MEASURES, said["profiles"], strict=True):
        totals[measure] = sum(one["weights"])
        if one["endValue"] != totals[measure] or len(one["weights"]) != len(one["samples"]):
            raise Failed(f"{measure}: weights, samples and the end do not fit")
        if any(not 0 <= number < frames for stack in one["samples"] for number in stack):
            raise Failed(f"{measure}: a sample has a frame that there is not")
    return totals


def json_(files: Files) -> Totals:
    """One line, without constants that JSON has not."""
    text = files["bytes"].read_text("utf-8")
    if text.count("\n") != 1 or not text.endswith("\n"):
        raise Failed("it is not one line")
    whole = _json(text)["totals"]
    return {
        "bytes": whole["bytes"],
        "blocks": whole["blocks"],
        "allocated-bytes": whole["allocated_bytes"] + whole["adopted_bytes"],
        "allocated-blocks": whole["allocated_blocks"] + whole["adopted_blocks"],
    }


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refused)
    except ValueError as error:
        raise Failed(f"it is no JSON: {error}") from None


def _refused(constant: str) -> float:
    raise ValueError(constant)


_READ: Sequence[tuple[str, str, Callable[[Files], Totals]]] = (
    ("collapsed", "its lines", collapsed),
    ("html", "its data", html),
    ("pprof", "its protobuf", pprof),
    ("speedscope", "its JSON", speedscope),
    ("json", "its JSON", json_),
)
TOOLS = tuple(Tool(name, what, "nothing", lambda: "", read) for name, what, read in _READ)
