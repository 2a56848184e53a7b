"""Births in windows of time, deaths all of them: what is estimated, and what stays exact.

The known answers are in tests/workloads/rates.c and drained.c.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ebpftrace.model.modes import Level
from ebpftrace.model.picture import Picture
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import prepare
from ebpftrace.session.session import Session
from ebpftrace.target.process import Process
from tests.kernel.harness import (
    Tracer,
    Workload,
    backends,
    probed_text,
    wait_until,
)
from tests.kernel.terminal import dashboard

# The compiler runs in a fork of a process that has the harness's reader threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

PAIRS_PER_S = 3000


def truths(target: Workload) -> dict[str, int]:
    """Bytes that each function of `rates` holds, as it says now."""
    target.said.clear()
    target.phases()
    return {name: int(size) for name, _, size in map(str.split, target.said)}


@pytest.mark.oldkernel
@pytest.mark.parametrize("backend", backends())
def test_what_windows_see_stands_for_all_of_it_within_the_error(backend: str):
    options = ("--backend", backend, "--top", 0, "--mode", "sample", "--budget", 100)
    with Workload("rates", PAIRS_PER_S) as target, Tracer(target, options=options) as tracer:
        target.go()
        time.sleep(12)
        truth = truths(target)
        final = tracer.finish().final
        assert probed_text(target.pid) == []
    assert (final.raw["mode"], final.raw["scale"]) == ("sample", 4)
    for name in ("leak_small", "leak_large", "cache"):
        (site,) = (one.raw for one in final.sites if name in one.functions)
        assert abs(site["bytes"] - truth[name]) <= 2 * site["error_bytes"], (name, truth, site)
    large = final.site("leak_large").raw
    assert 0 < large["error_bytes"] < 0.8 * large["bytes"]
    totals = final.raw["totals"]
    assert abs(totals["bytes"] - sum(truth.values())) <= 2 * totals["error_bytes"]
    assert final.held_in("churn") == (0, 0)
    assert all(site.held[0] % 4 == 0 for site in final.sites)
    assert final.adopted == (0, 0)
    assert final.faults == {}
    assert final.loss("unmatched_free") == 0
    assert final.loss("unrecorded_free") > 0


@contextmanager
def watched(target: Workload, **options: object) -> Iterator[Session]:
    capture = CaptureOptions(interval=0.2, **options)  # type: ignore[arg-type]
    session = Session.open([Process.open(target.pid)], prepare(capture), warn=print)
    try:
        yield session
        session.stop()
    finally:
        session.close()


def held(picture: Picture, function: str) -> tuple[int, int]:
    those = [
        site.counts
        for site in picture.sites
        if any(frame.function == function for frame in site.at.frames)
    ]
    return sum(one.blocks for one in those), sum(one.bytes for one in those)


def holds(session: Session, wanted: dict[str, tuple[int, int]]) -> None:
    wait_until(
        lambda: {name: held(session.latest(), name) for name in wanted} == wanted, f"{wanted}"
    )


def level(session: Session) -> Level:
    return Level(session.latest().mode, session.latest().scale)


@pytest.mark.parametrize("backend", backends())
def test_what_was_counted_before_keeps_its_weight_and_what_was_not_is_never_adopted(backend: str):
    with Workload("drained") as target, watched(target, backend=backend) as session:
        target.phases()
        holds(session, {"keep": (10, 1000), "let_go": (10, 2000), "resize": (5, 1500)})
        assert session.latest().error is None
        session.want("sample", None)
        wait_until(lambda: level(session) == Level("sample", 16), "births are sampled")
        target.phases()
        # "unseen" may fall into a window, and its block is freed within the phase then.
        holds(
            session, {"keep": (10, 1000), "let_go": (0, 0), "resize": (0, 0), "resized": (5, 2000)}
        )
        session.want("full", None)
        wait_until(lambda: level(session) == Level("full"), "all births are recorded again")
        target.phases()
        holds(session, {"keep": (10, 1000), "resized": (5, 2000), "again": (3, 210)})
        final = session.stop()
    assert final.totals.adopted_blocks == 0
    assert [change.level for change in final.mode_changes] == [Level("sample", 16), Level("full")]
    assert final.losses.faults() == []


def test_the_dashboard_changes_the_mode_and_marks_what_is_estimated(tmp_path: Path):
    with Workload("rates", PAIRS_PER_S) as target, dashboard(tmp_path, target) as terminal:
        target.go()
        terminal.until(lambda screen: "mode full" in screen and "leak_large" in screen)
        terminal.until(lambda screen: "ms since attach" not in screen)
        assert "±" not in terminal.screen()
        terminal.press("B")
        screen = terminal.until(lambda screen: "Watch so from now on" in screen)
        assert re.search(r"full, for \d+\.\d % of a CPU", screen)
        terminal.press(*["Down"] * 6, "Enter")
        screen = terminal.until(lambda screen: "mode sample 1:4 for" in screen and "~" in screen)
        assert "sample was asked for" in screen
        terminal.until(lambda screen: " ± " in screen)
        terminal.press("B")
        terminal.until(lambda screen: "Watch so from now on" in screen)
        terminal.press("End", "Enter")
        terminal.until(lambda screen: "mode full for" in screen)
