"""Runs one check so that it can neither hang nor raise."""

import logging
from collections.abc import Callable

from ebpftrace.bounded import within
from ebpftrace.errors import CannotAttach
from ebpftrace.host.check import Check, failed, refused

log = logging.getLogger(__name__)

LIMIT_S = 20.0  # the look-up of lines takes an emulated guest more than five
_FIX = "This is a defect of ebpftrace; please report it with doctor --bundle FILE."


def bounded(name: str, run: Callable[[], Check], limit_s: float = LIMIT_S) -> Check:
    """What `run` found; a failed check where it raised, or has not ended in time."""
    try:
        return within(limit_s, run)
    except CannotAttach as error:
        return refused(name, error)
    except TimeoutError:
        return failed(name, f"The check has not ended in {limit_s:.0f} s.", _FIX)
    except Exception as error:
        log.debug("check %s", name, exc_info=True)
        what = f"{type(error).__name__}: {error}"
        return failed(name, f"The check itself failed ({what}).", _FIX)
