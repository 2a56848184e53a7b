"""Show a recording of ebpftrace attach --json as if it happened now: scripts/replay."""

import argparse
import sys

from ebpftrace.analysis.selection import Selection
from ebpftrace.export import text
from ebpftrace.snapshot.replay import Replay
from scripts.bench.command import run

# A recording has gaps where pictures were left out: none of them is late.
_NEVER_LATE_S = 86_400.0
_TOP_TEXT = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/replay", description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--speed", type=float, default=1.0, help="times the recorded one; or inf")
    parser.add_argument("--text", action="store_true", help="reports instead of the dashboard")
    given = parser.parse_args()
    with Replay(given.file, given.speed) as replay:
        (_report if given.text else _show)(replay)
        notes = replay.notes()
    for note in notes:
        print(f"replay: {note}", file=sys.stderr)
    return 0


def _show(replay: Replay) -> None:
    from ebpftrace.tui.app import run
    from ebpftrace.tui.options import Options  # 150 ms that a report does not need

    run(replay, Options(interval=_NEVER_LATE_S, notes=replay.notes))


def _report(replay: Replay) -> None:
    picture = replay.latest()
    while True:
        text.write(picture, Selection(top=_TOP_TEXT), sys.stdout)
        if picture.final:
            return
        while (following := replay.after(picture, 1.0)) is None:
            pass
        picture = following


if __name__ == "__main__":
    run("replay", main)
