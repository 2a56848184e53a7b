"""scripts/check-exports: what passes, what does not, and what was not asked."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ebpftrace.export.formats.registry import FORMATS, named
from ebpftrace.export.formats.subject import MEASURES
from scripts.formats import check, check_pprof
from scripts.formats.checking import Failed, Tool, Totals, checked, output
from tests.unit.builders import counts, picture, site
from tests.unit.snapshot_builders import snapshot

WANTED: Totals = {"bytes": 100, "blocks": 2, "allocated-bytes": 300, "allocated-blocks": 6}
HELD = snapshot(picture(site(counts=counts(2, 100, freed=3))))


def tool(says=None, version="1.0", measures=MEASURES):
    def totals(_):
        if isinstance(says, Failed):
            raise says
        return WANTED if says is None else says

    return Tool("pprof", "reader", "its package", lambda: version, totals, measures)


def test_a_tool_that_reports_what_was_exported_passes():
    assert checked(tool(), {}, WANTED).well


def test_a_tool_reports_the_measures_that_its_format_has_room_for():
    assert checked(tool({"blocks": 2}, measures=("blocks",)), {}, WANTED).well
    row = checked(tool({"blocks": 2}), {}, WANTED)
    missing = "bytes, allocated-bytes, allocated-blocks"
    assert (row.verdict, row.well) == (f"FAILED: it does not report {missing}", False)


@pytest.mark.parametrize(
    "says, verdict",
    [
        ({**WANTED, "bytes": 99}, "DIFFERS: bytes by -1"),
        ({**WANTED, "blocks": 1_002, "bytes": 0}, "DIFFERS: bytes by -100, blocks by +1,000"),
        (Failed("it is torn"), "FAILED: it is torn"),
    ],
)
def test_any_difference_and_any_failure_is_named_and_does_not_pass(says, verdict):
    row = checked(tool(says), {}, WANTED)
    assert (row.verdict, row.well) == (verdict, False)
    assert check.status([row], available=True) == 1


def test_a_tool_that_is_not_installed_is_named_and_passes_only_where_that_is_wanted():
    row = checked(tool(version=None), {}, WANTED)
    assert row.verdict == "not installed: its package"
    assert check.status([row], available=False) == 1
    assert check.status([row], available=True) == 0


def test_a_format_that_nothing_reads_is_named_and_passes_only_where_that_is_wanted(tmp_path):
    (row,) = check.rows(HELD, [named("collapsed")], [tool()], tmp_path)
    assert row.verdict == "no tool is known here"
    assert (check.status([row], False), check.status([row], True)) == (1, 0)


def test_a_format_with_room_for_one_measure_is_exported_once_for_each(tmp_path):
    files = check.exported(HELD, named("collapsed"), tmp_path)
    said = [files[measure].read_text() for measure in MEASURES]
    assert said == [f"leak_here {value}\n" for value in (100, 2, 103, 5)]
    assert len(set(check.exported(HELD, named("pprof"), tmp_path).values())) == 1


def test_every_format_is_read():
    assert {one.format for one in check.TOOLS} == {one.name for one in FORMATS}


def test_the_verdict_names_what_failed_and_what_was_not_asked():
    well, torn, missing = (
        checked(one, {}, WANTED)
        for one in (tool(), replace(tool(Failed("")), name="torn"), tool(version=None))
    )
    assert check.verdict([well, well]) == "1 formats carry the same totals, in 2 readings."
    assert check.verdict([well, torn, missing]) == (
        "1 of 3 readings differ or fail: pprof (torn). Not asked: reader of pprof."
    )


def test_a_program_that_complains_has_failed_also_with_status_0():
    command = ["sh", "-c", "echo odd line >&2; echo 7"]
    with pytest.raises(Failed, match="ended with 0: odd line"):
        output(command)
    assert output(command, re.compile("odd .*")) == "7\n"


def test_a_program_that_fails_is_quoted():
    with pytest.raises(Failed, match="ended with 2: that went wrong"):
        output(["sh", "-c", "echo so far so good; echo that went wrong >&2; exit 2"])


RAW = """\
Comment: 7 7 7 7: 1
PeriodType: space bytes
Samples:
alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]
          6        300          1         40: 1 2
                process:[1 1 1 1: 3] pid:[42]
          0          0          1         60: 1
Locations
     1: 0x401233 M=1 f a.c:3 s=0
"""


def answering(monkeypatch, raw=RAW, accounted=0, total=None):
    """pprof prints this; `-top` has the totals of RAW, or `total` of all values."""
    totals = {"alloc_objects": 6, "alloc_space": 300, "inuse_objects": 2, "inuse_space": 100}

    def answer(command, _):
        if "-raw" in command:
            return raw
        value = next((name for name in totals if f"-sample_index={name}" in command), "inuse_space")
        shown = totals[value] if total is None else total
        return f"Showing nodes accounting for {accounted}, 0% of {shown}B total\n"

    monkeypatch.setattr(check_pprof, "output", answer)


FILES = dict.fromkeys(MEASURES, Path("profile.pb.gz"))


def test_pprofs_samples_are_summed_and_neither_comments_nor_labels(monkeypatch):
    answering(monkeypatch)
    assert check_pprof.totals(FILES) == WANTED


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"total": 99}, "-top has 99 of alloc_objects, -raw 6"),
        ({"accounted": "12B"}, "between a profile and itself"),
        ({"raw": RAW.replace("[dflt]", "")}, "by default"),
        ({"raw": "torn"}, "-raw has no samples"),
    ],
)
def test_pprof_must_not_contradict_itself(monkeypatch, wrong, said):
    answering(monkeypatch, **wrong)
    with pytest.raises(Failed, match=said):
        check_pprof.totals(FILES)
