"""The table of features by kernel: as Markdown, between the marks of a document, and back. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BEGIN = "<!-- kernel-matrix: begin. scripts/kernel-matrix --markdown writes what is here. -->"
END = "<!-- kernel-matrix: end -->"
_FIRST, _LAST = ("feature", "came with"), "without it"
_WORDS = {True: "yes", False: "no", None: "?"}
_BLOCK = re.compile(re.escape(BEGIN) + r"\n(.*?)" + re.escape(END), re.DOTALL)


@dataclass(slots=True)
class Table:
    """`about`: of each feature, by its name, with what it came and what is done without. `cells`: of each
    kernel, in the order of its columns, "yes", "no" or "?" by feature.
    """

    about: dict[str, tuple[str, str]] = field(default_factory=dict)
    cells: dict[str, dict[str, str]] = field(default_factory=dict)

    def copy(self) -> "Table":
        return Table(dict(self.about), {kernel: dict(row) for kernel, row in self.cells.items()})

    def put(self, kernel: str, features: Mapping[str, Mapping[str, Any]]) -> None:
        """What `doctor --json` said there; nothing where it said nothing. Rows that it has not are gone."""
        if not features:
            return
        about = {
            name: (f"{feature['since']} ({feature['commit']})", feature["instead"])
            for name, feature in features.items()
        }
        # What is done without may depend on the machine: the first kernel's words stand.
        self.about = {name: self.about.get(name, told) for name, told in about.items()}
        self.cells[kernel] = {name: _WORDS[one["have"]] for name, one in features.items()}

    def text(self) -> str:
        """As Markdown."""
        kernels = sorted(self.cells, key=_age)
        lines = [_line([*_FIRST, *kernels, _LAST]), _line(["---"] * (3 + len(kernels)))]
        for name, (since, instead) in self.about.items():
            found = [self.cells[kernel].get(name, "?") for kernel in kernels]
            lines.append(_line([name, since, *found, instead]))
        return "\n".join(lines)

    def changes(self, other: "Table") -> list[str]:
        """A line for each row or cell of `other` that is not here."""
        found = [name for name, told in other.about.items() if self.about.get(name) != told]
        said = [
            f"the row of {name}" for name in [*found, *(self.about.keys() - other.about.keys())]
        ]
        for kernel, row in other.cells.items():
            mine = self.cells.get(kernel, {})
            said += [
                f"{name} on {kernel}: {mine.get(name)} is {word}"
                for name, word in row.items()
                if mine.get(name) != word
            ]
        return said


def read(document: str) -> Table:
    """The one between the marks; ValueError where there are none."""
    block = _BLOCK.search(document)
    if block is None:
        raise ValueError(f"the document has no line {BEGIN!r}")
    rows = [_words(line) for line in block[1].splitlines() if line.startswith("|")]
    made = Table()
    if len(rows) < 3:
        return made
    made.cells = {kernel: {} for kernel in rows[0][len(_FIRST) : -1]}
    for name, since, *found, instead in rows[2:]:
        made.about[name] = since, instead
        for row, word in zip(made.cells.values(), found, strict=True):
            row[name] = word
    return made


def replaced(document: str, made: Table) -> str:
    """`document` with that table between its marks."""
    return _BLOCK.sub(lambda _: f"{BEGIN}\n{made.text()}\n{END}", document)


def _age(kernel: str) -> tuple[str, list[int]]:
    """By machine, then by version."""
    series, _, machine = kernel.partition("-")
    return machine, [int(number) if number.isdecimal() else 0 for number in series.split(".")]


def _line(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"


def _words(line: str) -> list[str]:
    return [word.strip() for word in line.strip().strip("|").split("|")]
