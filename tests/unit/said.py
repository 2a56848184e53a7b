"""What the views write as JSON, read again."""

import io
import json

from ebpftrace.analysis.selection import Selection
from ebpftrace.export import jsonl, snapshot_json


def said_of_picture(picture, selection):
    out = io.StringIO()
    jsonl.write(picture, selection, out)
    return json.loads(out.getvalue())


def said_of_snapshot(snapshot, file, selection):
    out = io.StringIO()
    snapshot_json.write(snapshot, file, selection, out)
    return json.loads(out.getvalue())


def line_of_picture(picture):
    out = io.StringIO()
    jsonl.write(picture, Selection(top=0), out)
    return out.getvalue().encode()
