"""What CHANGELOG.md says of versions: a heading each, `## 0.1.0 - 2026-12-01`."""

import re

UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## (\S+)(?: - (\d{4}-\d{2}-\d{2}))?[ \t]*$", re.MULTILINE)


def released_on(text: str, version: str) -> str | None:
    """The day that stands in the heading of a version; None where it has no heading with a day."""
    return next((day for name, day in _HEADING.findall(text) if name == version and day), None)


def said_of(text: str, version: str) -> str:
    """What stands under the heading of a version; empty where it has none, or nothing stands there."""
    parts = _HEADING.split(text)
    under = dict(zip(parts[1::3], parts[3::3], strict=True))
    return under.get(version, "").strip()
