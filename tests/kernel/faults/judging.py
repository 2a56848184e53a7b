"""Judges how a run of the tool has ended: its status, its output, and its words on stderr."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.kernel.faults.fault import Expected
from tests.kernel.faults.ways import Way

_NEVER = ("Traceback", "internal error", "a defect", "Exception ignored", "Error in sys.")
_COUNTS = tuple(
    f"{kind}{unit}" for kind in ("", "allocated_", "freed_") for unit in ("blocks", "bytes")
)
_TOLD = (2, 3)
"""Statuses that come with a sentence on stderr."""


@dataclass(frozen=True)
class Ended:
    """A run of the tool that is over."""

    way: Way
    status: int
    stdout: bytes
    stderr: str

    def findings(self, expected: Expected) -> list[str]:
        """What is not as it should be, a sentence each."""
        found = []
        if self.status not in expected.statuses:
            found.append(
                f"it has ended with status {self.status}: {self.last_words() or 'not a word'}"
            )
        found += [
            f"it says {word!r}: {self.stderr[-600:]}" for word in _NEVER if word in self.stderr
        ]
        if self.status in _TOLD and not self.last_words().startswith("ebpftrace: "):
            found.append(f"it has ended with status {self.status} and no sentence: {self.stderr!r}")
        if self.status in (2, 3, 4) and not re.search(expected.says, self.stderr):
            found.append(f"it does not say {expected.says!r} but {self.stderr!r}")
        if self.way.pictures:
            found += self._about_pictures()
        return found

    def last_words(self) -> str:
        """The last line on stderr."""
        return (self.stderr.strip().splitlines() or [""])[-1]

    def _about_pictures(self) -> list[str]:
        lines = self.stdout.split(b"\n")
        if lines.pop() and self.status >= 0:
            return ["its last line is cut off"]
        try:
            pictures = [json.loads(line) for line in lines]
        except ValueError as error:
            return [f"a line of its output is no JSON: {error}"]
        found = [
            f"picture {number} is not final"
            if number == len(pictures)
            else f"picture {number} is final"
            for number, picture in enumerate(pictures, 1)
            if bool(picture["final"]) != (number == len(pictures)) and self.status in (0, 4)
        ]
        return found + [each for picture in pictures for each in _differences(picture)]


def _differences(picture: dict[str, Any]) -> list[str]:
    """Where totals are not those of the sites, or what is held not what was allocated and not freed."""
    totals, sites = picture["totals"], picture["sites"]
    found = []
    for count in _COUNTS:
        summed = sum(site[count] or 0 for site in sites)
        if summed != (totals[count] or 0):
            found.append(f"its sites have {summed} {count}, its totals {totals[count]}")
    return found
