"""Programs watched from their first allocation: counts to the block, through exec, fork and threads."""

from pathlib import Path

import pytest

from tests.kernel.harness import TIME_SCALE, backends, workload
from tests.kernel.running import (
    DROPPED,
    HELD,
    IN_CONSTRUCTOR,
    IN_LIBRARY,
    IN_PRELOADED,
    IN_THREAD,
    KEPT,
    held,
    refused,
    run,
    starts,
)
from tests.kernel.stacks import assert_leads_to_its_start, assert_whole
from tests.kernel.test_trace_log import Replayed, replayed


@pytest.mark.oldkernel
def test_constructors_are_counted_from_the_first_allocation_with_whole_stacks():
    ran = run("env", f"LD_PRELOAD={workload('libearly.so')}", starts(), "say", "word", "exit", "4")
    assert ran.status == 4
    assert ran.lost == {}
    assert "word" in ran.stderr.splitlines()
    assert [name for name, _ in ran.programs] == ["env", "starts"]
    final = ran.final
    expected = {
        "in_preloaded": IN_PRELOADED,
        "in_library": IN_LIBRARY,
        "in_constructor": IN_CONSTRUCTOR,
        "keep": KEPT,
    }
    assert {name: final.held_in(name) for name in expected} == expected
    assert final.site("drop").freed == DROPPED
    assert held(ran.exit["counts"]) == (18 + 7, 1940 + 2100)
    assert_whole(final.site("in_constructor"), "in_constructor", "construct")
    assert_whole(final.site("keep"), "keep", "main")
    for early in ("in_library", "in_preloaded"):
        assert_whole(final.site(early), early, "construct", start=None)
    for site in final.sites:
        assert_leads_to_its_start(site, start=None)


