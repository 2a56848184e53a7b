"""The made-up pictures of `scripts/tui-bench`."""

import pytest

from scripts.showing.shown import Told
from scripts.showing.synthetic import ALL, FEW, SINCE_ATTACH_S, pictures


def test_every_site_keeps_its_index_and_changes_in_every_picture():
    first, *later = pictures(500, ALL)
    for picture in later:
        assert [s.at for s in picture.sites] == [s.at for s in first.sites]
        assert all(s.counts != f.counts for s, f in zip(picture.sites, first.sites, strict=True))


def test_what_does_not_change_is_the_same_object():
    first, second, *_ = pictures(500, FEW)
    other = [s for s, f in zip(second.sites, first.sites, strict=True) if s is not f]
    assert len(other) == 10


def test_cohorts_and_totals_add_up():
    for picture in pictures(500, ALL):
        for site in picture.sites:
            assert sum(cohort.bytes for cohort in site.cohorts) == site.counts.bytes
            assert sum(cohort.blocks for cohort in site.cohorts) == site.counts.blocks
            assert [c.epoch for c in site.cohorts] == sorted({c.epoch for c in site.cohorts})
        assert picture.totals.bytes == sum(site.counts.bytes for site in picture.sites)


def test_the_first_site_leads_in_every_picture_and_others_change_places():
    orders = [sorted(p.sites, key=lambda s: -s.counts.bytes) for p in pictures(2000, ALL)]
    assert {order[0].at.id for order in orders} == {orders[0][0].at.id}
    assert len({tuple(site.at.id for site in order) for order in orders}) == 4


def test_call_sites_differ_and_share_their_frames():
    (picture,) = pictures(3000, ALL, count=1)
    stacks = {site.at.frames for site in picture.sites}
    assert len(stacks) == len({site.at.id for site in picture.sites}) == 3000
    assert len({id(frame) for stack in stacks for frame in stack}) <= 7500
    assert sum(map(len, stacks)) / len(stacks) == pytest.approx(20, abs=0.1)


def test_pictures_come_again_while_time_goes_on():
    source = Told(pictures(3, ALL, count=2))
    seen = [source.after(None, 0)]
    for _ in range(2):
        source.advance()
        seen.append(source.after(seen[-1], 0))
    first, second, third = filter(None, seen)
    assert [one.since_attach_s - SINCE_ATTACH_S for one in (first, second, third)] == [0, 1, 2]
    assert first.sites is third.sites is not second.sites
    assert source.taken == 3


def test_without_another_picture_nothing_comes():
    source = Told(pictures(3, ALL, count=2))
    assert source.after(source.latest(), 0) is None
    assert source.taken == 0
