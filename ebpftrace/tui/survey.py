"""The thread that asks the source about the site under the cursor: its blocks, the text of its lines.

One call may walk a map of a million blocks. It is made when the cursor has come to rest, and again
only so often that it stays cheap.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Site, SiteBlocks, SourceLines
from ebpftrace.model.source import PictureSource
from ebpftrace.tui.worker import Worker

_REST_S = 0.25
_LEAST_PAUSE_S = 2.0
# A survey may take one part in so many of a processor.
_PAUSE = 30
AROUND = 6


class Subject(NamedTuple):
    """What is looked at: a site, and the frame of it whose source is shown."""

    site: Site
    frame: Frame | None

    def is_still(self, other: "Subject | None") -> bool:
        return (
            other is not None and self.site.at.id == other.site.at.id and self.frame == other.frame
        )


class Survey(NamedTuple):
    """What was found of it."""

    subject: Subject
    blocks: SiteBlocks | None
    source: SourceLines | None


class Surveyor(Worker):
    """Tells when `survey` is another one."""

    def __init__(self, source: PictureSource, told: Callable[[], object]) -> None:
        super().__init__("surveyor", told)
        self.survey: Survey | None = None
        self._source = source
        self._subject: Subject | None = None
        self._is_live = True

    def look_at(self, subject: Subject | None, *, live: bool) -> None:
        """From now on; not `live`: once is enough, for the picture does not change."""
        with self._changed:
            self._subject, self._is_live = subject, live
            self._changed.notify()

    def _work(self) -> None:
        while not self._stopping:
            self._look()

    def _look(self) -> None:
        subject = self._at_rest()
        if subject is None:
            return
        started = time.monotonic()
        known = self.survey
        text = known.source if known is not None and subject.is_still(known.subject) else None
        if text is None and subject.frame is not None:
            text = self._source.source(subject.site, subject.frame, AROUND)
        self.survey = Survey(subject, self._source.blocks(subject.site), text)
        self._tell()
        took = time.monotonic() - started
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopping or not subject.is_still(self._subject),
                max(_LEAST_PAUSE_S, _PAUSE * took),
            )
            if not self._is_live:
                self._changed.wait_for(
                    lambda: self._stopping or self._is_live or not subject.is_still(self._subject)
                )

    def _at_rest(self) -> Subject | None:
        """What is looked at, once it has been that for a moment."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._subject is not None)
            subject = self._subject
            if subject is None or self._changed.wait_for(
                lambda: self._stopping or not subject.is_still(self._subject), _REST_S
            ):
                return None
            return self._subject