def test_a_program_of_some_milliseconds_has_whole_stacks_though_its_frames_are_large():
    ran = run(starts(), "deep")
    assert ran.status == 0
    assert ran.lost == {}
    deep = ran.final.sites_in("deep")
    depths = sorted(site.functions.count("deep") for site in deep)
    assert depths == [1, 2, 3, 4, 5, 6]
    for site in deep:
        assert site.held == (1, 16)
        assert_whole(site, *["deep"] * site.functions.count("deep"), "main")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Becomes env, the program, the same program again, a static one, and it once more."""
    path = tmp_path_factory.mktemp("script") / "chain"
    one, other = starts(), starts("starts_static")
    chain = f"env {one} exec {one} exec {other} exec {one} exit 6"
    path.write_text(f"#!/bin/sh\nexec {chain}\n")
    path.chmod(0o755)
    return path


def test_each_program_of_a_chain_is_followed_and_the_last_one_counts(script: Path, tmp_path: Path):
    log = tmp_path / "log"
    threshold = ("--error-exitcode", 9, "--threshold", HELD[1])
    ran = run(script, options=("--trace-log", log, *threshold))
    assert ran.status == 6  # it holds as much as it may
    assert ran.lost == {}
    names = [name for name, _ in ran.programs]
    assert names == ["chain", "env", "starts", "starts", "starts_static", "starts"]
    assert [what for name, what in ran.programs if name == "starts"] == [HELD] * 3
    targets = ran.final.targets
    assert [each["ended"] for each in targets] == [*["exec"] * 5, "exited"]
    for site in ran.final.sites:
        assert_leads_to_its_start(site, start=None)
    told = None
    # Each has a log of its own that can be replayed to what it held, those without a call aside.
    for number, (_, what) in enumerate(ran.programs, 1):
        lines = (log if number == 1 else Path(f"{log}.{number}")).read_text().splitlines()
        told = replayed(lines)
        assert (told.blocks, told.bytes, told.wrong) == (*what, 0)
    assert told == Replayed(*HELD, HELD[0] + DROPPED[0], DROPPED[0], 0)


def test_a_static_program_without_names_is_refused_before_it_has_run(tmp_path: Path):
    made = tmp_path / "made"
    status, said = refused(starts("starts_static_stripped"), "make", made)
    assert status == 3
    assert "It was ended before it had run anything." in said
    assert not made.exists()


def test_what_cannot_be_watched_after_an_exec_runs_and_is_no_check_that_was_passed(tmp_path: Path):
    made = tmp_path / "made"
    command = (starts(), "exec", starts("starts_static_stripped"), "make", made)
    ran = run(*command, options=("--error-exitcode", 9, "--threshold", "1G"))
    assert ran.status == 3
    assert made.exists()
    assert "Not traced after its exec" in ran.stderr
    assert (ran.exit["comm"], ran.exit["ended"]) == ("starts", "exec")


def test_where_a_loss_may_hide_blocks_it_is_no_check_that_was_passed():
    ran = run(starts(), options=("--max-blocks", 12, "--error-exitcode", 9, "--threshold", "1G"))
    assert ran.status == 3
    assert ran.exit["hidden_by"].keys() == {"blocks_full"}
    assert ran.exit["hidden_by"]["blocks_full"] == ran.lost["blocks_full"]
    assert "no check that was passed" in ran.stderr


def test_children_are_not_counted_and_nothing_is_freed_that_is_unknown():
    ran = run(starts(), "fork", "vfork", "spawn", "threads", 4, 3000, "close", "exit", 7)
    assert ran.status == 7
    # It is not held for a rule that is missing once it has threads: their first stacks may be cut.
    assert ran.lost.keys() <= {"stack_cut"}
    assert ran.lost.get("stack_cut", 0) < 100
    assert ran.exit["children"] == 3
    final = ran.final
    freed = [site.freed for site in final.sites_in("pair")]
    assert tuple(map(sum, zip(*freed, strict=True))) == (4 * 3000, 4 * 3000 * 48)
    assert final.held_in("pair") == (0, 0)
    assert final.held_in("in_thread") == (4, 4 * 24)
    assert final.sites_in("in_child") == []
    assert final.held_in("keep") == KEPT


def test_exceptions_in_a_constructor_reach_who_catches_them():
    ran = run(starts("starts_throws"))
    assert ran.status == 3
    assert ran.lost == {}
    assert ran.final.held_in("caught()") == (50, 2000)
    assert ran.final.held_in("between(int)") == (0, 0)
    assert ran.exit["counts"]["freed_blocks"] == 3 * 50  # each exception, its text, and a block


def test_a_program_whose_first_thread_ends_is_watched_to_its_end():
    ran = run(starts(), "leave", 500 * TIME_SCALE)
    assert ran.status == 5
    assert ran.exit["ended_by"] == "status 5"
    assert ran.final.site("in_thread", "malloc").held == IN_THREAD
    assert ran.final.held_in("keep") == KEPT
    assert set(ran.lost) <= {"probe_missed"}  # while the probes move to the other thread


def test_what_it_does_before_the_probes_have_moved_is_counted_or_said_to_be_missed():
    ran = run(starts(), "leave", 0)
    assert ran.status == 5
    assert ran.final.held_in("keep") == KEPT
    if ran.final.held_in("in_thread") != IN_THREAD:
        assert ran.final.loss("probe_missed") >= 1
        assert ran.final.targets[0]["blind_s"] > 0


ENDS = {9: "SIGKILL", 11: "SIGSEGV", 6: "SIGABRT"}


# Each with another back end, as far as this kernel has so many.
KILLED = list(zip(ENDS, (*backends(), *backends()[:1] * 2), strict=False))


@pytest.mark.parametrize("number, backend", KILLED)
def test_a_program_that_is_killed_is_counted_to_its_end_by_every_back_end(
    number: int, backend: str
):
    ran = run(starts(), "signal", number, options=("--backend", backend))
    assert ran.status == 128 + number
    assert ran.exit["ended_by"] == ENDS[number]
    assert ran.final.targets[0]["backend"] == backend
    assert ran.lost == {}
    assert held(ran.exit["counts"]) == HELD
    assert ran.exit["counts"]["freed_blocks"] == DROPPED[0]


def test_it_has_the_rights_of_its_user_and_our_input(tmp_path: Path):
    given = tmp_path / "given"
    given.write_text("a line\nanother\n")
    with given.open() as file:
        command = ("sh", "-c", "id -un; id -Gn; exec cat")
        ran = run(*command, options=("--user", "nobody"), stdin=file)
    assert ran.status == 0
    # Its own lines are whole: what we say on stderr comes between lines, not within.
    lines = ran.stderr.splitlines()
    assert [line for line in lines if line in ("nobody", "nogroup", "a line", "another")] == [
        *("nobody", "nogroup"),
        *("a line", "another"),
    ]
    assert ran.exit["children"] == 2
