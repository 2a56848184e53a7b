"""Why allocator functions that could be probed are not: a probe there could hurt the program.

Owns what every guard says; each guard is a module of its own.
"""

from dataclasses import dataclass
from typing import Literal

Guard = Literal["exceptions", "Go code", "patched code"]

GUARDS: dict[Guard, str] = {
    "exceptions": "none can pass a function that gets a return probe",
    "Go code": "none gets a probe",
    "patched code": "what gets a probe is as in its file",
}
"""Every guard, and what holds of a plan where it has refused nothing."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one guard leaves out, and why, as a sentence for the user."""

    guard: Guard
    sentence: str
