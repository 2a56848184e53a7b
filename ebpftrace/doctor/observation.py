"""Two seconds of attach, for a bug report: the last picture, and all that was logged."""

import io
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack

from ebpftrace.analysis.selection import Selection
from ebpftrace.errors import CannotAttach
from ebpftrace.export import jsonl
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import prepare
from ebpftrace.session.session import Session
from ebpftrace.target.process import Process

_WATCH_S = 2.0
_SITES = 50


class Observation:
    """Attaches when the picture is asked for; the log is of that."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._words = io.StringIO()
        self.warnings: list[str] = []

    def log(self) -> str:
        """Every line of it."""
        return self._words.getvalue()

    def picture(self) -> str:
        """The final picture as one line of `ebpftrace.picture/1`. CannotAttach."""
        handler = logging.StreamHandler(self._words)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("ebpftrace")
        level, propagate = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        try:
            return self._watch()
        except CannotAttach as error:
            logger.info("ended by: %s", error)
            raise
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate

    def _watch(self) -> str:
        out = io.StringIO()
        with ExitStack() as undo:
            processes = [undo.enter_context(Process.open(pid)) for pid in self._pids]
            prepared = prepare(CaptureOptions(interval=_WATCH_S / 4))
            session = Session.open(processes, prepared, self.warnings.append)
            undo.callback(session.close)
            time.sleep(_WATCH_S)
            jsonl.write(session.stop(), Selection("bytes", _SITES, None), out)
        return out.getvalue()
