"""`heaptrack_print` (Debian package heaptrack): totals, stacks, and that each of its reports can be made.

`python -m scripts.formats.check_heaptrack [FILE]`, of a snapshot, else of tests/recordings/shop.jsonl.gz.
"""

import gzip
import itertools
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ebpftrace.analysis.selection import Selection
from ebpftrace.collector import collector_paused
from ebpftrace.export.formats.heaptrack import write
from ebpftrace.export.formats.places import Place, Places
from ebpftrace.export.formats.subject import Measure, Subject, measured
from ebpftrace.snapshot.loading import load
from scripts.bench.command import run
from scripts.formats.checking import Failed, Files, Tool, Totals, output, version_of
from scripts.formats.subjects import RECORDING

_PROGRAM = "heaptrack_print"
_MEASURES: Mapping[Measure, str] = {"bytes": "leaked", "allocated-blocks": "allocations"}
_CALLS = re.compile(r"^calls to allocation functions: (-?\d+) ", re.MULTILINE)
_TEMPORARY = re.compile(r"^temporary memory allocations: (-?\d+) ", re.MULTILINE)
_LEAKED = re.compile(r"^total memory leaked: (\S+)$", re.MULTILINE)
_MOST_FOR_MASSIF = 500_000  # it copies all call sites at each of these that makes a new peak
# What heaptrack leaves out of stacks, and where it ends them.
_NEW = re.compile(r"operator new(\[\])?\(unsigned (long|int)\)")
_OUTERMOST = ("main", "__libc_start_main")


def version() -> str | None:
    """None where it is not installed."""
    return version_of(_PROGRAM)


def totals(files: Files) -> Totals:
    """Summed over the stacks of its flame graphs; what it says in all has to be the same.

    Without the calls where the file says that it has one for several.
    """
    file = files["bytes"]
    found = {measure: sum(stacks(file, measure).values()) for measure in _MEASURES}
    calls, temporary, leaked = _said(file)
    if calls != found["allocated-blocks"]:
        raise Failed(f"its stacks have {found['allocated-blocks']:,} calls, it says {calls:,}")
    if temporary:
        raise Failed(f"it takes {temporary:,} blocks for temporary")
    if _said(file, "-d", file) != (0, 0, "0B"):
        raise Failed("-d finds differences between a file and itself")
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "x.gz"
        packed.write_bytes(gzip.compress(file.read_bytes(), 1))
        if _said(packed) != (calls, temporary, leaked):
            raise Failed("it reads something else in the compressed file")
        histogram = Path(folder) / "histogram"
        _output(file, "-l", "-m0", "-H", histogram)
        if calls < _MOST_FOR_MASSIF:
            _output(file, "-M", f"{folder}/massif")
        sizes = [int(line.split()[-1]) for line in histogram.read_text().splitlines()]
        if sum(sizes) != calls:
            raise Failed(f"its histogram of sizes has {sum(sizes):,} calls of {calls:,}")
    if cut(file):
        del found["allocated-blocks"]
    return found


def cut(file: Path) -> bool:
    """Does its head say that one call stands for several?"""
    with file.open("rb") as lines:
        head = itertools.takewhile(lambda line: not line.startswith(b"X "), lines)
        return any(line.startswith(b"# Cut: ") for line in head)


def stacks(file: Path, measure: Measure) -> Counter[str]:
    """What its flame graph has, outermost first."""
    found: Counter[str] = Counter()
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", newline="\n") as graph:
        _output(file, "-t0", "--flamegraph-cost-type", _MEASURES[measure], "-F", graph.name)
        for line in graph:
            stack, _, value = line.rpartition(" ")
            found[stack] += int(value)
    return +found


def expected(subject: Subject, measure: Measure) -> Counter[str]:
    """The same of what was exported."""
    places = Places(subject.snapshot.picture)
    several = len(subject.snapshot.picture.targets) > 1
    found: Counter[str] = Counter()
    for site in subject.sites:
        found[_line(places, places.stack(site.at), several)] += measured(site.counts, measure)
    found[_line(places, places.rest(), several)] += measured(subject.rest, measure)
    return +found


def _line(places: Places, stack: Sequence[int], several: bool) -> str:
    """Inlined functions stand innermost first, also where all else is outermost first."""
    codes: list[list[Place]] = [[]]
    for number in stack:
        codes[-1].append(places.table[number])
        if not places.table[number].inlined:
            codes.append([])
    shown: list[str] = []
    for code in filter(None, codes):
        if not _NEW.fullmatch(code[0].name):
            shown.append("".join(_word(place, place is code[0], several) for place in code))
        if code[0].name in _OUTERMOST and not several:
            break
    return "".join(reversed(shown))


def _word(place: Place, first: bool, several: bool) -> str:
    called = "()" if several and place.name in _OUTERMOST else ""
    file = "" if first and not place.file else f" ({(place.file or '').rpartition('/')[2]})"
    return f"{place.name}{called}{file};"


def _said(file: Path, *options: str | Path) -> tuple[int, int, str]:
    """Calls, temporary allocations, and what leaked, with a unit."""
    said = _output(file, "-p0", "-a0", "-T0", *options)
    found = [pattern.search(said) for pattern in (_CALLS, _TEMPORARY, _LEAKED)]
    calls, temporary, leaked = (one[1] if one else "-1" for one in found)
    return int(calls), int(temporary), leaked


def _output(*arguments: str | Path) -> str:
    """With all leaks, also those that heaptrack knows to be harmless."""
    return output([_PROGRAM, "--disable-builtin-suppressions", *arguments])


def _main() -> int:
    if version() is None:
        sys.exit("check_heaptrack: heaptrack_print is not installed (package heaptrack).")
    with tempfile.TemporaryDirectory(prefix="check-heaptrack-") as folder:
        file = Path(folder) / "x.heaptrack"
        with collector_paused(), file.open("wb") as out:
            snapshot = load(sys.argv[1] if len(sys.argv) > 1 else str(RECORDING))
            subject = Subject.of(snapshot, "checked", Selection())
            write(subject, out)
        try:
            return _compared(subject, file)
        except Failed as error:
            sys.exit(f"check_heaptrack: {error}")


def _compared(subject: Subject, file: Path) -> int:
    wrong = 0
    for measure, total in totals({"bytes": file}).items():
        wanted, found = expected(subject, measure), stacks(file, measure)
        differ = sum(1 for stack in wanted | found if wanted[stack] != found[stack])
        wrong += differ or total != measured(subject.counts, measure)
        print(f"{measure}: {total:,} in {len(found):,} stacks, of which {differ:,} differ")
    return int(wrong > 0)


TOOL = Tool("heaptrack", _PROGRAM, "heaptrack", version, totals, measures=("bytes",))


if __name__ == "__main__":
    run("check_heaptrack", _main)
