"""What is hidden is in no view, and never silently."""

import json

import pytest

from ebpftrace.analysis.headline import headline
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.analysis.suppressed import NOTHING, By, Suppressed
from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.export import text
from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.picture import Cohort
from ebpftrace.snapshot.jsonl.recorded import Reader
from tests.unit.builders import counts, picture, site, suppressions
from tests.unit.said import said_of_picture

SITES = (
    site("leak", counts=counts(1, 100)),
    site("cache_a", id="1-1", counts=counts(2, 3000)),
    site("pool", id="1-2", counts=counts(3, 500)),
    site("cache_b", id="1-3", counts=counts(4, 1000)),
    site("gone", counts=counts(0, 0, freed=9)),
)
HIDING = suppressions("cache", "pool", "never")


def report(*given, **more):
    return "\n".join(text.lines(picture(*given), Selection(**more)))


@pytest.mark.parametrize("top", [0, 1])
def test_what_is_shown_hidden_and_left_out_is_what_the_totals_say(top):
    chosen = select(picture(*SITES), Selection(top=top, suppressions=HIDING))
    assert chosen.sites[0].at.frames[0].function == "leak"
    by = By("leak:cache", 2, 6, 4000), By("leak:pool", 1, 3, 500)
    assert chosen.suppressed == Suppressed(3, 9, 4500, by)
    for field, total in (("blocks", 10), ("bytes", 4600)):
        shown = sum(getattr(one.counts, field) for one in chosen.sites)
        left_out = getattr(chosen.others, field) + getattr(chosen.suppressed, field)
        assert shown + left_out == total
    assert len(chosen.sites) + chosen.others.sites + chosen.suppressed.sites == 5


def test_without_suppressions_nothing_is():
    assert select(picture(*SITES), Selection()).suppressed == NOTHING


def test_suppressions_of_one_name_are_one():
    two = suppressions("cache_a", "cache_b").all
    same = Suppressions(one._replace(name="cache") for one in two)
    assert select(picture(*SITES), Selection(suppressions=same)).suppressed.by == (
        ("cache", 2, 6, 4000),
    )


# --- reports --------------------------------------------------------------------------------------


def test_the_report_says_how_much_is_hidden_and_by_what():
    said = report(*SITES, suppressions=HIDING)
    assert (
        "  hidden   3 sites with 4.4 KiB in 9 blocks by 2 suppressions (leak:cache, leak:pool)\n"
        in said
    )
    assert "#2" not in said
    assert "  and 1 other site with 0 B in 0 blocks" in said
    assert "tracked  4.5 KiB in 10 blocks" in said


def test_where_nothing_is_hidden_nothing_is_said():
    assert report(*SITES, suppressions=suppressions("never")) == report(*SITES)
    assert "hidden" not in report(*SITES)


def test_where_all_is_hidden_it_does_not_look_as_if_nothing_leaked():
    said = report(*SITES, suppressions=suppressions("app"))
    assert "no site holds anything that is not hidden" in said


def test_names_that_are_many_or_long_leave_the_line_a_line():
    parts = [f"site{n:02}" + "_" * 90 for n in range(20)]
    sites = [site(part) for part in parts]
    rows = report(*sites, suppressions=suppressions(*parts)).splitlines()
    (said,) = (row for row in rows if row.startswith("  hidden "))
    assert len(said) < 320
    assert said.endswith("…, and 16 more)")


def test_json_always_has_what_is_hidden():
    said = said_of_picture(picture(*SITES), Selection())
    assert said["suppressed"] == {"sites": 0, "blocks": 0, "bytes": 0, "by": []}
    said = said_of_picture(picture(*SITES), Selection(suppressions=HIDING))
    assert said["suppressed"]["by"][1] == {
        "name": "leak:pool",
        "sites": 1,
        "blocks": 3,
        "bytes": 500,
    }
    assert said["others"]["sites"] == 0


def test_a_recording_with_hidden_sites_is_read():
    whole = said_of_picture(picture(*SITES[1:4]), Selection(suppressions=suppressions("cache")))
    found = Reader().read(json.dumps(whole).encode())
    assert [one.at.id for one in found.picture.sites] == ["1-2"]
    assert found.picture.totals.bytes == 4500


# --- the headline ---------------------------------------------------------------------------------


def grown(name, each):
    cohorts = tuple(Cohort(epoch_at(second), 1, each) for second in range(60))
    return site(name, counts=counts(60, 60 * each), cohorts=cohorts, growth=float(each))


def test_the_headline_is_of_what_is_shown_and_its_share_of_everything():
    sites = [*(grown(f"cache{n}", 900 + n) for n in range(30)), grown("leak", 10)]
    drawn = picture(*sites, since_attach_s=60.0)
    hidden = suppressions("cache").hidden(sites)
    found = headline(drawn, [one.counts.bytes for one in sites], hidden)
    assert found.site is sites[-1]
    assert found.share == pytest.approx(10 / sum(one.growth for one in sites))
    every = suppressions("app").hidden(sites)
    assert headline(drawn, [one.counts.bytes for one in sites], every).site is None
