"""heaptrack's data file, accounted for as its tools do."""

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Cohort, Counts, Point
from ebpftrace.model.snapshot import BlockColumns
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.heaptrack_file import HeaptrackFile, read
from tests.unit.formats.subjects import exported, subject
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import facts, snapshot


def written(*sites, blocks=None, picture_=None, **given) -> HeaptrackFile:
    """`blocks`: site, size, seconds from the attach to the birth."""
    of_snapshot = given.pop("of_snapshot", {})
    if blocks is not None:
        numbers, sizes, born = ([block[n] for block in blocks] for n in range(3))
        born_ns = [int(second * 1e9) for second in born]
        addresses = list(range(len(blocks)))
        columns = BlockColumns(numbers, addresses, sizes, born_ns, addresses)
        of_snapshot["blocks"] = lambda: iter((columns,))
    shown = picture_ or picture(*sites)
    return read(exported("heaptrack", subject(snapshot=snapshot(shown, **of_snapshot), **given)))


def leaked(file: HeaptrackFile) -> dict[str, int]:
    return {stack[0].split()[0]: cost.leaked for stack, cost in file.costs.items()}


def test_a_trace_leads_outward_with_files_and_lines():
    stack = (frame("leak_here", file="/src/a.c", line=7), frame("serve"), frame("main"))
    file = written(site(frames=stack, counts=counts(2, 300)))
    assert list(file.costs) == [("leak_here /src/a.c:7", "serve :0", "main :0")]


def test_what_is_held_is_what_leaked_and_the_peak_and_every_allocation_is_a_call():
    sites = [site("a", counts=counts(3, 1000, freed=40)), site("b", counts=Counts(5, 50, 4, 40))]
    file = written(*sites)
    assert leaked(file) == {"a": 1000, "b": 10}
    assert [cost.calls for cost in file.costs.values()] == [43, 5]
    assert (file.total.leaked, file.peak, file.total.temporary) == (1010, 1010, 0)


def test_adopted_blocks_are_calls():
    file = written(site(counts=Counts(2, 20, 1, 10, 3, 300)))
    assert (file.total.calls, file.total.leaked) == (5, 310)


def test_sizes_are_the_average_where_blocks_are_not_known():
    file = written(site(counts=counts(3, 100)))
    assert sorted(file.total.sizes) == [33, 33, 34]


def test_a_freed_block_that_was_larger_than_all_that_is_held_is_the_peak():
    file = written(site(counts=Counts(2, 5010, 1, 5000)))
    assert (file.peak, file.total.leaked) == (5010, 10)


@pytest.mark.parametrize("freed", [1, 2, 5])
def test_where_nothing_is_held_one_call_counts_as_temporary(freed):
    file = written(site(counts=Counts(freed, 10 * freed, freed, 10 * freed)))
    assert file.total == type(file.total)(freed, 1, 0, [10] * freed)


def test_nothing_at_all_is_a_whole_file():
    file = written(picture_=picture(totals=Counts()))
    assert (file.total.calls, file.peak, file.command) == (0, 0, "/srv/app --port 80")


def test_single_blocks_have_their_sizes_and_moments():
    file = written(
        site("a", counts=counts(2, 110)),
        site("b", counts=counts(1, 7)),
        blocks=[(0, 100, 1.0), (1, 7, 3.5), (0, 10, 7.0)],
    )
    assert file.total.sizes == [100, 7, 10]
    held = [max(size for at, size in file.held_at.items() if at <= ms) for ms in (1100, 3600, 7100)]
    assert held == [100, 107, 117]
    assert leaked(file) == {"a": 110, "b": 7}


def test_a_block_that_is_younger_than_the_picture_counts_at_its_end():
    file = written(site(counts=counts(1, 7)), blocks=[(0, 7, 99.0)])
    assert file.held_at == {12000: 7}


def test_a_site_that_has_gained_blocks_since_the_picture_goes_by_its_counts():
    file = written(site(counts=counts(2, 110)), blocks=[(0, 100, 1), (0, 10, 2), (0, 5, 12)])
    assert sorted(file.total.sizes) == [55, 55]


def test_what_a_site_has_besides_its_single_blocks_is_as_old_as_its_oldest():
    file = written(site(counts=counts(3, 110), oldest_at=2.0), blocks=[(0, 100, 5.0)])
    assert (file.total.sizes, file.total.leaked) == ([5, 5, 100], 110)


def test_blocks_of_sites_that_are_hidden_or_came_later_are_left_out():
    file = written(
        site("known"),
        site("leak_here"),
        blocks=[(0, 100, 1.0), (1, 100, 1.0), (-1, 9, 12.0)],
        selection=Selection(suppressions=suppressions("known")),
    )
    assert leaked(file) == {"leak_here": 100}
    assert any("1 site with 100 B" in comment for comment in file.comments)


