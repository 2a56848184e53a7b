"""The border between what captures and what shows."""

from typing import Protocol

from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Site, SiteBlocks, SourceLines


class PictureSource(Protocol):
    """Where a view gets its pictures from, and nothing else of the capture."""

    def latest(self) -> Picture:
        """The newest picture, at once."""

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        """The newest picture that is not `seen`; None if none came within `timeout` seconds."""

    def blocks(self, site: Site, last: int = 20) -> SiteBlocks | None:
        """The outstanding blocks of one site, read now; None where they are not to be had.

        May take a second for a million blocks: not for a thread that somebody waits for.
        """

    def source(self, site: Site, frame: Frame, around: int) -> SourceLines | None:
        """So many lines before and after that of `frame`, which is one of the site's; None without."""
