"""A black box that is killed with the plane is worth nothing."""

import logging
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

_ADJUSTMENT = -900
"""-1000 would be never; a tool that had gone wild could still be ended for its memory."""


def spare(pids: Iterable[int], proc: Path = Path("/proc")) -> None:
    """Let others be killed before these processes when memory runs out, if that is permitted."""
    for pid in pids:
        file = proc / str(pid) / "oom_score_adj"
        try:
            if int(file.read_text()) > _ADJUSTMENT:
                file.write_text(str(_ADJUSTMENT))
                log.info("pid %d: oom_score_adj is %d", pid, _ADJUSTMENT)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            log.info("pid %d: oom_score_adj is left as it is: %s", pid, reason)
