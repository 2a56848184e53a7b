"""The ways in which the tool is run while something happens to it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.kernel.harness import EXACT, TOOL, backends, workload

OFTEN = ("--interval", "100ms", "--count", "3")


@dataclass(frozen=True)
class Way:
    """`words` of the command line, of the pid of the target and a folder that may be written."""

    name: str
    words: Callable[[int, Path], tuple[str, ...]]
    pictures: bool = False
    """Does it write pictures as JSON whose totals must be those of their sites?"""
    starts_program: bool = False
    """Is its target a child of its own, which the mark of the runs does not tell from it?"""

    def command(self, pid: int, folder: Path) -> list[str]:
        return [*TOOL, *self.words(pid, folder)]


def attach(name: str, *options: str) -> Way:
    """Three pictures of the target, one every 200 ms."""
    form = ("attach", "--json", "--top", "0", *OFTEN, *options)
    return Way(name, lambda pid, _: (*form, "-p", str(pid)), pictures="growth" not in options)


@functools.cache  # one that is given again is the same one
def exact(backend: str) -> Way:
    """By that back end."""
    return attach(backend, *EXACT, "--backend", backend)


def best() -> Way:
    """By the back end that `auto` is here."""
    return exact(backends()[0])


def best_and_perf() -> list[Way]:
    """That one, and the one that every kernel has: they may be the same."""
    return list(dict.fromkeys((best(), exact("perf"))))


def held() -> list[Way]:
    """By every back end that there is here."""
    return [exact(backend) for backend in backends()]


SAMPLE = attach("sample", "--mode", "sample")
GROWTH = attach("growth", "--mode", "growth")
AUTO = attach("auto")
TEXT = Way("text", lambda pid, _: ("attach", "--text", *OFTEN, *EXACT, "-p", str(pid)))
RECORD = Way(
    "record",
    lambda pid, folder: (
        *("record", *EXACT, *OFTEN, "--every", "200ms"),
        *("-o", str(folder / "snapshots"), "-p", str(pid)),
    ),
)
RUN = Way(
    "run",
    lambda _pid, _folder: ("run", "--json", "--duration", "600ms", "--", str(workload("subject"))),
    starts_program=True,
)
