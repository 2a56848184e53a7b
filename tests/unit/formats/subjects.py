"""Subjects of exporters that default everything but the point of a test."""

import io
from typing import Any

from ebpftrace.analysis.selection import Selection
from ebpftrace.export.formats.registry import named
from ebpftrace.export.formats.subject import Subject
from ebpftrace.model.picture import Site
from tests.unit.builders import picture
from tests.unit.snapshot_builders import snapshot


def subject(*sites: Site, **given: Any) -> Subject:
    """Of one picture with these sites; see `Subject.of` for the rest."""
    values: dict[str, Any] = {
        "snapshot": snapshot(picture(*sites)),
        "file": "app.ebpftrace",
        "selection": Selection(),
    }
    return Subject.of(**{**values, **given})


def exported(name: str, given: Subject) -> bytes:
    """What the format of this name writes."""
    out = io.BytesIO()
    named(name).load()(given, out)
    return out.getvalue()
