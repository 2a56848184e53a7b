"""What `ebpftrace report --json` writes: `ebpftrace.picture/1`, with `selection.top` call sites."""

import io
from typing import BinaryIO

from ebpftrace.export import snapshot_json
from ebpftrace.export.formats.subject import Subject


def write(subject: Subject, out: BinaryIO) -> None:
    """One line in UTF-8; what is suppressed is counted, and what has no call site is in `others`."""
    text = io.TextIOWrapper(out, "utf-8", newline="\n")
    snapshot_json.write(subject.snapshot, subject.file, subject.selection, text)
    text.detach()
