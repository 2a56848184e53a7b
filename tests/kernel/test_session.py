"""The capture half in this process: its fall-backs give the same totals, blocks are read on request,
ended slots are swept, nothing stays open."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ebpftrace.drain import sweep
from ebpftrace.kernel import features
from ebpftrace.model.epochs import start_of
from ebpftrace.model.picture import Picture
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import prepare
from ebpftrace.session.session import Session
from ebpftrace.target.process import Process
from tests.kernel.harness import Workload, probed_text, wait_until

# The compiler runs in a fork of a process that has the harness's reader threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@contextmanager
def watching(*targets: Workload, interval: float = 0.2, **options: Any) -> Iterator[Session]:
    processes = [Process.open(target.pid) for target in targets]
    capture = CaptureOptions(interval=interval, **options)
    session = Session.open(processes, prepare(capture), warn=lambda sentence: None)
    try:
        yield session
    finally:
        session.close()


def settled(session: Session) -> Picture:
    """A picture that was drawn after this call began."""
    seen = session.after(session.latest(), 10.0)
    after = session.after(seen, 10.0)
    assert after is not None
    return after


def test_an_exec_before_the_probes_are_placed_is_an_exec_like_any_other():
    with Workload("exec_self") as target:
        opened = Process.open(target.pid)
        target.phases()
        target.go()
        target.expect("ready")
        session = Session.open([opened], prepare(CaptureOptions(interval=0.2)), warn=print)
        try:
            target.phases()
            final = session.stop()
        finally:
            session.close()
    assert [each.ended for each in final.targets] == ["exec", None]
    assert (final.totals.blocks, final.totals.bytes) == (20, 4000)
    assert final.sites[0].at.frames[0].function == "leak_after_exec"


TRIALS: dict[str, dict[str, bool]] = {
    "cookies and maps on demand": {},
    "a copy of the program for each probe": {"attach_cookies": False},
    "preallocated maps": {"maps_on_demand": False},
}


@pytest.mark.parametrize("trial", TRIALS)
def test_every_way_of_loading_gives_the_same_exact_totals(
    trial: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for feature, there in TRIALS[trial].items():
        monkeypatch.setattr(features, feature, lambda there=there: there)
    options: dict[str, Any] = {"max_blocks": 10_000, "backend": "perf"}
    with Workload("threads", 4, 4000) as target, watching(target, **options) as session:
        target.phases()
        final = session.stop()
    assert final.heap.allocated_blocks == final.heap.freed_blocks == 16_000
    assert final.heap.bytes == 0
    assert final.losses.faults() == []


def test_the_blocks_of_a_site_are_read_with_address_size_age_and_thread() -> None:
    with Workload("many_sites", 10, 3) as target, watching(target) as session:
        target.phases()
        picture = settled(session)
        assert len(picture.sites) == 10
        blocks = session.blocks(picture.sites[0])
        assert blocks is not None
        assert (blocks.blocks, blocks.bytes) == (3, 192)
        assert blocks.sizes == ((64, 3, 192),)
        assert {block.size for block in blocks.last} == {64}
        assert {block.thread for block in blocks.last} == {target.pid}
        ages = [block.age_s for block in blocks.last]
        assert ages == sorted(ages)
        assert 0 <= ages[0] <= ages[-1] < 60
        mappings = Process.open(target.pid)
        inside = [m for m in mappings.maps() if m.start <= blocks.last[0].address < m.end]
        mappings.close()
        assert inside
        two = session.blocks(picture.sites[0], last=2)
        assert two is not None
        assert len(two.last) == 2
        earlier = picture.sites[0]  # the same slot, but of the program that had it before
        earlier = earlier._replace(at=earlier.at._replace(id=earlier.at.id.replace("1-", "7-", 1)))
        assert session.blocks(earlier) is None


def test_a_site_has_a_cohort_for_each_epoch_in_which_what_it_holds_was_born() -> None:
    with Workload("many_sites", 10, 3) as target, watching(target) as session:
        target.phases()
        time.sleep(1.1)  # epochs are a second long in the first minute
        target.phases()
        picture = settled(session)
    assert len(picture.sites) == 10
    for site in picture.sites:
        assert [(one.blocks, one.bytes, one.adopted_bytes) for one in site.cohorts] in (
            [(3, 192, 0)] * 2,
            [(3, 192, 0), (2, 128, 0), (1, 64, 0)],
        )
        assert site.oldest_at == start_of(site.cohorts[0].epoch)


def test_the_maps_of_an_ended_target_are_swept_while_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "KEPT_S", 0.2)
    with (
        Workload("many_sites", 20, 5) as ends,
        Workload("many_sites", 10, 5) as stays,
        watching(ends, stays) as session,
    ):
        ends.phases()
        stays.phases()
        assert settled(session).totals.blocks == 150
        ends.leave()

        def left() -> int:
            return sum(len(keys) // 8 for keys, _ in session._watch._tracer.blocks.batches())

        wait_until(lambda: left() == 50, "the ended target's blocks to be swept")
        picture = settled(session)
        assert picture.totals.blocks == 150  # its last figures stay
        assert [target.ended for target in picture.targets] == ["exited", None]
        stays.phases()
        assert settled(session).totals.blocks == 200


def test_a_closed_session_leaves_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Workload("many_sites", 10, 1) as target:
        inside = len(os.listdir("/proc/self/fd"))
        with watching(target) as session:
            target.phases()
            session.stop()
        assert len(os.listdir("/proc/self/fd")) == inside
    assert len(os.listdir("/proc/self/fd")) == before


STEPS = (
    "planning",
    "planning",
    "compiling",
    "measuring",
    "placing",
    "placing",
    "measuring",
    "learning",
)


class GivenUp(Exception):
    pass


@pytest.mark.parametrize("last", range(len(STEPS)))
def test_giving_up_at_any_step_undoes_what_was_done(last: int) -> None:
    told: list[str] = []

    def step(words: str) -> None:
        told.append(words.split(maxsplit=1)[0])
        if len(told) > last:
            raise GivenUp

    with Workload("many_sites", 10, 1) as one, Workload("many_sites", 10, 1) as two:
        before = sorted(os.listdir("/proc/self/fd"))
        processes = [Process.open(target.pid) for target in (one, two)]
        prepared = prepare(CaptureOptions())
        with pytest.raises(GivenUp):
            Session.open(processes, prepared, print, step)
        assert tuple(told) == STEPS[: last + 1]
        assert sorted(os.listdir("/proc/self/fd")) == before
        assert probed_text(one.pid) == probed_text(two.pid) == []
        assert prepared.worker.ended()


def test_a_poll_in_which_nothing_happened_draws_the_same_sites_again() -> None:
    with Workload("many_sites", 10, 1) as target, watching(target) as session:
        target.phases()
        wait_until(lambda: settled(session).sites[0].growth == 0, "growth to settle", 30)
        first, second = settled(session), settled(session)
        assert first is not second
        assert all(a is b for a, b in zip(first.sites, second.sites, strict=True))
