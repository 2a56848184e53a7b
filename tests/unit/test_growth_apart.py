"""In mode growth mappings stand beside page faults, and are part of no sum: what is touched of them is counted."""

from dataclasses import replace

import pytest

from ebpftrace.analysis import wording
from ebpftrace.analysis.diff import diff
from ebpftrace.analysis.headline import headline
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.picture import Cohort, Counts, Picture, Site
from ebpftrace.tui.composer import Composer, Request, Shown
from ebpftrace.tui.view import KINDS, Kind
from tests.unit.builders import counts, frame, picture, site
from tests.unit.composing import VIEW, keys
from tests.unit.formats.subjects import subject
from tests.unit.snapshot_builders import snapshot

COHORTS = tuple(Cohort(epoch_at(second), 1, 4096) for second in range(60))


def grown(name: str, family: str, growth: float) -> Site:
    return site(
        name,
        id=name,
        family=family,
        allocator=family,
        counts=counts(60, 60 * 4096),
        cohorts=COHORTS,
        growth=growth,
        frames=(frame("taker"),),
    )


TOUCHED = grown("touched", "page fault", 4096.0)
MAPPED = grown("mapped", "mmap", 9000.0)


def drawn(mode: str = "growth") -> Picture:
    totals = TOUCHED.counts if mode == "growth" else Counts(120, 120 * 4096, 0, 0, 0, 0)
    return picture(TOUCHED, MAPPED, mode=mode, totals=totals, since_attach_s=60.0)


def composed(kind: Kind) -> Shown:
    return Composer().compose(Request(drawn(), replace(VIEW, kind=kind)))


def test_they_are_apart_in_growth_alone():
    assert drawn().apart() == {1}
    assert drawn("full").apart() == frozenset()


def test_the_list_has_both_and_sums_only_what_was_touched():
    assert set(keys(composed("sites"))) == {"touched", "mapped"}
    for kind in KINDS:
        if kind != "sites":
            rows = composed(kind).rows
            assert {row.counts.bytes for row in map(rows.row, range(len(rows)))} <= {60 * 4096}, (
                kind
            )


def test_the_headline_is_not_about_them():
    found = headline(drawn(), [60 * 4096, 60 * 4096])
    assert found.site is not None
    assert (found.site.at.id, found.share) == ("touched", 1.0)


def test_exports_leave_them_out():
    given = subject(snapshot=snapshot(drawn()))
    assert [one.at.id for one in given.sites] == ["touched"]
    assert given.rest == Counts()


def test_a_comparison_leaves_them_out():
    assert [held.bytes for held in diff([drawn(), drawn()]).unlisted] == [0, 0]


def test_what_a_list_does_not_show_is_counted_without_them():
    others = select(drawn(), Selection(top=0)).others
    assert (others.sites, others.blocks, others.bytes) == (0, 0, 0)


@pytest.mark.parametrize("one, words", [(TOUCHED, "page faults of growth"), (MAPPED, "freed 0")])
def test_what_went_through_a_site_is_said_in_its_own_words(one: Site, words: str):
    assert words in wording.traffic_of(one, "growth")
