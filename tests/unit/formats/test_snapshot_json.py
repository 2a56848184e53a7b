"""A snapshot as the object that `report --json --top 0` writes."""

import json

from ebpftrace.analysis.selection import Selection
from tests.unit.builders import counts, picture, site, suppressions
from tests.unit.formats.subjects import exported, subject
from tests.unit.said import said_of_snapshot
from tests.unit.snapshot_builders import snapshot


def test_it_is_what_report_writes_of_all_sites():
    kept = snapshot(picture(*(site(f"s{n}", id=f"1-{n}") for n in range(60))))
    every = Selection(top=0)
    said = json.loads(exported("json", subject(snapshot=kept, selection=every)))
    assert len(said["sites"]) == 60
    assert said == said_of_snapshot(kept, "app.ebpftrace", every)


def test_all_that_is_written_sums_up_to_the_totals():
    shown = picture(
        site("leak", id="1-1", counts=counts(1, 60)),
        site("known", id="1-2", counts=counts(2, 30)),
        totals=counts(5, 100),
    )
    hiding = Selection(suppressions=suppressions("known"))
    said = json.loads(exported("json", subject(snapshot=snapshot(shown), selection=hiding)))
    parts = [*said["sites"], said["others"], said["suppressed"]]
    for name in ("blocks", "bytes"):
        assert sum(part[name] for part in parts) == said["totals"][name]


def test_it_is_one_line_of_utf_8():
    written = exported("json", subject(site("漢")))
    assert written.count(b"\n") == 1
    assert "漢".encode() in written
