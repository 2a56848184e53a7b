"""The border between what captures and what shows."""

from typing import Protocol

from ebpftrace.model.picture import Block, Picture, Site


class PictureSource(Protocol):
    """Where a view gets its pictures from, and nothing else of the capture."""

    def latest(self) -> Picture:
        """The newest picture, at once."""

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        """The newest picture that is not `seen`; None if none came within `timeout` seconds."""

    def blocks(self, site: Site, limit: int = 1000) -> tuple[Block, ...]:
        """Up to `limit` outstanding blocks of one site, read now."""
