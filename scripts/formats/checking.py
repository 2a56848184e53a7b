"""What a tool that reads exports is here, and whether it finds in them what was exported."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ebpftrace.export.formats.subject import MEASURES, Measure

Files = Mapping[Measure, Path]
"""What was exported for each measure: one and the same file where a format holds all of them."""

Totals = Mapping[Measure, int]

ANYTHING = re.compile(r".*", re.DOTALL)

_LIMIT_S = 120.0


class Failed(Exception):
    """A tool did not read an export, or contradicts itself; the reason is a sentence."""


@dataclass(frozen=True, slots=True)
class Tool:
    """What reads one format. `brought_by`: what brings it along, for those who have not got it.

    `version` is None where it is not installed. `totals` of absolute paths are of all that is in the
    files; Failed. `measures`: those that it reports, of all that the format has room for.
    """

    format: str
    name: str
    brought_by: str
    version: Callable[[], str | None]
    totals: Callable[[Files], Totals]
    measures: tuple[Measure, ...] = MEASURES


class Row(NamedTuple):
    """What came of one tool; `well` is None where there was none to ask."""

    format: str
    tool: str
    version: str
    totals: Totals
    verdict: str
    well: bool | None


def checked(tool: Tool, files: Files, wanted: Totals) -> Row:
    """It has to report all its measures, and each has to be what is `wanted`."""
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
    missing = [measure for measure in tool.measures if measure not in totals]
    if wrong:
        verdict = f"DIFFERS: {', '.join(wrong)}"
    else:
        verdict = f"FAILED: it does not report {', '.join(missing)}" if missing else "same"
    return Row(tool.format, tool.name, version, totals, verdict, verdict == "same")


def output(command: Sequence[str | Path], passed_over: re.Pattern[str] | None = None) -> str:
    """What it prints. Failed where it does not end, or not well, or complains of what is not `passed_over`.

    It runs in a new folder: ms_print needs one to write to, and callgrind_annotate cuts the one that
    it is in off some names and not off others.
    """
    with tempfile.TemporaryDirectory(prefix="check-exports-") as folder:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_LIMIT_S,
                check=False,
                cwd=folder,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{command[0]} has not ended after {_LIMIT_S:.0f} s") from None
    complaints = done.stderr if passed_over is None else passed_over.sub("", done.stderr)
    if done.returncode or complaints.strip():
        said = ((complaints.strip() or done.stderr.strip()).splitlines() or ["without a word"])[-1]
        raise Failed(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout


def version_of(program: str, *question: str) -> str | None:
    """The last word of the first line that it answers; None where it is not installed."""
    if shutil.which(program) is None:
        return None
    said = output([program, *(question or ["--version"])], ANYTHING)
    return said.splitlines()[0].split()[-1]
