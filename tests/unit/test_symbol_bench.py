"""The pure parts of `scripts/symbol-bench`."""

from typing import Any

from scripts.bench.figures import Spread, table
from scripts.naming.fresh import Reading
from scripts.naming.measured import HEADS, figures, row, spreads
from scripts.naming.python_sites import described, pcs_of


def reading(**changed: Any) -> Reading:
    usual: dict[str, Any] = {"places": 2, "located": 2, "names_ms": 1.0, "first_ms": None}
    usual |= {"lines_ms": 5.0, "pending": 0, "resolvers": 0, "resolver_mb": 0.0}
    return Reading(**usual | changed)


def frame(address: int, *, offset: int | None = 1, module: str = "/lib/x.so") -> dict[str, Any]:
    return {"address": address, "offset": offset, "module": module}


def test_each_place_is_looked_up_once_and_code_of_no_file_never():
    sites = [{"frames": [frame(3), frame(1), frame(9, offset=None)]}, {"frames": [frame(1)]}]
    assert pcs_of(sites) == [3, 1]


def test_places_of_other_files_are_not_the_programs_own():
    assert described([3], [{"frames": [frame(3)]}]) == []


def test_what_was_not_measured_in_any_round_has_no_spread():
    found = spreads([reading(), reading(lines_ms=7.0)])
    assert found["first_ms"] is None
    assert found["lines_ms"] == Spread(6.0, 5.0, 7.0, 2)
    assert figures(found)["first_ms"] is None


def test_goals_stand_beside_the_figures():
    spread = Spread.of([90.0, 100.0, 300.0])
    assert row("a", spread, 100) == ["a", "90", "100", "300", "100", "reached"]
    assert row("a", spread, 99) == ["a", "90", "100", "300", "99", "MISSED"]
    assert row("a", spread) == ["a", "90", "100", "300", "", ""]
    assert row("a", None, 5) == ["a", "-", "-", "-", "5", "-"]
    assert table(("", *HEADS), [row("a", spread, 100)]).splitlines()[1].endswith("reached")
