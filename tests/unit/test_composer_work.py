"""How often the composer looks at each of very many sites: counted, for times would be of this machine."""

from dataclasses import replace
from unittest.mock import Mock, patch

import pytest

from ebpftrace.analysis import wording
from ebpftrace.analysis.ordering import Ordering
from ebpftrace.model.picture import Counts
from ebpftrace.tui import composer
from ebpftrace.tui.composer import Composer, Request
from ebpftrace.tui.view import GROUPED
from tests.unit.builders import frame, picture, site
from tests.unit.composing import MAIN, VIEW, Clock


@pytest.fixture(scope="module")
def many():
    """100,000 sites of 100 functions; what they hold is all different."""
    frames = [frame(f"f{n}") for n in range(100)]
    return picture(
        *(
            site(f"{n}", id=f"{n}", frames=(frames[n % 100], MAIN), counts=Counts(n + 1, 7 * n))
            for n in range(100_000)
        )
    )


def test_of_very_many_sites_no_row_is_made_before_it_is_drawn(many, monkeypatch):
    chain = Mock(wraps=wording.chain)
    monkeypatch.setattr(wording, "chain", chain)
    by = Composer()
    found = by.compose(Request(many, VIEW, held="5"))
    assert (len(found.rows), found.held_at, chain.call_count) == (100_000, 99_994, 0)
    assert found.rows.row(0).key == "99999"
    assert chain.call_count == 1


def test_very_many_sites_keep_their_figures_and_their_order(many):
    by = Composer()
    order = by.compose(Request(many, VIEW)).rows
    assert [order.row(n).counts.blocks for n in range(2)] == [100_000, 99_999]
    again = by.compose(Request(replace(many, since_attach_s=13.0), VIEW)).rows
    assert [again.key(n) for n in range(100)] == [order.key(n) for n in range(100)]


def test_pictures_that_come_too_soon_are_not_sorted(many, monkeypatch):
    clock = Clock()
    clock.is_slow()
    monkeypatch.setattr(composer, "time", clock)
    by = Composer()
    with patch.object(Ordering, "arrange", autospec=True, side_effect=Ordering.arrange) as arrange:
        for second in range(20):
            by.compose(Request(replace(many, since_attach_s=second), VIEW, held="5"))
    assert arrange.call_count == 1


@pytest.mark.parametrize("kind", [*GROUPED, "calls", "callers"])
def test_stacks_of_very_many_sites_are_looked_at_once(many, kind, monkeypatch):
    leading = Mock(return_value=0)
    for module in ("grouping", "tree"):
        monkeypatch.setattr(f"ebpftrace.analysis.{module}.leading", leading)
    by = Composer()
    for second in range(3):
        by.compose(Request(replace(many, since_attach_s=second), VIEW.of(kind), anew=second))
    assert leading.call_count <= 100_000
