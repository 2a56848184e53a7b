"""`go tool pprof`: its totals, and that each of its reports can be made."""

import re
import shutil
from pathlib import Path

from ebpftrace.export.formats.subject import Measure
from scripts.formats.checking import ANYTHING, Failed, Files, Tool, Totals, output

VALUES: dict[str, Measure] = {
    "alloc_objects": "allocated-blocks",
    "alloc_space": "allocated-bytes",
    "inuse_objects": "blocks",
    "inuse_space": "bytes",
}
_DEFAULT = "inuse_space"
# Nothing may come of files that this machine happens to have.
_PPROF = ("go", "tool", "pprof", "-symbolize=none")
_REPORTS = ("-tree", "-traces", "-peek=.", "-tags", "-dot", "-proto")
_HEADS = re.compile(r"^Samples:\n(.+)$", re.MULTILINE)
_SAMPLE = re.compile(r"^ *((?:-?\d+ +){3}-?\d+): ", re.MULTILINE)
# Of -top; a total of nothing has no unit.
_TOTAL = re.compile(r"^Showing nodes accounting for (-?\d+)B?, .* of (\d+)B? total$", re.MULTILINE)


def version() -> str | None:
    """That of Go, which pprof comes with."""
    if shutil.which("go") is None:
        return None
    return output(["go", "version"]).split()[2]


def totals(files: Files) -> Totals:
    """Summed over the samples as `-raw` has them; `-top` has to say the same of each value."""
    file = files["bytes"]
    raw = _output("-raw", file)
    heads = _HEADS.search(raw)
    if heads is None:
        raise Failed("-raw has no samples")
    names = [re.sub(r"/.*", "", one) for one in heads[1].split()]
    if f"{_DEFAULT}/bytes[dflt]" not in heads[1]:
        raise Failed(f"what it shows by default is none of {_DEFAULT}: {heads[1]}")
    samples = [map(int, found[1].split()) for found in _SAMPLE.finditer(raw, heads.end())]
    sums = dict(zip(names, map(sum, zip(*samples, strict=True)), strict=True))
    for name, total in sums.items():
        shown = _top(file, f"-sample_index={name}")[1]
        if shown != total:
            raise Failed(f"-top has {shown:,} of {name}, -raw {total:,}")
    left = _top(file, f"-diff_base={file}")[0]
    if left:
        raise Failed(f"-diff_base finds {left:+,} between a profile and itself")
    for report in _REPORTS:
        _output(report, "-output=/dev/null", file)
    return {VALUES[name]: total for name, total in sums.items()}


def _top(file: Path, *options: str) -> tuple[int, int]:
    """Of all nodes, and of the profile, in bytes or blocks."""
    found = _TOTAL.search(_output("-top", "-unit=B", "-nodecount=0", *options, file))
    if found is None:
        raise Failed(f"-top {' '.join(options)} has no total")
    return int(found[1]), int(found[2])


def _output(*arguments: str | Path) -> str:
    """It narrates on stderr."""
    return output([*_PPROF, *arguments], ANYTHING)


TOOL = Tool("pprof", "go tool pprof", "Go (golang-go on Debian)", version, totals)
