"""The tool with one of its guards taken out, on a program that this hurts."""

import contextlib
import subprocess
import sys

from tests.kernel.harness import LEAVE_LIMIT, REPOSITORY, START_LIMIT, Lines, Workload


def status_of(target: Workload, guardless: str) -> int:
    """How `target` ends in its first phase; `guardless` is Python that takes a guard out and runs the tool."""
    tool = subprocess.Popen(
        [sys.executable, "-c", guardless, "attach", "--json", "-p", str(target.pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
    )
    assert tool.stdout
    pictures = Lines(tool.stdout)
    try:
        assert pictures.next(START_LIMIT, "first picture")
        with contextlib.suppress(AssertionError):
            target.phases()
        return target.wait(10)
    finally:
        tool.terminate()
        tool.wait(LEAVE_LIMIT)
        pictures.close()
