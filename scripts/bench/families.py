"""What a pair costs with each allocator beside glibc's: malloc and free, and operator new and delete.

Each reading is of a process of its own: bare, then traced. What counts is what tracing adds to a pair, and
its ratio to what it adds to glibc's in the same round. An allocator that is not installed is left out.
"""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.bench.figures import (
    Section,
    Spread,
    Target,
    as_figures,
    cell,
    median,
    narrate,
    ratios,
    table,
    wide,
)
from scripts.bench.loops import WORKLOADS, Child
from scripts.bench.pairs import SETTLE_S, Effort, tool_by
from scripts.bench.tracers import TracerFailed

FORMS = {1: "malloc/free", 2: "new/delete(size)", 3: "new/delete"}
MOST_OF_GLIBC = 1.3
_GLIBC = "glibc"
_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Subject:
    """An allocator: the program that has it, what is preloaded there, its name for the tool."""

    name: str
    family: str
    program: str = "forms"
    preloaded: str = ""
    forms: tuple[int, ...] = tuple(FORMS)

    @property
    def is_there(self) -> bool:
        if not (WORKLOADS / self.program).exists():
            return False
        if not self.preloaded:
            return True
        environment = {**os.environ, "LD_PRELOAD": self.preloaded}
        return not subprocess.run(
            ["true"], check=False, env=environment, capture_output=True
        ).stderr


SUBJECTS = (
    Subject(_GLIBC, "glibc"),
    Subject("glibc, static", "glibc", "forms_static"),
    Subject("jemalloc", "jemalloc", preloaded="libjemalloc.so.2"),
    Subject("tcmalloc minimal", "tcmalloc", preloaded="libtcmalloc_minimal.so.4"),
    Subject("tcmalloc", "tcmalloc", preloaded="libtcmalloc.so.4"),
    Subject("mimalloc", "mimalloc", preloaded="libmimalloc.so.2.0"),
    Subject("musl", "musl", "forms_musl", forms=(1,)),
    Subject("musl, static", "musl", "forms_musl_static", forms=(1,)),
)

_Reading = dict[int, tuple[float, float]]


def _read(subject: Subject, backend: str) -> _Reading:
    """By form ns of a pair, bare and traced. TracerFailed where the tool watches another allocator."""
    environment = {"LD_PRELOAD": subject.preloaded} if subject.preloaded else {}
    with Child(WORKLOADS / subject.program, *subject.forms, environment=environment) as child:
        child.go()
        time.sleep(SETTLE_S)
        bare = child.sample(_SECONDS / 2, subject.forms)
        with tool_by(backend, child.pid) as run:
            if subject.family not in run.pictures[0]["targets"][0]["allocators"]:
                raise TracerFailed(f"{subject.name} was not found in {subject.program}.")
            time.sleep(SETTLE_S)
            traced = child.sample(_SECONDS, subject.forms)
    return {form: (bare[form], traced[form]) for form in subject.forms}


@dataclass(frozen=True, slots=True)
class Compared:
    """One allocator and one form, by round: what tracing adds to a pair, here and with glibc."""

    subject: Subject
    form: int
    bare: tuple[float, ...]
    added: tuple[float, ...]
    of_glibc: tuple[float, ...]

    @property
    def ratio(self) -> Spread | None:
        return Spread.of(ratios(self.added, self.of_glibc))

    @property
    def row(self) -> tuple[str, ...]:
        return (
            self.subject.name,
            FORMS[self.form],
            cell(Spread.of(self.bare)),
            wide(Spread.of(self.added)),
            wide(self.ratio, 2),
        )


def compared(
    subjects: Sequence[Subject], rounds: Sequence[dict[str, _Reading]]
) -> Iterator[Compared]:
    """Every subject beside the first, form by form."""
    for subject in subjects:
        for form in subject.forms:
            ours = [one[subject.name][form] for one in rounds]
            theirs = [one[subjects[0].name][form] for one in rounds]
            yield Compared(
                subject,
                form,
                tuple(bare for bare, _ in ours),
                tuple(traced - bare for bare, traced in ours),
                tuple(traced - bare for bare, traced in theirs),
            )


def measure(effort: Effort) -> Section:
    """All of them in each round."""
    subjects = [subject for subject in SUBJECTS if subject.is_there]
    for subject in SUBJECTS:
        if subject not in subjects:
            narrate("overhead", f"{subject.name} is not installed: left out.")
    backend = effort.back_ends[0]
    rounds: list[dict[str, _Reading]] = []
    for number in range(effort.rounds):
        narrate("overhead", f"families, round {number + 1} of {effort.rounds}")
        rounds.append({subject.name: _read(subject, backend) for subject in subjects})
    found = list(compared(subjects, rounds))
    heads = ("allocator", "pair of 64 bytes", "bare", "added", "of glibc's")
    text = (
        f"What ebpftrace ({backend}) adds to a pair, ns of CPU time: median of the rounds (least-most)\n"
        f"{table(heads, [one.row for one in found])}"
    )
    figures = [
        {
            "allocator": one.subject.name,
            "form": FORMS[one.form],
            "bare_ns": as_figures(Spread.of(one.bare)),
            "added_ns": as_figures(Spread.of(one.added)),
            "of_glibc": as_figures(one.ratio),
        }
        for one in found
    ]
    targets = [
        Target(
            f"{one.subject.name}, {FORMS[one.form]}: added, of glibc's",
            MOST_OF_GLIBC,
            median(one.ratio),
        )
        for one in found
        if one.subject is not subjects[0]
    ]
    return Section("families", text, figures, targets)
