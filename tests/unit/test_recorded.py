"""A line of JSON read back, whole, older, newer, or made to do harm."""

import io
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from ebpftrace.analysis.selection import Selection
from ebpftrace.export import jsonl
from ebpftrace.model.losses import LOSSES, Losses
from ebpftrace.model.picture import Cohort, Counts
from ebpftrace.snapshot.jsonl.recorded import GaveUp, NoJson, Reader
from ebpftrace.snapshot.values import Unfit
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.generated_pictures import pictures

EVERYTHING = Selection(top=0)


def written(drawn, selection=EVERYTHING):
    out = io.StringIO()
    jsonl.write(drawn, selection, out)
    return out.getvalue().encode("utf-8", "surrogatepass")


def read(line):
    return Reader().read(line).picture


def said(drawn=None):
    return json.loads(written(drawn or picture(site(id="1-7"))))


def line_of(said):
    return json.dumps(said).encode()


def changed(*path, to):
    """The line of a picture with another value where `path` leads to."""
    whole = said(picture(site(id="1-7", frames=(frame(),))))
    inner = whole
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return line_of(whole)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pictures())
def test_what_was_written_is_read_as_it_was(drawn):
    found = read(written(drawn))
    assert sorted(found.sites, key=lambda one: one.at.id) == sorted(
        drawn.sites, key=lambda one: one.at.id
    )
    assert replace(found, sites=()) == replace(drawn, sites=())


def test_for_how_many_others_stand_is_told_by_the_stacks_that_were_walked():
    drawn = picture(site(id="1-7", counts=counts(8, 80)), mode="sample", scale=4, unseen=6)
    assert read(written(drawn)) == drawn


def test_the_oldest_birth_does_not_move_with_what_was_rounded():
    for now in (9.0004, 9.4996, 10.0005):
        drawn = picture(site(id="1-7", oldest_at=3.0), since_attach_s=now)
        assert read(written(drawn)).sites[0].oldest_at == 3.0


def test_totals_hold_what_was_below_top_and_the_rest_is_counted():
    drawn = picture(*(site(str(n), id=f"1-{n}", counts=counts(n, n)) for n in (1, 2, 3)))
    found = Reader().read(written(drawn, Selection(top=1)))
    assert (len(found.picture.sites), found.left_out) == (1, 2)
    assert found.picture.totals == drawn.totals


def test_a_line_of_an_older_version_has_the_defaults():
    whole = said(picture(site(id="1-7"), targets=(target(ended="exited"),)))
    for key in (
        "naming",
        "stacks",
        "filters",
        "others",
        "losses",
        "cost",
        "mode",
        "growth_bytes_per_s",
    ):
        del whole[key]
    for key in ("cohorts", "end", "guessed", "responsible", "growth_bytes_per_s", "oldest_s"):
        del whole["sites"][0][key]
    for key in ("ended", "ended_by", "backend", "blind_s"):
        del whole["targets"][0][key]
    for key in ("source", "column", "inlined"):
        del whole["sites"][0]["frames"][0][key]
    found = read(line_of(whole))
    assert found.sites[0].cohorts == ()
    assert found.sites[0].at.end is None
    assert (found.mode, found.stack_depth, found.growth) == ("full", 127, None)
    assert found.targets[0].ended == "exited"
    assert found.sites[0].at.frames[0].source is None


def test_a_loss_that_the_writer_did_not_know_is_not_known_and_never_0():
    whole = said()
    del whole["losses"]["stack_cut"]
    assert read(line_of(whole)).losses["stack_cut"] is None
    assert read(line_of(whole)).losses["map_busy"] == 0


def test_a_key_of_a_newer_version_is_passed_over():
    whole = said()
    plain = read(line_of(whole))
    for inner in (whole, whole["totals"], whole["sites"][0], whole["targets"][0], whole["cost"]):
        inner["verdict"] = {"frames": [3, {"frames": {}}], "x": [[]]}
    whole["losses"]["unheard_of"] = 9
    whole["sites"][0]["frames"][0]["verdict"] = None
    assert read(line_of(whole)) == plain


def test_every_name_is_clean():
    evil = "\x1b[2J\u202e\ud800"
    whole = json.loads(written(picture(site(id="1-7"), filters=("f",))).decode())
    whole["mode"] = whole["targets"][0]["comm"] = whole["targets"][0]["exe"] = evil
    whole["targets"][0] |= {"ended": evil, "ended_by": evil, "backend": evil}
    whole["targets"][0]["allocators"] = [evil]
    whole["filters"] = whole["naming"]["notes"] = [evil]
    whole["cost"]["map_fill_percent"] = {evil: 1.0}
    whole["sites"][0] |= {"id": evil, "family": evil, "allocator": evil, "end": evil}
    for key in ("function", "file", "module", "build_id", "source"):
        whole["sites"][0]["frames"][0][key] = evil
    shown = repr(read(line_of(whole)))
    assert shown.isprintable()
    assert "\\x" not in shown
    assert "\\u" not in shown


def test_bytes_that_are_no_utf8_are_part_of_a_name():
    line = written(picture(site(id="1-7"))).replace(b'"app"', b'"a\xffp"')
    assert read(line).targets[0].comm == "a·p"


