"""A time limit for what may hang in the kernel and cannot be told to stop."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(limit_s: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises; TimeoutError where it has not ended in `limit_s` seconds.

    It then goes on in a thread of its own, which keeps nobody from ending. Without a limit where
    no thread can be started.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            returned.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            raised.append(error)

    thread = threading.Thread(target=attempt, name="bounded", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return call()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not returned:
        raise TimeoutError
    return returned[0]
