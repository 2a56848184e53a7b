"""The table of call sites in a database of sqlite3: sums of its columns, and that no row is torn."""

import shutil

from ebpftrace.export.formats.sites_csv import COLUMNS
from ebpftrace.export.formats.subject import MEASURES
from scripts.formats.checking import Failed, Files, Tool, Totals, output

_COLUMNS = "SELECT group_concat(name, ',') FROM pragma_table_info('sites')"
_SUMS = """
SELECT coalesce(sum(bytes), 0), coalesce(sum(blocks), 0),
       coalesce(sum(allocated_bytes + adopted_bytes), 0),
       coalesce(sum(allocated_blocks + adopted_blocks), 0)
FROM sites
"""
# A number that is one, in a row that has all columns.
_TORN = """
SELECT count(*) FROM sites
WHERE bytes GLOB '*[^0-9-]*' OR bytes != allocated_bytes + adopted_bytes - freed_bytes OR stack IS NULL
"""


def totals(files: Files) -> Totals:
    """sqlite3 complains of a row with too many columns or too few."""
    load = f".import --csv {files['bytes']} sites"
    columns, sums, torn = output(
        ["sqlite3", "-list", ":memory:", load, _COLUMNS, _SUMS, _TORN]
    ).splitlines()
    if columns != ",".join(COLUMNS):
        raise Failed(f"it finds the columns {columns[:200]}")
    if torn != "0":
        raise Failed(f"it finds {torn} torn rows")
    return dict(zip(MEASURES, map(int, sums.split("|")), strict=True))


def version() -> str | None:
    """None where it is not installed."""
    if shutil.which("sqlite3") is None:
        return None
    return output(["sqlite3", "--version"]).split()[0]


TOOL = Tool("csv", "sqlite3", "sqlite3", version, totals)
