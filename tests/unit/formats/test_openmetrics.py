"""OpenMetrics, as the strict parser of prometheus_client reads it."""

from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import Selection
from ebpftrace.export.formats.subject import measured
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import Cost, Counts
from ebpftrace.snapshot.loading import load
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.subjects import exported, subject
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import host, snapshot

SHOP = Path(__file__).parents[2] / "recordings/shop.jsonl.gz"
COUNTS = {
    "outstanding_bytes": lambda counts: counts.bytes,
    "outstanding_blocks": lambda counts: counts.blocks,
    "allocated_bytes_total": lambda counts: measured(counts, "allocated-bytes"),
    "allocated_blocks_total": lambda counts: measured(counts, "allocated-blocks"),
    "freed_bytes_total": lambda counts: counts.freed_bytes,
    "freed_blocks_total": lambda counts: counts.freed_blocks,
}


def families(given):
    """All families by name."""
    text = exported("openmetrics", given).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(given, name):
    """Labels and value of all samples of one name."""
    found = [one for family in families(given).values() for one in family.samples]
    return [(one.labels, one.value) for one in found if one.name == f"ebpftrace_{name}"]


def one_value(given, name):
    ((_, value),) = samples(given, name)
    return value


def sums(given, of=""):
    """The sum over all series of each count."""
    return {end: sum(value for _, value in samples(given, of + end)) for end in COUNTS}


def totals(given):
    return {end: value(given.counts) for end, value in COUNTS.items()}


def of(shown, **given):
    return subject(snapshot=snapshot(shown), **given)


def test_a_call_site_is_labelled_by_the_frame_that_is_to_blame():
    stack = (
        frame("operator new(unsigned long)"),
        frame("app::Cache<int>::put(int)", file="/src/cache.cpp", line=42),
        frame("main"),
    )
    given = subject(site(id="1-ab", frames=stack, allocator="malloc", counts=counts(2, 300)))
    assert samples(given, "site_outstanding_bytes")[0] == (
        {
            "id": "1-ab",
            "pid": "42",
            "process": "app",
            "allocator": "malloc",
            "family": "glibc",
            "function": "app::Cache<…>::put",
            "file": "/src/cache.cpp",
            "line": "42",
            "module": "/srv/app",
        },
        300,
    )


def test_a_frame_that_the_user_wants_skipped_is_not_to_blame():
    rules = Rules.standard().with_skipped(["^mine$"])
    given = subject(site(frames=(frame("mine"), frame("main"))), selection=Selection(rules=rules))
    assert samples(given, "site_freed_blocks_total")[0][0]["function"] == "main"


def test_a_site_without_a_stack_has_no_place_in_the_code():
    given = subject(site(id="1-0", frames=(), family=None, allocator=None, complete=False))
    labels, _ = samples(given, "site_outstanding_blocks")[0]
    assert labels == {"id": "1-0", "pid": "42", "process": "app", "family": "unknown"}


@pytest.mark.parametrize("top, ids", [(1, ["b"]), (2, ["b", "c"]), (0, ["b", "c", "a"])])
def test_sites_beyond_the_top_are_one_series_and_sums_are_totals(top, ids):
    sizes = {"a": 10, "b": 70, "c": 20}
    sites = [site(one, id=one, counts=counts(1, size, 3)) for one, size in sizes.items()]
    given = subject(*sites, selection=Selection(top=top))
    shown = samples(given, "site_outstanding_bytes")
    assert [labels["id"] for labels, _ in shown] == [*ids, "others"]
    assert sums(given, "site_") == sums(given) == totals(given)


def test_sites_that_are_too_young_for_the_selection_are_among_the_others():
    old, young = site("old", id="old", oldest_at=1.0), site("new", id="new", oldest_at=11.0)
    given = subject(old, young, selection=Selection(older=10.0))
    shown = samples(given, "site_outstanding_bytes")
    assert [(labels["id"], value) for labels, value in shown] == [("old", 100), ("others", 100)]


def test_sums_of_a_recording_are_its_totals():
    given = subject(snapshot=load(str(SHOP)), selection=Selection(top=3))
    assert given.counts.bytes == 41_696_889
    assert sums(given, "site_") == sums(given) == totals(given)


def test_adopted_blocks_count_as_allocated_and_have_a_family_of_their_own():
    given = subject(site(counts=Counts(5, 500, 2, 200, 1, 40)))
    assert (one_value(given, "adopted_bytes_total"), one_value(given, "adopted_blocks_total")) == (
        40,
        1,
    )
    assert one_value(given, "allocated_bytes_total") == 540
    assert sums(given, "site_") == sums(given) == totals(given)


def test_totals_are_by_process_and_family_of_allocators():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    shown = picture(
        site("f", id="1"),
        site("g", id="2", family="jemalloc"),
        site("h", id="3", slot=Slot(2), pid=Pid(43)),
        site("i", id="4", slot=Slot(2), pid=Pid(43)),
        targets=targets,
    )
    assert samples(of(shown), "outstanding_bytes") == [
        ({"pid": "42", "process": "app", "family": "glibc"}, 100),
        ({"pid": "42", "process": "app", "family": "jemalloc"}, 100),
        ({"pid": "43", "process": "worker", "family": "glibc"}, 200),
    ]


def test_what_has_no_call_site_is_of_the_only_process():
    given = of(picture(site(counts=counts(1, 60)), totals=counts(3, 100)))
    assert samples(given, "outstanding_bytes") == [
        ({"pid": "42", "process": "app", "family": "glibc"}, 60),
        ({"pid": "42", "process": "app", "family": "unknown"}, 40),
    ]
    assert samples(given, "site_outstanding_blocks")[1] == ({"id": "others"}, 2)


