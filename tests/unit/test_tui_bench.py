"""What `scripts/tui-bench` makes of its readings, and one short watch of the real dashboard."""

from typing import Any

import pytest

from scripts.bench.figures import Spread
from scripts.showing import tui_bench
from scripts.showing.first_paint import FirstPaint, names_target
from scripts.showing.keys import Answers, Percentiles
from scripts.showing.screen import Screen
from scripts.showing.shown import Asked
from scripts.showing.terminal import Size
from scripts.showing.verdicts import others_text, runs_text, targets
from scripts.showing.watching import Phases, Watched, planted, watch


def screen(*written: str) -> Screen:
    found = Screen(40, 5)
    found.feed("".join(written).encode())
    return found


def watched(waited=(0.003,), **changed: Any) -> Watched:
    usual: dict[str, Any] = {
        "size": Size(80, 24),
        "asked": Asked(100_000, "all"),
        "refreshes": 5,
        "cpu_ms": 19.0,
        "main_ms": 18.0,
        "still_cpu_percent": 0.2,
        "still_bytes_per_s": 0.0,
        "refresh_bytes": 9000.0,
        "answers": Answers(list(waited), len(waited)),
        "pictures_mb": 500.0,
        "textual_mb": 16.0,
        "added_mb": 30.0,
    }
    return Watched(**usual | changed)


def test_what_was_said_before_the_dashboard_is_no_header():
    assert not names_target(screen("attached to sleep (42)"), 42)
    assert not names_target(screen("sleep", "\x1b[?1049h"), 42)
    assert names_target(screen("\x1b[?1049h", "pid 42"), 42)


def test_percentiles_are_of_readings():
    assert Percentiles.of(list(range(1, 201))) == (100, 180, 198, 200)
    assert Percentiles.of([7]) == (7, 7, 7, 7)
    assert Percentiles.of([]) is None


def test_each_figure_stands_beside_its_goal():
    text = runs_text([watched(), watched(cpu_ms=21.0, waited=())])
    line = next(line for line in text.splitlines() if line.startswith("CPU per refresh"))
    assert line.split()[-5:] == ["19.0", "✓", "21.0", "✗", "20"]
    line = next(line for line in text.splitlines() if "p50" in line)
    assert line.split()[-4:] == ["3.0", "✓", "-", "15"]
    missed = [one.name for one in targets([watched(cpu_ms=21.0)], None) if not one.reached]
    assert missed == ["CPU per refresh, ms (80x24, 100,000 sites, changed: all)"]


def test_a_delay_that_is_not_seen_is_said():
    first = FirstPaint(Spread.of([390.0]), None)
    assert "31.0 ✓" in others_text(first, 31.0)
    assert "12.0 ✗" in others_text(None, 12.0)
    assert "390 ✓" in others_text(first, None)


@pytest.mark.parametrize(
    "words, runs",
    [
        ([], 8),
        (["--quick"], 1),
        (["--sites", "7", "--changed", "2%"], 2),
        (["--quick", "--sites", "7", "--sites", "8", "--changed", "2%"], 2),
    ],
)
def test_what_is_asked_for_is_run(words, runs):
    assert len(tui_bench.effort(tui_bench.arguments().parse_args(words)).runs) == runs


def test_a_dashboard_is_watched_through_all_phases():
    found = watch(Asked(50, "all"), Size(80, 24), Phases(1, 2, 2))
    assert found.refreshes == 2
    assert found.cpu_ms > 0
    assert found.refresh_bytes > 500
    assert found.answers.waited
    assert found.answers.pressed > found.answers.unanswered
    assert 0 < found.textual_mb < found.added_mb


def test_a_planted_delay_is_seen():
    seen = planted(60, 2)
    assert seen is not None
    assert seen > 40
