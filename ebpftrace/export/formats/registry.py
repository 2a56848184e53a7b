"""Every format by its name. What writes it is loaded when it is wanted: some need a library."""

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from ebpftrace.export.formats.subject import Subject

Write = Callable[[Subject, BinaryIO], None]


class Format(NamedTuple):
    """`says`: what reads it, for people. `one_measure`: it has room for one (`--measure`).

    `packed`: it is bytes that gzip made, whatever its file is called. `compares`: it can show what
    changed since another snapshot (`--base`). `cuts`: it can list some call sites and sum up the rest
    (`--top`).
    """

    name: str
    says: str
    load: Callable[[], Write]
    one_measure: bool = False
    packed: bool = False
    compares: bool = False
    cuts: bool = False


def _collapsed() -> Write:
    from ebpftrace.export.formats.collapsed import write

    return write


def _html() -> Write:
    from ebpftrace.export.formats.flame_html import write

    return write


def _pprof() -> Write:
    from ebpftrace.export.formats.pprof import write

    return write


def _speedscope() -> Write:
    from ebpftrace.export.formats.speedscope import write

    return write


def _massif() -> Write:
    from ebpftrace.export.formats.massif import write

    return write


def _callgrind() -> Write:
    from ebpftrace.export.formats.callgrind import write

    return write


def _heaptrack() -> Write:
    from ebpftrace.export.formats.heaptrack import write

    return write


def _json() -> Write:
    from ebpftrace.export.formats.snapshot_json import write

    return write


def _csv() -> Write:
    from ebpftrace.export.formats.sites_csv import write

    return write


def _openmetrics() -> Write:
    from ebpftrace.export.formats.openmetrics import write

    return write


FORMATS: tuple[Format, ...] = (
    Format("collapsed", "stacks for flamegraph.pl, inferno, speedscope", _collapsed, True),
    Format(
        "html", "a flame graph as a page for any browser, without a network", _html, compares=True
    ),
    Format("pprof", "a heap profile for go tool pprof, Parca, Pyroscope", _pprof, packed=True),
    Format("speedscope", "a profile of each measure for speedscope", _speedscope),
    Format("massif", "bytes over time for ms_print, massif-visualizer", _massif),
    Format("callgrind", "a call graph for KCachegrind, callgrind_annotate", _callgrind),
    Format("heaptrack", "data for heaptrack_gui and heaptrack_print", _heaptrack),
    Format("json", "all that the snapshot says, as report --json --top 0 does", _json, cuts=True),
    Format("csv", "a table of call sites for spreadsheets, pandas, DuckDB, sqlite3", _csv),
    Format("openmetrics", "figures for Prometheus, as of one scrape", _openmetrics, cuts=True),
)


def named(name: str) -> Format:
    """One of FORMATS."""
    return next(one for one in FORMATS if one.name == name)
