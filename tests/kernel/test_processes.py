"""Which process a block belongs to: fork, vfork, exec, a leader that exits, static executables."""

import pytest

from tests.kernel.harness import TIME_SCALE, Tracer, Workload, backends
from tests.kernel.pictures import Picture


def assert_counts(
    picture: Picture, allocated: tuple[int, int], freed: tuple[int, int], held: tuple[int, int]
) -> None:
    assert (picture.allocated, picture.freed, picture.held) == (allocated, freed, held)
    assert picture.faults == {}


def test_a_forked_child_changes_nothing_in_its_parents_picture_and_runs_at_its_bare_speed():
    with Workload("fork_child") as target, Tracer(target) as tracer:
        target.phases()
        ended = tracer.finish()
    assert_counts(ended.final, (100, 6400), (40, 2560), (60, 3840))
    assert ended.final.sites_in("child_blocks") == []
    _, bare_ns, _, child_ns = target.said[0].split()
    assert float(child_ns) < 10 * float(bare_ns)


@pytest.mark.parametrize("how", ["vfork", "clone"])
def test_what_a_child_that_shares_memory_mallocs_belongs_to_its_parents_heap(how: str):
    args = ["clone"] if how == "clone" else []
    perf = ("--backend", "perf")
    with Workload("vfork_child", *args) as target, Tracer(target, options=perf) as tracer:
        target.phases()
        ended = tracer.finish()
    assert_counts(ended.final, (100, 6400), (40, 2560), (60, 3840))
    assert ended.final.site("child_blocks").held == (60, 3840)


@pytest.mark.parametrize("how", ["vfork", "clone"])
def test_a_short_child_that_shares_memory_is_counted_where_links_do_not_see_it(how: str):
    if not set(backends()) - {"perf"}:
        pytest.skip("this kernel has no links of many uprobes")
    args = ["clone"] if how == "clone" else []
    links = ("--backend", backends()[0])
    with Workload("vfork_child", *args) as target, Tracer(target, options=links) as tracer:
        target.phases()
        ended = tracer.finish()
    assert ended.final.loss("shared_vm_child") == 1
    assert ended.final.loss("unmatched_free") == 40
    assert ended.final.held == (0, 0)


def test_an_exec_takes_a_new_slot_and_the_old_picture_is_kept():
    with Workload("exec_self") as target, Tracer(target) as tracer:
        before = tracer.first.targets[0]["slot"]
        target.phases()
        tracer.settled()
        target.go()
        target.expect("ready")
        armed = tracer.until(
            lambda picture: any(
                each["alive"] and each["slot"] not in (None, before) for each in picture.targets
            )
        )
        assert {each["pid"] for each in armed.targets} == {target.pid}
        target.phases()
        ended = tracer.finish()
    assert ended.final.site("leak_after_exec").held == (20, 4000)
    assert ended.final.site("leak_before_exec").allocated == (10, 1000)
    assert ended.final.faults == {}


def test_a_process_whose_leader_has_exited_can_be_attached_to():
    with Workload("leader_exits", "before") as target, Tracer(target) as tracer:
        target.phases(2)
        ended = tracer.finish()
    assert_counts(ended.final, (200, 12_800), (100, 6400), (100, 6400))
    assert ended.status == 0


def test_tracing_goes_on_when_the_leader_exits():
    with Workload("leader_exits", "later") as target, Tracer(target) as tracer:
        target.phases(2)
        after = tracer.settled()
        assert after.targets[0]["alive"], "the process lives, only its first thread is gone"
        target.phases(3)
        ended = tracer.finish()
    final = ended.final
    assert final.allocated == (400, 25_600)
    assert (final.freed, final.held) == ((200, 12_800), (200, 12_800))
    # While the probes move to another thread none is in place: a tracer that cannot know whether it
    # missed something has to say so, though here nothing was there to be missed.
    assert set(final.faults) <= {"probe_missed"}


def test_a_static_executable_is_traced():
    with Workload("static_prog") as target, Tracer(target) as tracer:
        target.phases(2)
        ended = tracer.finish()
    assert_counts(ended.final, (20, 2000), (10, 1000), (10, 1000))
    assert ended.final.site("leak_static").held == (10, 1000)


def test_a_process_that_has_not_allocated_yet_shows_zeros():
    with Workload("family", "stay") as target, Tracer(target) as tracer:
        ended = tracer.finish()
    assert_counts(ended.final, (0, 0), (0, 0), (0, 0))
    assert ended.final.raw["sites"] == []


def test_a_pid_given_twice_counts_once_with_a_note():
    with Workload("big_and_strdup") as target, Tracer(target, target) as tracer:
        target.phases()
        ended = tracer.finish()
    assert len(ended.final.targets) == 1
    assert ended.final.held == (1, 300_000)
    assert ended.status == 0
    assert str(target.pid) in ended.stderr


def test_a_leaking_server_shows_its_leaks_by_name():
    with (
        Workload("leaking_server", "--wait", "--requests", 2000) as target,
        Tracer(target) as tracer,
    ):
        target.phases()
        ended = tracer.finish()
    final = ended.final
    assert final.held_in("session_create") == (2000, 2000 * 512)
    assert final.held_in("log_format") == (320, 64_000)
    assert final.held_in("cache_insert") == (1024, 1024 * 1024)
    assert final.held_in("parse_headers") == (0, 0)
    assert final.sites_in("session_create")[0].functions[:3] == [
        "session_create",
        "authenticate",
        "handle_request",
    ]
    assert final.faults == {}


def test_the_first_picture_comes_at_once():
    # A picture is owed as soon as the probes are armed, not an interval later.
    with Workload("family", "stay") as target, Tracer(target, interval=3600) as tracer:
        assert tracer.first.raw["since_attach_s"] < 5 * TIME_SCALE
        assert not tracer.first.final
        assert tracer.finish().status == 0


@pytest.mark.oldkernel
@pytest.mark.parametrize("backend", ["auto", "perf"])
def test_a_process_under_a_strict_filter_lives_through_its_probes(backend: str):
    options = ("--backend", backend)
    with Workload("seccomp") as target, Tracer(target, options=options) as tracer:
        target.phases(2)
        picture = tracer.settled()
        assert target.process.poll() is None
        tracer.finish()
        target.phases()
    assert picture.site("under_filter").held == (200, 12_800)


def test_a_child_that_stays_in_the_memory_is_followed_from_then_on():
    best = ("--backend", backends()[0])
    with Workload("late_clone") as target, Tracer(target, options=best) as tracer:
        target.phases()
        picture = tracer.settled()
    assert_counts(picture, (100, 6400), (40, 2560), (60, 3840))
    assert picture.targets[0]["backend"] == "perf"
    assert picture.loss("shared_vm_child") == (0 if backends() == ("perf",) else 1)


def test_a_process_whose_memory_a_child_shares_already_is_held_by_perf_events():
    with Workload("clone_vm") as target, Tracer(target) as tracer:
        assert tracer.first.targets[0]["backend"] == "perf"
        tracer.finish()
