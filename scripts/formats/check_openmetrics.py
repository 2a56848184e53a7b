"""What Prometheus makes of an export: promtool turns it into a block of its database, and says what is in it.

Needs promtool, of Debian's package prometheus.
"""

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from ebpftrace.model.picture import Counts

_TIMEOUT_S = 120
_SERIES = re.compile(r'\{__name__="(\w+)".*\} (\S+) \d+')


def check(exported: Path, expected: Counts) -> list[str]:
    """What is not as it should be: sums over processes, and over call sites, that are not `expected`."""
    sums = stored(exported)
    wanted = {
        "outstanding_bytes": expected.bytes,
        "outstanding_blocks": expected.blocks,
        "allocated_bytes_total": expected.allocated_bytes + expected.adopted_bytes,
        "allocated_blocks_total": expected.allocated_blocks + expected.adopted_blocks,
        "freed_bytes_total": expected.freed_bytes,
        "freed_blocks_total": expected.freed_blocks,
    }
    return [
        f"promtool has {sums.get(name)} as the sum of {name}, not {total}"
        for end, total in wanted.items()
        for name in (f"ebpftrace_{end}", f"ebpftrace_site_{end}")
        if sums.get(name) != total
    ]


def stored(exported: Path) -> dict[str, float]:
    """The sum of all series of each name. CalledProcessError where promtool does not take the file."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "database")
        _promtool("create-blocks-from", "openmetrics", str(exported), str(database))
        (database / "wal").mkdir()  # a database that a server has used has one, and dump wants it
        dumped = _promtool("dump", str(database))
    sums: defaultdict[str, float] = defaultdict(float)
    for line in dumped.splitlines():
        series = _SERIES.fullmatch(line)
        assert series is not None, line
        sums[series[1]] += float(series[2])
    return dict(sums)


def _promtool(*arguments: str) -> str:
    return subprocess.run(
        ["promtool", "tsdb", *arguments],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    ).stdout


if __name__ == "__main__":
    for name, total in stored(Path(sys.argv[1])).items():
        print(f"{total:20.6g} {name}")
