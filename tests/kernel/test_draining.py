"""Draining: allocations are not recorded from some moment on, frees are. See tests/workloads/drained.c."""

import pytest

from tests.kernel.harness import TIME_SCALE, Tracer, Workload, backends, run_tool
from tests.kernel.pictures import Picture
from tests.kernel.terminal import dashboard

KEPT = {
    "keep": (10, 1000),
    "let_go": (0, 0),
    "resize": (0, 0),
    "resized": (5, 2000),
    "unseen": (0, 0),
}
FIRST = {"keep": (10, 1000), "let_go": (10, 2000), "resize": (5, 1500)}
MAPPED, MAPPED_LATER = (1, 1 << 20), (1, 512 << 10)


def held(picture: Picture, names: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {name: picture.held_in(name) for name in names}


@pytest.mark.everykernel
@pytest.mark.parametrize("backend", backends())
def test_what_remains_while_only_frees_are_recorded_is_what_is_kept(backend: str):
    options = ("--backend", backend, "--top", 0, "--drain-after", f"{2 * TIME_SCALE}s")
    with Workload("drained") as target, Tracer(target, options=options) as tracer:
        assert tracer.first.raw["drain"] is None
        target.phases()
        before = tracer.settled()
        assert held(before, FIRST) == FIRST
        assert before.mapped == MAPPED
        drained = tracer.until(lambda picture: picture.raw["drain"])
        assert drained.raw["drain"]["since_s"] >= 2 * TIME_SCALE
        target.phases()
        after = tracer.settled()
        assert held(after, KEPT) == KEPT
        assert (after.held, after.mapped) == ((15, 3000), MAPPED_LATER)
        assert after.faults == {}
        assert after.loss("unrecorded_free") == 1
        assert after.loss("unmatched_free") == 0
        target.phases()
        final = tracer.finish().final
    assert held(final, {**KEPT, "again": (0, 0)}) == {**KEPT, "again": (0, 0)}
    assert final.mapped == MAPPED_LATER
    assert final.raw["drain"]["unrecorded_s"] > 0


def test_the_dashboard_drains_and_records_again(tmp_path):
    with Workload("drained") as target, dashboard(tmp_path, target) as terminal:
        terminal.until(lambda screen: "no allocation since the attach" in screen)
        target.phases()
        terminal.until(lambda screen: "1.0 MiB in 26 blocks" in screen)
        terminal.press("D")
        terminal.until(lambda screen: "DRAINING" in screen)
        target.phases()
        terminal.until(lambda screen: "515 KiB in 16 blocks" in screen)
        terminal.press("D")
        screen = terminal.until(lambda screen: "allocations not recorded for" in screen)
        assert "DRAINING" not in screen
        target.phases()
        terminal.until(lambda screen: "in 19 blocks" in screen)


def test_a_log_of_every_call_cannot_leave_some_out(tmp_path):
    log = tmp_path / "log"
    ran = run_tool("run", "--trace-log", log, "--drain-after", "1s", "--", "true")
    assert ran.returncode == 2
    assert "--drain-after leaves some out" in ran.stderr
    assert not log.exists()
