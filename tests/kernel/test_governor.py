"""What `--mode auto` chooses, and what becomes of the numbers when that changes.

The known answers are in tests/workloads/rates.c.
"""

import time
from contextlib import closing

import pytest

from ebpftrace.model.modes import GROWTH
from ebpftrace.model.picture import Picture
from ebpftrace.session import governing
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import prepare
from ebpftrace.session.session import Session
from ebpftrace.target.process import Process
from tests.kernel.harness import Tracer, Workload, probed_text, run_tool, wait_until

# The compiler runs in a fork of a process that has the harness's reader threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

FAST = 400_000  # every free of them alone is over the budget


def opened(target: Workload, **options: object) -> Session:
    prepared = prepare(CaptureOptions(interval=0.25, mode="auto", **options))  # type: ignore[arg-type]
    return Session.open([Process.open(target.pid)], prepared, print)


def until(session: Session, mode: str) -> Picture:
    wait_until(lambda: session.latest().mode == mode, f"mode {mode}")
    return session.latest()


def held(picture: Picture, function: str) -> tuple[int, int]:
    """Blocks and bytes of the sites of that function."""
    those = [
        one for one in picture.sites if function in [frame.function for frame in one.at.frames]
    ]
    return sum(one.counts.blocks for one in those), sum(one.counts.bytes for one in those)


def test_the_budget_decides_and_decides_again_when_the_rate_changes():
    options = ("--top", 0, "--mode", "auto", "--budget", "5%")
    paces = (200, 20_000, 200)
    with Workload("rates", *paces) as target, Tracer(target, options=options) as tracer:
        assert tracer.first.raw["mode"] == "full"
        target.go()
        time.sleep(1)
        assert tracer.settled().raw["mode"] == "full"
        target.phases()
        fast = tracer.until(lambda picture: picture.raw["mode"] == "sample")
        target.phases()
        tracer.until(lambda picture: picture.raw["mode"] == "full")
        ended = tracer.finish()
    (down,) = fast.raw["mode_changes"]
    assert down["why"].startswith("full costs ")
    assert down["why"].endswith(" % of a CPU, the budget is 5 %")
    changes = ended.final.raw["mode_changes"]
    assert (changes[0]["mode"], changes[-1]["mode"]) == ("sample", "full")
    assert ended.final.faults == {}


def test_what_is_too_fast_for_any_probe_is_watched_by_its_page_faults_from_the_start():
    options = ("--top", 0, "--mode", "auto", "--budget", "0.5")
    with Workload("rates", FAST) as target:
        target.go()
        with Tracer(target, options=options) as tracer:
            first = tracer.first.raw
            assert first["mode"] == "growth"
            (change,) = first["mode_changes"]
            assert change["at_s"] == 0
            assert change["why"].startswith("full would cost ")
            assert change["why"].endswith("the numbers began anew")
            assert first["cost"]["forecast_percent"]["growth"] > 0
            tracer.until(lambda picture: any("leak_large" in s.functions for s in picture.sites))
            final = tracer.finish().final
        assert probed_text(target.pid) == []
    assert final.faults == {}


def test_down_to_growth_and_up_again_all_numbers_begin_anew():
    """What is counted after the last change is exact again."""
    with (
        Workload("rates", 200, FAST, 0, 1000, 0) as target,
        closing(opened(target, budget_percent=0.5)) as session,
    ):
        before = session.latest()
        assert before.mode == "full"
        target.go()
        time.sleep(1)
        target.phases()
        grown = until(session, "growth")
        assert grown.watch != before.watch
        assert grown.since_attach_s < 10
        assert [change.level for change in grown.mode_changes] == [GROWTH]
        assert grown.losses["call_lost"] == 0  # of one that was under way
        assert not list(session.block_columns(before))  # that watch is over
        target.phases()
        session.want("full", None)
        full = until(session, "full")
        assert full.watch not in (grown.watch, before.watch)
        assert held(full, "leak_small") == (0, 0)
        target.said.clear()
        target.phases()
        counted_before = {line.split()[0]: int(line.split()[1]) for line in target.said}
        time.sleep(2)
        target.said.clear()
        target.phases()
        counted = {line.split()[0]: int(line.split()[1]) for line in target.said}
        final = session.stop()
    kept = counted["leak_small"] - counted_before["leak_small"]
    assert kept > 100
    assert held(final, "leak_small") == (kept, 32 * kept)
    assert final.losses["call_lost"] == 0
    assert final.losses["probe_missed"] == 0


def test_a_watch_that_grows_goes_back_to_allocations_when_these_become_few(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(governing, "_ANEW_CALM_S", 10.0)
    with (
        Workload("rates", FAST, 100) as target,
        closing(opened(target, budget_percent=2.0)) as session,
    ):
        target.go()
        until(session, "growth")
        target.phases()
        full = until(session, "full")
        assert full.mode_changes[-1].why.startswith("full would cost ")
        assert full.cost.forecast_percent["full"] < 2.0


def test_a_block_from_before_the_attach_is_that_where_the_budget_allows_all():
    with Workload("pre_attach") as target, Tracer(target, options=("--mode", "auto")) as tracer:
        target.phases()
        final = tracer.finish().final
    assert (final.raw["mode"], final.raw["mode_changes"]) == ("full", [])
    assert (final.loss("unmatched_free"), final.loss("unrecorded_free")) == (1, 0)


def test_without_a_budget_every_birth_is_recorded():
    options = ("--mode", "auto", "--budget", "none")
    with Workload("rates", 20_000) as target, Tracer(target, options=options) as tracer:
        target.go()
        time.sleep(2)
        final = tracer.finish().final
    assert (final.raw["mode"], final.raw["mode_changes"]) == ("full", [])
    assert final.raw["totals"]["error_bytes"] is None


@pytest.mark.parametrize("mode", ["sample", "auto"])
def test_a_program_that_is_started_is_not_sampled(mode: str):
    ran = run_tool("run", "--mode", mode, "--", "true")
    assert ran.returncode == 2
    assert "run watches every allocation" in ran.stderr
