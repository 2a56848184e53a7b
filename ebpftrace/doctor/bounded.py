"""Runs one check so that it can neither hang nor raise."""

import logging
import threading
from collections.abc import Callable

from ebpftrace.errors import CannotAttach
from ebpftrace.host.check import Check, failed, refused

log = logging.getLogger(__name__)

LIMIT_S = 5.0
_FIX = "This is a defect of ebpftrace; please report it with doctor --bundle FILE."


def bounded(name: str, run: Callable[[], Check], limit_s: float = LIMIT_S) -> Check:
    """What `run` found; a failed check where it raised, or has not ended in time."""
    found: list[Check] = []

    def attempt() -> None:
        try:
            found.append(run())
        except CannotAttach as error:
            found.append(refused(name, error))
        except Exception as error:
            log.debug("check %s", name, exc_info=True)
            what = f"{type(error).__name__}: {error}"
            found.append(failed(name, f"The check itself failed ({what}).", _FIX))

    thread = threading.Thread(target=attempt, name=f"check {name}", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread to be had: then without a limit
        attempt()
    else:
        thread.join(limit_s)
    if found:
        return found[0]
    return failed(name, f"The check has not ended in {limit_s:.0f} s.", _FIX)
