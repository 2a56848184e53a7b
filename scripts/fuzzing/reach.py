"""What an input reaches: which steps from line to line it takes in the tool's own code."""

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import ebpftrace

_OWN = str(Path(ebpftrace.__file__).parent)

Steps = set[tuple[CodeType, int, int]]
"""From one line of a piece of code to another."""


def reached(attempt: Callable[[], object]) -> Steps:
    """While `attempt` runs; what it raises is of no matter."""
    found: Steps = set()

    def enter(frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(_OWN):
            return None
        last = 0

        def step(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                found.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    before = sys.gettrace()
    threading.settrace(enter)
    sys.settrace(enter)
    try:
        with suppress(Exception):
            attempt()
    finally:
        sys.settrace(before)
        threading.settrace(None)
    return found


def telling(
    inputs: Iterable[bytes],
    known: Iterable[bytes],
    attempt: Callable[[bytes], object],
    goes_on: Callable[[], bool],
) -> Iterable[bytes]:
    """Of `inputs`, the smallest first, those that reach what neither `known` ones nor those before do.

    As long as it `goes_on`.
    """
    seen: Steps = set()
    for data in known:
        seen |= reached(lambda data=data: attempt(data))  # type: ignore[misc]
    for data in sorted(set(inputs), key=len):
        if not goes_on():
            return
        steps = reached(lambda data=data: attempt(data))  # type: ignore[misc]
        if steps - seen:
            seen |= steps
            yield data
