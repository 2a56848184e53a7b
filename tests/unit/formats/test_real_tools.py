"""What is exported, as the tools read it that `scripts/setup --dev` installs; none of them may be missing."""

import functools
import gzip
import re
from collections.abc import Callable

import pytest

from ebpftrace.export.formats.profile_proto.messages import profile_class
from ebpftrace.export.formats.registry import FORMATS, named
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.loading import load
from scripts.formats import (
    check,
    check_csv,
    check_heaptrack,
    check_json,
    check_openmetrics,
    definitions,
)
from scripts.formats.checking import Failed
from scripts.formats.subjects import RECORDING, hostile
from tests.unit.builders import counts, picture, site
from tests.unit.snapshot_builders import snapshot

READERS = {
    "collapsed": ["its lines", "flamegraph.pl"],
    "html": ["its data"],
    "pprof": ["its protobuf"],
    "speedscope": ["its JSON"],
    "massif": ["ms_print"],
    "callgrind": ["callgrind_annotate"],
    "heaptrack": ["heaptrack_print"],
    "json": ["its JSON", "jq"],
    "csv": ["sqlite3"],
    "openmetrics": ["prometheus-client"],
}
SUBJECTS: dict[str, Callable[[], Snapshot]] = {
    "the shop": functools.cache(lambda: load(str(RECORDING))),
    "hostile names": functools.cache(hostile),
    "nothing at all": lambda: snapshot(picture()),
}
HELD = snapshot(picture(site(counts=counts(2, 100, freed=3))))


def test_every_format_has_a_reader_here():
    assert list(READERS) == [one.name for one in FORMATS]


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("format_", READERS)
def test_every_format_carries_the_same_totals(format_, name, tmp_path):
    found = list(check.rows(SUBJECTS[name](), [named(format_)], check.CHEAP, tmp_path))
    assert {row.tool: row.verdict for row in found} == dict.fromkeys(READERS[format_], "same")


def test_heaptrack_is_asked_for_calls_but_where_the_file_says_that_one_stands_for_several(
    tmp_path, monkeypatch
):
    whole = check.exported(HELD, named("heaptrack"), tmp_path)
    assert check_heaptrack.totals(whole) == {"bytes": 100, "allocated-blocks": 5}
    monkeypatch.setattr("ebpftrace.export.formats.heaptrack.MOST_FREED", 2)
    cut = check.exported(HELD, named("heaptrack"), tmp_path)
    assert check_heaptrack.totals(cut) == {"bytes": 100}


def torn(format_, folder, old, new):
    """The files of a format in which something is another."""
    files = check.exported(HELD, named(format_), folder)
    for file in set(files.values()):
        made, changes = re.subn(old, new, file.read_bytes())
        assert changes
        file.write_bytes(made)
    return files


@pytest.mark.parametrize(
    "read, format_, old, new, said",
    [
        (definitions.collapsed, "collapsed", rb"\n$", b"", "ends within a line"),
        (definitions.collapsed, "collapsed", rb" ", b"; ", "no stack and number"),
        (definitions.collapsed, "collapsed", rb"(?s)(.+)", rb"\1\1", "a stack twice"),
        (definitions.html, "html", rb'id="data"', b'id="other"', "no data"),
        (definitions.speedscope, "speedscope", rb'"endValue":100', b'"endValue":99', "do not fit"),
        (definitions.speedscope, "speedscope", rb"\[\[0", b"[[7", "a frame that there is not"),
        (definitions.json_, "json", rb"\n$", b"\n\n", "not one line"),
        (definitions.json_, "json", rb'"since_attach_s":[\d.]+', b'"x":NaN', "is no JSON"),
        (check_json.totals, "json", rb'("totals":{"blocks":2,"bytes":)100', rb"\1 99", "in all"),
        (check_csv.totals, "csv", rb"^id,", b"no,", "the columns no,"),
        (check_csv.totals, "csv", rb',2,100,', b',2,many,', "torn rows"),
        (check_csv.totals, "csv", rb',2,100,', b',2,100,,', "columns"),
        (
            check_openmetrics.by_library,
            "openmetrics",
            rb"(_site_outstanding_bytes\{.*\}) 100",
            rb"\1 99",
            "of call sites 99",
        ),
        (check_openmetrics.by_library, "openmetrics", rb"# EOF\n", b"", "EOF"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_its_format_is_defined_is_not_read(
    read, format_, old, new, said, tmp_path
):
    with pytest.raises(Failed, match=said):
        read(torn(format_, tmp_path, old, new))


@pytest.mark.parametrize(
    "part, said", [("location", "a sample is at"), ("function", "a location is of")]
)
def test_a_profile_whose_references_lead_nowhere_is_not_read(part, said, tmp_path):
    files = check.exported(HELD, named("pprof"), tmp_path)
    profile = profile_class().FromString(gzip.decompress(files["bytes"].read_bytes()))
    profile.ClearField(part)
    files["bytes"].write_bytes(gzip.compress(profile.SerializeToString()))
    with pytest.raises(Failed, match=said):
        definitions.pprof(files)
