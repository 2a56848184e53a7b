"""Runs ebpftrace and notes when it has come how far: a file for the times, then its arguments.

The file gets a JSON object, from each of `PHASES` to the time of time.monotonic at which it was over.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODULES, LOADED, CALIBRATED, RUNS, PLACED, ENDED, TOLD = PHASES = (
    "Python and its modules",
    "compiled and loaded",
    "price of a probe measured",
    "first instruction",
    "probes placed",
    "the program's end",
    "reported, probes removed",
)
TIMES: dict[str, float] = {}


def _note(phase: str) -> None:
    TIMES.setdefault(phase, time.monotonic())


def noted(
    owner: type[object], name: str, phase: str, when: Callable[[Any], bool] = lambda _: True
) -> None:
    """Once `owner.name` has returned something that `when` is true of, `phase` is over."""
    called = getattr(owner, name)

    @functools.wraps(called)
    def noting(*arguments: Any, **named: Any) -> Any:
        result = called(*arguments, **named)
        if when(result):
            _note(phase)
        return result

    setattr(owner, name, noting)


def main() -> int:
    path = Path(sys.argv[1])
    import ebpftrace.cli.running  # noqa: F401 - with all that it needs
    from ebpftrace.cli.main import main as run_tool
    from ebpftrace.kernel.tracer import Tracer
    from ebpftrace.session.entering import Entering
    from ebpftrace.session.preparation import Preparation
    from ebpftrace.target.launching import Launch

    _note(MODULES)
    noted(Preparation, "tracer", LOADED)
    noted(Tracer, "calibrate", CALIBRATED)
    noted(Launch, "go", RUNS)
    noted(Entering, "_attach_now", PLACED)
    noted(Launch, "ended", ENDED, bool)
    noted(Launch, "wait", ENDED)
    status = run_tool(sys.argv[2:])
    _note(TOLD)
    path.write_text(json.dumps(TIMES))
    return status


if __name__ == "__main__":
    sys.exit(main())
