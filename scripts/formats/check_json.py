"""The JSON as jq reads it: its totals, and that they are those of its call sites."""

from functools import partial

from ebpftrace.export.formats.subject import MEASURES
from scripts.formats.checking import Failed, Files, Tool, Totals, output, version_of

# The four of MEASURES, then blocks and bytes of call sites and of what has none.
_JQ = """
[(.totals | .bytes, .blocks, .allocated_bytes + .adopted_bytes, .allocated_blocks + .adopted_blocks),
 ([.sites[], .others, .suppressed] | (map(.bytes) | add), (map(.blocks) | add))] | @tsv
"""


def totals(files: Files) -> Totals:
    return _agreeing(*map(int, output(["jq", "-r", _JQ, files["bytes"]]).split()))


def _agreeing(*said: int) -> Totals:
    if said[:2] != said[4:]:
        raise Failed(f"bytes and blocks are {said[:2]} in all, and {said[4:]} of call sites")
    return dict(zip(MEASURES, said[:4], strict=True))


TOOL = Tool("json", "jq", "jq", partial(version_of, "jq"), totals)
