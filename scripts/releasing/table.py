"""What was checked, and how that is printed."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from scripts.bench.figures import narrate
from scripts.releasing.environment import Failed


class Row(NamedTuple):
    """`well`: None where it could not be looked at here, for the reason in `found`."""

    subject: str
    what: str
    found: str
    well: bool | None

    @property
    def verdict(self) -> str:
        return {True: "ok", False: "FAILED", None: "left out"}[self.well]


class Table:
    """The rows in the order in which they came, each told as it comes."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def check(self, subject: str, what: str, look: Callable[[], str]) -> bool:
        """`look` gives what it found, or raises Failed."""
        try:
            return self._add(Row(subject, what, look(), well=True))
        except Failed as error:
            return self._add(Row(subject, what, str(error), well=False))

    def leave_out(self, subject: str, what: str, why: str) -> None:
        self._add(Row(subject, what, why, well=None))

    def _add(self, row: Row) -> bool:
        self.rows.append(row)
        narrate("release", f"{row.subject}: {row.what}: {row.verdict}")
        return bool(row.well)

    def status(self, *, available: bool) -> int:
        """1 where something failed; also where something was left out, unless `available`."""
        return int(
            any(row.well is False or (row.well is None and not available) for row in self.rows)
        )

    def text(self) -> str:
        """A line each, under the subject."""
        return "\n".join(_lines(self.rows))


def _lines(rows: list[Row]) -> Iterable[str]:
    widest = max((len(row.what) for row in rows), default=0)
    subject = None
    for row in rows:
        if row.subject != subject:
            subject = row.subject
            yield subject
        yield f"  {row.verdict:8}  {row.what:{widest}}  {row.found}".rstrip()
    counts = [sum(row.well is verdict for row in rows) for verdict in (True, False, None)]
    yield f"{counts[0]} ok, {counts[1]} failed, {counts[2]} left out"


def refuse(differences: list[str]) -> None:
    """Failed where there are any."""
    if differences:
        more = f"; and {len(differences) - 1} more" if len(differences) > 1 else ""
        raise Failed(f"{differences[0]}{more}")
