"""What a tool that reads exports is here, and whether it finds in them what was exported."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ebpftrace.export.formats.subject import MEASURES, Measure

Files = Mapping[Measure, Path]
"""What was exported for each measure: one and the same file where a format holds all of them."""

Totals = Mapping[Measure, int]

_LIMIT_S = 120.0


class Failed(Exception):
    """A tool did not read an export, or contradicts itself; the reason is a sentence."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that reads one format. `brought_by`: which package it is in.

    `version` is None where it is not installed. `totals` are of the measures that it reports, of all
    that is in the files; Failed.
    """

    format: str
    name: str
    brought_by: str
    version: Callable[[], str | None]
    totals: Callable[[Files], Totals]


class Row(NamedTuple):
    """What came of one tool; `well` is None where there was none to ask."""

    format: str
    tool: str
    version: str
    totals: Totals
    verdict: str
    well: bool | None


def checked(tool: Tool, files: Files, wanted: Totals) -> Row:
    """Whatever the tool reports has to be what is `wanted`, and it has to report something."""
    version = tool.version()
    if version is None:
        verdict = f"not installed: {tool.brought_by}"
        return Row(tool.format, tool.name, "-", {}, verdict, None)
    try:
        totals = tool.totals(files)
    except Failed as error:
        return Row(tool.format, tool.name, version, {}, f"FAILED: {error}", False)
    wrong = [
        f"{measure} by {totals[measure] - wanted[measure]:+,}"
        for measure in MEASURES
        if measure in totals and totals[measure] != wanted[measure]
    ]
    if wrong:
        verdict = f"DIFFERS: {', '.join(wrong)}"
    else:
        verdict = "same" if totals else "FAILED: it reports no totals"
    return Row(tool.format, tool.name, version, totals, verdict, verdict == "same")


def output(command: Sequence[str | Path]) -> str:
    """What it prints. Failed if it does not end, or not well, with the last line of its complaints."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} has not ended after {_LIMIT_S:.0f} s") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise Failed(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout
