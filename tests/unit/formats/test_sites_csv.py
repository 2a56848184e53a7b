"""A table of call sites, as Python's csv and sqlite3 read it."""

import csv
import io

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.export.formats.sites_csv import COLUMNS, safe
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Cohort, Counts
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.subjects import exported, subject
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import snapshot


def rows(given):
    text = exported("csv", given).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def row(**given):
    (only,) = rows(subject(site(**given)))
    return only


def of(shown, **given):
    return subject(snapshot=snapshot(shown), **given)


def test_a_row_has_a_cell_for_every_column_in_raw_numbers():
    stack = (
        frame("operator new"),
        frame("serve", file="/src/s.c", line=42),
        frame(None, offset=0x10),
    )
    held = Counts(9, 5000, 4, 1000, 1, 96)
    assert row(id="1-7", frames=stack, counts=held, oldest_at=3.0, growth=12.34) == {
        "id": "1-7",
        "pid": "42",
        "process": "app",
        "family": "glibc",
        "allocator": "malloc",
        "blocks": "6",
        "bytes": "4096",
        "allocated_blocks": "9",
        "allocated_bytes": "5000",
        "freed_blocks": "4",
        "freed_bytes": "1000",
        "adopted_blocks": "1",
        "adopted_bytes": "96",
        "oldest_s": "9.0",
        "growth_bytes_per_s": "12.3",
        "trend": "",
        "function": "serve",
        "file": "/src/s.c",
        "line": "42",
        "module": "/srv/app",
        "stack": "operator new [/srv/app] <- serve /src/s.c:42 <- 0x10 [/srv/app]",
    }


def test_what_is_not_known_is_empty():
    found = row(oldest_at=None, growth=None, family=None, allocator=None)
    unknown = [name for name, cell in found.items() if not cell]
    assert unknown == [
        *("family", "allocator", "oldest_s", "growth_bytes_per_s", "trend", "file", "line"),
    ]


def test_the_trend_is_a_word():
    cohorts = tuple(Cohort(epoch, 1, 100) for epoch in range(60))
    leaking = site(counts=counts(60, 6000), cohorts=cohorts)
    assert rows(of(picture(leaking, since_attach_s=60.0)))[0]["trend"] == "growing"


def test_columns_sum_up_to_the_totals_with_a_row_for_what_has_no_call_site():
    shown = picture(
        site("a", id="1-1", counts=counts(1, 60, freed=5)),
        site("b", id="1-2", counts=counts(2, 70)),
        totals=Counts(20, 900, 7, 300, 1, 8),
    )
    found = rows(of(shown))
    assert [one["id"] for one in found] == ["1-2", "1-1", ""]
    assert found[-1]["function"] == found[-1]["stack"] == "[call sites that were not recorded]"
    for name in ("blocks", "bytes", *Counts._fields):
        assert sum(int(one[name]) for one in found) == getattr(shown.totals, name)


def test_what_is_suppressed_is_in_no_row():
    hiding = Selection(suppressions=suppressions("known"))
    given = subject(site("known", id="1-1"), site("leak", id="1-2"), selection=hiding)
    assert [one["function"] for one in rows(given)] == ["leak"]


def test_a_stack_that_ends_early_and_one_that_was_not_kept_say_so():
    early = site("a", id="1-1", complete=False, frames=(frame("f", module=None),))
    none = site("b", id="1-2", stack=0, frames=(), complete=False)
    found = rows(subject(early, none))
    assert [(one["function"], one["stack"]) for one in found] == [
        ("f", "f <- [the stack ends early]"),
        ("[stack not kept]", "[stack not kept]"),
    ]


def test_of_several_processes_each_row_names_one_and_equal_stacks_are_equal():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    shown = picture(
        site("f", id="1-1"), site("f", id="2-1", slot=Slot(2), pid=Pid(43)), targets=targets
    )
    found = rows(of(shown))
    assert [(one["pid"], one["process"]) for one in found] == [("42", "app"), ("43", "worker")]
    assert {one["stack"] for one in found} == {"f [/srv/app]"}


@pytest.mark.parametrize("name", [*HOSTILE, '"', '",', 'a"b","c', "a, b", "'", "\\", "</script>"])
def test_the_syntax_of_the_table_in_a_name_is_part_of_the_name(name):
    name = clean(name)
    odd = frame(name, file=f"/{name}.c", line=3, module=f"/{name}.so")
    shown = picture(site(id="1-7", frames=(odd, frame("main"))), targets=(target(comm=name),))
    text = exported("csv", of(shown)).decode()
    assert text.count("\n") == 2
    (found,) = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    assert len(found) == len(COLUMNS)
    assert (found["process"], found["function"], found["file"], found["module"]) == (
        name,
        name,
        f"/{name}.c",
        f"/{name}.so",
    )
    assert found["stack"] == f"{name} /{name}.c:3 <- main [/srv/app]"
    assert found["bytes"] == "100"


def test_what_divides_a_stack_is_no_part_of_a_name():
    assert row(frames=(frame("a <- b", module=None),))["stack"] == "a · b"


FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-[Pool take]", "@SUM(1)", " =1", '"=1', "\uff1d1"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_name_is_a_formula_to_a_spreadsheet(formula):
    odd = frame(formula, file=formula, module=formula)
    shown = picture(
        site(id=formula, family=formula, allocator=formula, frames=(odd,)),
        targets=(target(comm=formula),),
    )
    (found,) = rows(of(shown))
    for column in ("id", "process", "family", "allocator", "function", "file", "module"):
        assert found[column] == "'" + formula
    assert found["stack"].startswith("'")


@pytest.mark.parametrize("formula", FORMULAS)
def test_nor_is_what_is_behind_a_semicolon_where_that_divides_cells(formula):
    assert safe(f"a;{formula}") == f"a;'{formula}"
    assert f";{formula}" not in row(frames=(frame(f"a;{formula}"),))["stack"]


@pytest.mark.parametrize("name", ["operator-", "a=b", "x@plt", "std::a<b; c>", "~T", "0x12"])
def test_other_names_stay_as_they_are(name):
    assert row(frames=(frame(name),))["function"] == name