def test_what_did_not_change_is_the_same_object_in_the_next_picture():
    reader = Reader()
    one = site(id="1-7", counts=counts(3, 30))._replace(cohorts=(Cohort(2, 3, 30),))
    grown = site("grows", id="1-8", frames=(frame(), frame("leak_there")))
    lines = [
        written(picture(one, grown._replace(counts=counts(n, n)), since_attach_s=9.0 + n))
        for n in (1, 2)
    ]
    first, second = ({one.at.id: one for one in reader.read(line).picture.sites} for line in lines)
    assert first["1-7"] is second["1-7"]
    assert first["1-8"] is not second["1-8"]
    assert first["1-8"].at is second["1-8"].at
    assert first["1-7"].at.frames[0] is second["1-8"].at.frames[0]


def test_one_more_block_in_one_cohort_leaves_the_others_shared():
    reader = Reader()
    old = Cohort(2, 3, 30)
    first, second = (
        reader.read(written(picture(site(id="1-7")._replace(cohorts=(old, Cohort(9, n, n))))))
        .picture.sites[0]
        .cohorts
        for n in (1, 2)
    )
    assert first[0] is second[0]
    assert second == (old, Cohort(9, 2, 2))


@pytest.mark.parametrize(
    "path,to,said",
    [
        (("schema",), "ebpftrace.picture/2", "schema is version '2'"),
        (("schema",), "other.thing/1", "schema is another program's"),
        (("schema",), None, "has no schema"),
        (("time",), "soon", "time is no time"),
        (("time",), "0001-01-01T00:00:00Z", "out of range"),
        (("time",), "2026-11-20T12:00:00", "no time zone"),
        (("since_attach_s",), -1, "since_attach_s is out of range"),
        (("since_attach_s",), 10**400, "since_attach_s is out of range"),
        (("since_attach_s",), True, "not a number"),
        (("final",), 1, "final is a number, not true or false"),
        (("filters",), "x", "filters is text, not an array"),
        (("losses", "map_busy"), -1, "map_busy is out of range"),
        (("cost", "hits_per_s"), "9", "hits_per_s is text"),
        (("cost",), [], "cost is an array, not an object"),
        (("totals", "freed_bytes"), None, "freed_bytes is null"),
        (("totals", "freed_bytes"), 1 << 64, "freed_bytes is out of range"),
        (("totals", "freed_bytes"), 1.5, "freed_bytes is a number, not a whole number"),
        (("totals", "freed_bytes"), [], "freed_bytes is an array, not a whole number"),
        (("sites", 0, "adopted_blocks"), {}, "adopted_blocks is an object"),
        (("targets", 0), 3, "a target is a number"),
        (("targets", 0, "pid"), "42", "pid of a target is text"),
        (("sites",), {}, "sites is an object"),
        (("sites", 0), None, "a site is null"),
        (("sites", 0, "frames"), {}, "frames is an object"),
        (("sites", 0, "frames", 0), "x", "a frame is text"),
        (("sites", 0, "frames", 0, "line"), "x", "line is text"),
        (("sites", 0, "frames", 0, "line"), [1], "a frame holds an array"),
        (("sites", 0, "frames", 0, "address"), None, "address is null"),
        (("sites", 0, "cohorts"), [[0, 1, 2]], "one of five numbers"),
        (("sites", 0, "cohorts"), [[0, 7, 1, 1, 0]], "of no epoch"),
        (("sites", 0, "cohorts"), [[1e999, 1, 1, 1, 0]], "no number"),
        (("sites", 0, "cohorts"), [[0, 1, {}, 1, 0]], "something else than numbers"),
        (("sites", 0, "cohorts"), [[1, 1, 1, 1, 0], [0, 1, 1, 1, 0]], "order of time"),
        (("sites", 0, "oldest_s"), float("nan"), "NaN, which is no number"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(path, to, said):
    with pytest.raises(Unfit, match=said):
        read(changed(*path, to=to))


@pytest.mark.parametrize(
    "path", [("time",), ("totals",), ("totals", "allocated_bytes"), ("sites", 0, "id"), ("sites",)]
)
def test_what_was_there_from_the_first_version_on_may_not_be_missing(path):
    whole = said()
    inner = whole
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    with pytest.raises(Unfit, match="is missing"):
        read(line_of(whole))


def test_two_sites_of_one_id_are_refused():
    with pytest.raises(Unfit, match="same id"):
        read(written(picture(site("a", id="1-7"), site("b", id="1-7"))))


@pytest.mark.parametrize("line", [b"", b"\x00\xff", b"{", b"{}}", b'{"a":' + b"9" * 5000 + b"}"])
def test_what_is_no_json_is_told_from_json_that_is_no_picture(line):
    with pytest.raises(NoJson):
        read(line)


@pytest.mark.parametrize("line", [b"[" * 1_000_000, b'{"a":' * 1_000_000, b"[]", b"3", b"{}"])
def test_json_of_another_shape_is_refused(line):
    with pytest.raises(Unfit):
        read(line)


def test_a_line_of_nothing_but_arrays_is_refused_before_it_takes_memory():
    with pytest.raises(Unfit, match="more than"):
        read(b"[" + b"[]," * 6_000_000 + b"[]]")


def test_reading_ends_where_it_is_given_up():
    with pytest.raises(GaveUp):
        Reader(lambda: True).read(written(picture(site())))


def test_a_site_whose_id_has_no_stack_is_one_whose_stack_was_not_kept():
    assert read(written(picture(site(id="strange")))).sites[0].at.stack == 0


def test_losses_of_a_recording_are_all_there():
    assert set(read(written(picture(losses=Losses({"stack_cut": 4})))).losses) == {
        loss.name for loss in LOSSES
    }


def test_counts_are_kept_as_they_are():
    found = read(written(picture(totals=Counts(1, 2, 3, 4, 5, 6))))
    assert found.totals == Counts(1, 2, 3, 4, 5, 6)
