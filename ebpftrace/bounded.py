"""A time limit for what may hang in the kernel and cannot be told to stop."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ebpftrace.threads import Thread

T = TypeVar("T")

_TIMES = 10
"""So many limits has a call that does not hang but gets no processor, on a host that is too busy."""


def within(limit_s: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises; TimeoutError where it has not ended in `limit_s` seconds.

    It then goes on in a thread of its own, which keeps nobody from ending. Up to ten times as long
    while that wants to run and may not; without a limit where no thread can be started.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            returned.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            raised.append(error)

    thread = Thread(attempt, "bounded")
    try:
        thread.start()
    except RuntimeError:
        return call()
    for _ in range(_TIMES):
        thread.join(limit_s)
        if not (thread.is_alive() and _wants_to_run(thread.native_id)):
            break
    if raised:
        raise raised[0]
    if not returned:
        raise TimeoutError
    return returned[0]


def _wants_to_run(thread: int | None) -> bool:
    """Else it waits: for the kernel, or for another thread of ours to let go of the interpreter."""
    try:
        stat = Path(f"/proc/self/task/{thread}/stat").read_text()
    except OSError:  # it has ended, or there is no /proc
        return False
    return stat.rpartition(")")[2].split()[0] == "R"