def test_of_several_processes_it_is_not_known_which_has_what_has_no_call_site():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    given = of(picture(totals=counts(3, 100), targets=targets))
    assert samples(given, "outstanding_bytes") == [
        ({"process": "unknown", "family": "unknown"}, 100)
    ]


def test_a_program_that_starts_itself_anew_is_one_series():
    targets = (target(ended="exec"), target(slot=Slot(2), rss_bytes=5))
    given = of(picture(site("f", id="1"), site("g", id="2", slot=Slot(2)), targets=targets))
    assert samples(given, "outstanding_bytes") == [
        ({"pid": "42", "process": "app", "family": "glibc"}, 200)
    ]
    assert samples(given, "resident_bytes") == [({"pid": "42", "process": "app"}, 5)]


def test_all_samples_have_the_time_of_the_picture_and_counters_began_at_the_attach():
    shown = picture(site(counts=counts(1, 60)), since_attach_s=12.0)
    moment = shown.time.timestamp()
    found = families(of(shown))
    times = {float(one.timestamp) for family in found.values() for one in family.samples}
    assert times == {moment}
    began = {value for _, value in samples(of(shown), "losses_created")}
    for name in ("allocated_bytes_created", "freed_blocks_created", "watch_start_time_seconds"):
        began.add(one_value(of(shown), name))
    assert began == {round(moment - 12, 3)}


def test_every_family_has_a_help_and_the_unit_in_its_name():
    cost = Cost(1.0, 2.0, 3.0, 4, 5, {"blocks": 6.0})
    found = families(of(picture(site(), cost=cost)))
    assert all(family.documentation for family in found.values())
    units = {name: family.unit for name, family in found.items() if family.type != "info"}
    assert {name.rpartition("_")[2] for name in units if not units[name]} == {
        "losses",
        "ignored",
        "second",
    }


def test_losses_are_counted_by_reason_and_what_cannot_be_detected_is_left_out():
    given = of(picture(losses=Losses({"stack_cut": 3, "filtered": 4})))
    lost = {labels["reason"]: value for labels, value in samples(given, "losses_total")}
    ignored = {labels["reason"]: value for labels, value in samples(given, "ignored_total")}
    assert (lost["stack_cut"], lost["blocks_full"], ignored["filtered"]) == (3, 0, 4)
    assert "filtered" not in lost
    assert "return_missed" not in lost


def test_what_is_suppressed_is_in_figures_of_its_own_only():
    shown = picture(site("known", counts=counts(2, 70)), site("other", counts=counts(1, 30)))
    given = of(shown, selection=Selection(suppressions=suppressions("known")))
    names = ("suppressed_bytes", "suppressed_blocks", "suppressed_sites", "sites")
    assert [one_value(given, name) for name in names] == [70, 2, 1, 1]
    assert sums(given, "site_") == sums(given) == totals(given)
    assert totals(given)["outstanding_bytes"] == 30


def test_what_is_not_known_is_left_out():
    found = families(of(picture(targets=(target(rss_bytes=None),))))
    assert not {
        "ebpftrace_resident_bytes",
        "ebpftrace_tool_cpu_ratio",
        "ebpftrace_map_fill_ratio",
    } & set(found)


def test_the_cost_of_watching_is_in_ratios_and_bytes():
    cost = Cost(9608.1, 0.68, 99.5, 1000, 2000, {"blocks": 4.273})
    given = of(picture(cost=cost))
    names = (
        "probe_hits_per_second",
        "target_cpu_ratio",
        "tool_cpu_ratio",
        "tool_resident_bytes",
        "kernel_bytes",
    )
    assert [one_value(given, name) for name in names] == [9608.1, 0.0068, 0.995, 1000, 2000]
    assert samples(given, "map_fill_ratio") == [({"map": "blocks"}, 0.04273)]


def test_the_tool_the_host_and_the_processes_are_described():
    shown = picture(targets=(target(ended="exited", ended_by="SIGKILL"),), filters=("min 1k",))
    given = subject(snapshot=snapshot(shown, host=host(name="web1")))
    ((about, value),) = samples(given, "snapshot_info")
    assert (about["tool"], about["host"], about["watch"]) == ("ebpftrace 0.1.0", "web1", "a1")
    assert (about["trigger"], about["filters"], value) == ("end", "min 1k", 1)
    ((process, _),) = samples(given, "process_info")
    assert process == {
        "pid": "42",
        "process": "app",
        "exe": "/srv/app",
        "allocators": "glibc",
        "ended": "exited",
        "ended_by": "SIGKILL",
    }


def test_sizes_that_no_float_holds_are_exact():
    text = exported("openmetrics", subject(site(counts=counts(1, (1 << 53) + 1)))).decode()
    assert 'family="glibc"} 9007199254740993 ' in text


def test_names_of_a_hostile_target_come_out_as_they_are():
    names = [f'{clean(name)}\\"}} 1 2\\n#,={{' for name in HOSTILE]
    places = {name: frame(name, file=name, line=1, module=name) for name in names}
    sites = [site(name, id=name, frames=(place,)) for name, place in places.items()]
    given = of(picture(*sites, targets=(target(comm=names[0], exe=names[1]),)))
    shown = [labels for labels, _ in samples(given, "site_outstanding_bytes")][:-1]
    assert sorted(labels["id"] for labels in shown) == sorted(names)
    assert all(labels["file"] == labels["module"] == labels["id"] for labels in shown)
    assert {labels["process"] for labels in shown} == {names[0]}
    assert samples(given, "process_info")[0][0]["exe"] == names[1]
