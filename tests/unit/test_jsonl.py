"""A picture as a line of JSON that is put together of texts: it is what it would be as one object."""

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings

from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.analysis.trend import Trends, trend_of_site
from ebpftrace.export import jsonl
from ebpftrace.model.epochs import length_of, start_of
from ebpftrace.model.picture import Cohort
from tests.unit.builders import counts, frame, picture, site
from tests.unit.generated_pictures import pictures
from tests.unit.hostile import HOSTILE
from tests.unit.said import said_of_picture

EVERYTHING = Selection(top=0)


def tenth(value):
    return None if value is None else round(value, 1)


def object_of(one, now):
    """A site, key by key."""
    at, held = one.at, one.counts
    word, rate, low, high = trend_of_site(one, now)
    return {
        "id": at.id,
        "pid": at.pid,
        "family": at.family,
        "allocator": at.allocator,
        "blocks": held.blocks,
        "bytes": held.bytes,
        **held._asdict(),
        "oldest_s": None if one.oldest_at is None else round(now - one.oldest_at, 3),
        "error_bytes": None if one.error is None else round(one.error),
        "growth_bytes_per_s": tenth(one.growth),
        "trend": {"word": word, "bytes_per_s": tenth(rate), "low": tenth(low), "high": tenth(high)},
        "cohorts": [
            [start_of(cohort.epoch), length_of(cohort.epoch), *cohort[1:]] for cohort in one.cohorts
        ],
        "complete": at.complete,
        "guessed": at.guessed,
        "end": at.end,
        "responsible": responsible(at.frames, Rules.standard()),
        "frames": [jsonl.frame_object(frame) for frame in at.frames],
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pictures())
def test_every_site_says_all_that_is_known_of_it(drawn):
    now = drawn.since_attach_s
    expected = [object_of(one, now) for one in select(drawn, EVERYTHING).sites]
    assert said_of_picture(drawn, EVERYTHING)["sites"] == expected


def test_sites_that_share_what_they_say_are_told_apart_where_they_do_not():
    shared, own = frame("shared"), frame("own", line=3)
    cohorts = (Cohort(0, 1, 100), Cohort(9, 2, 300))
    given = {"cohorts": cohorts, "counts": counts(3, 400)}
    drawn = picture(
        site("a", frames=(shared, own), **given),
        site("b", frames=(own, shared), complete=False, guessed=True, end="no_rule", **given),
        site("c", frames=(shared,), family=None, oldest_at=None, growth=None, **given),
        site("d", frames=(), allocator="realloc", growth=0.04, **given),
        since_attach_s=60.0,
    )
    expected = [object_of(one, 60.0) for one in select(drawn, EVERYTHING).sites]
    assert said_of_picture(drawn, EVERYTHING)["sites"] == expected


def test_trends_of_many_sites_are_those_of_each():
    cohorts = tuple(Cohort(epoch, 1, 100) for epoch in range(60))
    sites = [
        site(counts=counts(60, 6000), cohorts=cohorts),
        site(counts=counts(60, 6000), cohorts=cohorts),
        site(counts=counts(60, 6000, freed=600_000), cohorts=cohorts),
        site(counts=counts(60, 6000), cohorts=cohorts[:9]),
        site(counts=counts(60, 6000), cohorts=cohorts[50:], allocator="realloc"),
    ]
    trends = Trends(60.0)
    found = [trends.of(one) for one in sites]
    assert found == [trend_of_site(one, 60.0) for one in sites]
    assert len(set(found)) > 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_holds_the_syntax_of_json_is_a_name(name):
    odd = name + '"}],\\'
    drawn = picture(site(id=odd, family=odd, allocator=odd, end=odd, frames=(frame(odd),)))
    for encoding in ("utf-8", "ascii"):
        out = io.TextIOWrapper(io.BytesIO(), encoding, "surrogatepass")
        jsonl.write(drawn, EVERYTHING, out)
        out.seek(0)
        (said,) = json.loads(out.read())["sites"]
        assert {said[key] for key in ("id", "family", "allocator", "end")} == {odd}
        assert said["frames"][0]["function"] == odd


class Sizes(io.StringIO):
    """How long each text was that was written."""

    def __init__(self):
        super().__init__()
        self.all = []

    def write(self, text):
        self.all.append(len(text))
        return super().write(text)


def test_many_sites_are_written_piece_by_piece():
    stack = tuple(frame(f"f{n}" * 20) for n in range(20))
    sites = [site(f"s{n}", id=f"1-{n}", frames=stack) for n in range(1000)]
    out = Sizes()
    jsonl.write(picture(*sites), EVERYTHING, out)
    assert max(out.all) < sum(out.all) / 10
    assert len(out.all) < len(sites) / 10
    assert len(json.loads(out.getvalue())["sites"]) == 1000


def test_a_count_is_an_integer_whatever_number_was_written_before():
    one = site("one", id="1", growth=0.0, counts=counts(1, 8), error=0.0)
    two = site("two", id="2", growth=0.0, counts=counts(2, 9), error=1.0)
    text = "".join(jsonl.pieces(picture(one, two), Selection(top=0), json.dumps))
    for said in ('"freed_blocks":0,', '"adopted_bytes":0,', '"growth_bytes_per_s":0.0,'):
        assert text.count(said) == 2, said
