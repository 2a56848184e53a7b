"""OpenMetrics as Prometheus and its Python library read it, summed over the series of each name.

promtool turns it into a block of Prometheus's database, and says what is in that.
"""

import importlib.metadata
import importlib.util
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from ebpftrace.export.formats.subject import Measure
from scripts.formats.checking import ANYTHING, Failed, Files, Tool, Totals, output

_LIBRARY = "prometheus-client"
_NAMES: Mapping[Measure, str] = {
    "bytes": "outstanding_bytes",
    "blocks": "outstanding_blocks",
    "allocated-bytes": "allocated_bytes_total",
    "allocated-blocks": "allocated_blocks_total",
}
_SERIES = re.compile(r'\{__name__="(\w+)".*\} (\S+) \d+')

Sums = Mapping[str, float]
"""Of all series of each name."""


def by_promtool(files: Files) -> Totals:
    return _agreeing(_stored(files["bytes"]))


def by_library(files: Files) -> Totals:
    """Its strict parser."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    sums: defaultdict[str, float] = defaultdict(float)
    try:
        text = files["bytes"].read_text("utf-8")
        for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
            for one in family.samples:
                sums[one.name] += one.value
    except ValueError as error:
        raise Failed(f"{error}") from None
    return _agreeing(sums)


def _stored(file: Path) -> Sums:
    """In a database of Prometheus."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "database")
        _promtool("create-blocks-from", "openmetrics", file, database)
        (database / "wal").mkdir()  # a database that a server has used has one, and dump wants it
        dumped = _promtool("dump", database)
    sums: defaultdict[str, float] = defaultdict(float)
    for line in dumped.splitlines():
        series = _SERIES.fullmatch(line)
        if series is None:
            raise Failed(f"it has a series {line[:200]!r}")
        sums[series[1]] += float(series[2])
    return sums


def _agreeing(sums: Sums) -> Totals:
    """By process and by call site it has to be the same; what was not freed is held."""
    for kind in ("bytes", "blocks"):
        held, allocated, freed = (
            sums.get(f"ebpftrace_{name}_{kind}{end}", 0)
            for name, end in (("outstanding", ""), ("allocated", "_total"), ("freed", "_total"))
        )
        if held != allocated - freed:
            raise Failed(f"{held:,.0f} {kind} are held of {allocated:,.0f} without {freed:,.0f}")
    found: dict[Measure, int] = {}
    for measure, name in _NAMES.items():
        whole, sites = sums.get(f"ebpftrace_{name}"), sums.get(f"ebpftrace_site_{name}")
        if whole is None or whole != sites:
            raise Failed(f"{name} of processes is {whole}, of call sites {sites}")
        found[measure] = int(whole)
    return found


def _promtool(*arguments: str | Path) -> str:
    return output(["promtool", "tsdb", *arguments], ANYTHING)


def _library() -> str | None:
    if importlib.util.find_spec("prometheus_client") is None:
        return None
    return importlib.metadata.version(_LIBRARY)


def _promtools() -> str | None:
    """`promtool, version 2.42.0+ds (branch: …` is its first line."""
    if shutil.which("promtool") is None:
        return None
    return output(["promtool", "--version"], ANYTHING).split()[2]


PROMTOOL = Tool("openmetrics", "promtool", "prometheus", _promtools, by_promtool)
LIBRARY = Tool("openmetrics", _LIBRARY, "scripts/setup --dev", _library, by_library)