def test_without_single_blocks_a_cohort_is_there_when_its_epoch_ends():
    cohorts = (Cohort(2, 1, 60), Cohort(8, 2, 30))
    file = written(site(counts=counts(4, 100), oldest_at=0.0, cohorts=cohorts))
    held = [max(size for at, size in file.held_at.items() if at <= ms) for ms in (20, 3100, 9100)]
    assert held == [10, 70, 100]


def test_cohorts_that_hold_more_than_the_site_are_not_believed():
    file = written(site(counts=counts(2, 100), cohorts=(Cohort(2, 5, 600),)))
    assert file.total.sizes == [50, 50]


def test_of_freed_blocks_without_end_some_stand_for_several_and_it_says_so(monkeypatch):
    monkeypatch.setattr("ebpftrace.export.formats.heaptrack.MOST_FREED", 100)
    file = written(site("a", counts=counts(1, 10, freed=950)), site("b", counts=counts(2, 9)))
    assert (file.total.leaked, file.total.calls) == (19, 3 + 95)
    assert file.command == "/srv/app --port 80  [ebpftrace: one call for 10 freed blocks]"
    assert "Cut: one call for 10 freed blocks." in file.comments


def test_of_held_blocks_without_end_some_are_one_and_the_bytes_stay(monkeypatch):
    monkeypatch.setattr("ebpftrace.export.formats.births.MOST", 10)
    file = written(site("a", counts=counts(95, 1003)), site("b", counts=counts(1, 9)))
    assert leaked(file) == {"a": 1003, "b": 9}
    assert file.total.calls == 10 + 1
    assert file.command.endswith("[ebpftrace: one call for 10 held blocks]")


def test_inlined_functions_are_one_place_with_what_they_are_in():
    stack = (
        frame("inner", inlined=True, file="/a.h", line=1),
        frame("middle", inlined=True, file="/a.h", line=2),
        frame("outer", file="/a.c", line=3),
        frame("main"),
    )
    data = exported("heaptrack", subject(site(frames=stack)))
    (codes,) = {data.count(b"\ni ")}
    assert codes == 2
    assert [*read(data).costs] == [("inner /a.h:1", "middle /a.h:2", "outer /a.c:3", "main :0")]


def test_a_function_is_another_place_where_something_is_inlined():
    outer = frame("outer", file="/a.c", line=3)
    inlined = site("x", frames=(frame("inner", inlined=True), outer))
    assert [*written(inlined, site("y", frames=(outer,))).costs] == [
        ("inner :0", "outer /a.c:3"),
        ("outer /a.c:3",),
    ]


def test_of_several_processes_each_is_shown_as_main_would_hide_it():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    stack = (frame("f"), frame("main"))
    sites = (site("f", frames=stack), site("g", frames=stack, slot=Slot(2), pid=Pid(43)))
    processes = (facts(), facts(command_line=("worker",)))
    shown = picture(*sites, targets=targets)
    file = written(picture_=shown, of_snapshot={"processes": processes})
    assert [stack[1:] for stack in file.costs] == [
        ("main() :0", "app (pid 42) :0"),
        ("main() :0", "worker (pid 43) :0"),
    ]
    assert file.command == "/srv/app --port 80; worker"


def test_what_is_held_without_a_call_site_is_there():
    file = written(picture_=picture(site(counts=counts(1, 60)), totals=counts(3, 100)))
    assert leaked(file) == {"leak_here": 60, "[call": 40}
    assert file.total.calls == 3


def test_stacks_that_end_early_or_were_not_kept_say_so():
    early = site("a", complete=False, frames=(frame("f"),))
    none = site("b", stack=0, frames=(), complete=False)
    assert [*written(early, none).costs] == [
        ("f :0", "[the stack ends early] :0"),
        ("[stack not kept] :0",),
    ]


def test_resident_memory_is_in_pages_where_it_is_known():
    history = (Point(1.0, 0, 8 << 20), Point(2.0, 0, None), Point(3.0, 0, 10 << 20))
    shown = picture(site(), targets=(target(rss_bytes=4 << 20),))
    file = written(picture_=shown, of_snapshot={"history": history})
    assert file.pages == [2048, 2560, 1024]


@pytest.mark.parametrize("name", [*map(clean, HOSTILE), "# a", "t 1 0", "s ", " ", "a;b", "ü" * 9])
def test_names_of_any_kind_are_what_they_are(name):
    hostile = frame(name, file=name, line=3, module=name)
    processes = (facts(command_line=(name,)),)
    file = written(
        site(frames=(hostile, frame("main"))), of_snapshot={"processes": processes}, file=name
    )
    assert [*file.costs] == [(f"{name} {name}:3", "main :0")]
    assert file.command == name
