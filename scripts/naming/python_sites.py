"""The top call sites of a real python3: its names and lines, cold and warm, and the tool's memory."""

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.bench import tracers
from scripts.bench.figures import Section, Spread, Target, as_figures, median, narrate, table
from scripts.bench.loops import Child
from scripts.naming import programs
from scripts.naming.fresh import Reading, resident
from scripts.naming.measured import HEADS, NothingMeasured, figures, read, row, spreads

SITES = 50
MOST_COLD_MS, MOST_NAMES_MS, MOST_WARM_MS, MOST_MB = 1000, 100, 100, 250
_PYTHON = Path("/usr/bin/python3")
_BUSY = Path(__file__).with_name("busy.py")
_LIBBCC = ("/usr/lib/x86_64-linux-gnu/libbcc.so.0", "/usr/lib64/libbcc.so.0", "/lib/libbcc.so.0")
# Else small blocks come from Python's own arenas, and libc's allocator is called from one place.
_ENVIRONMENT = {"PYTHONMALLOC": "malloc"}
_LIMIT_S = 60.0
_WARM_S = 3.0  # of work before sites are taken


def say(sentence: str) -> None:
    narrate("symbol-bench", sentence)


@contextmanager
def busy(*libraries: str) -> Iterator[int]:
    """The pid of a python3 at work. NothingMeasured where it has no debug file."""
    if not _PYTHON.exists() or programs.debug_file(_PYTHON.resolve()) is None:
        raise NothingMeasured(f"{_PYTHON} is not here, or has no debug file (package python3-dbg).")
    with Child(_PYTHON, _BUSY, *libraries, environment=_ENVIRONMENT) as child:
        child.go()
        yield child.pid


def pcs_of(sites: Sequence[dict[str, Any]]) -> list[int]:
    """The return addresses of all frames, each once, in their order; of code in files."""
    return list(
        dict.fromkeys(
            frame["address"]
            for site in sites
            for frame in site["frames"]
            if frame["offset"] is not None
        )
    )


def described(pcs: Sequence[int], sites: Sequence[dict[str, Any]]) -> list[int]:
    """Those of the program itself, which has a debug file; some libraries have none."""
    own = str(_PYTHON.resolve())
    inside = {f["address"] for site in sites for f in site["frames"] if f["module"] == own}
    return [pc for pc in pcs if pc in inside]


def _top_sites(pid: int) -> list[dict[str, Any]]:
    """Those of one picture that has so many. NothingMeasured."""
    with tracers.tool([pid], "--no-dwarf", "--top", str(SITES)) as run:
        end = time.monotonic() + _LIMIT_S
        while time.monotonic() < end:
            picture = run.next_picture()
            sites: list[dict[str, Any]] = picture["sites"]
            if len(sites) >= SITES and picture["since_attach_s"] > _WARM_S:
                return sites
    raise NothingMeasured(f"The workload has fewer than {SITES} call sites.")


def times(rounds: int) -> Section:
    """Names alone, lines with an empty cache, lines from the cache; ms, in a new process each."""
    cold: list[Reading] = []
    warm: list[Reading] = []
    own: list[Reading] = []
    with busy() as pid:
        say("50 call sites of python3")
        sites = _top_sites(pid)
        pcs = pcs_of(sites)
        for number in range(rounds):
            say(f"names and lines, {number + 1} of {rounds}")
            with tempfile.TemporaryDirectory() as cache:
                cold.append(read(pid, pcs, Path(cache)))
                warm.append(read(pid, pcs, Path(cache)))
                own.append(read(pid, described(pcs, sites), Path(cache)))
    if any(one.pending for one in (*cold, *warm)):
        raise NothingMeasured("Some lines had not come at the end.")
    colds, warms = spreads(cold), spreads(warm)
    owns = spreads(own)
    names = Spread.of(one.names_ms for one in (*cold, *warm))
    where = f"{len(sites)} sites, {len(pcs)} places, {cold[0].located} with a line"
    rows = [
        row("names alone, ms", names, MOST_NAMES_MS, 1),
        row("cold, to the first line, ms", colds["first_ms"], None, 1),
        row("cold, to the last line, ms", colds["lines_ms"], MOST_COLD_MS, 1),
        row("warm, to the last line, ms", warms["lines_ms"], MOST_WARM_MS, 1),
        row("warm, of python3 itself, ms", owns["lines_ms"], None, 1),
        row("warm, processes that read debug information", warms["resolvers"]),
        row("cold, resolver's most, MB", colds["resolver_mb"], None, 1),
    ]
    text = table((f"python3, {where}", *HEADS), rows)
    text += "\nCold: no line is kept, and the process that reads debug information starts."
    text += "\nWarm: all lines are kept, and no such process starts."
    text += "\nThe kernel has the files in its cache in either case."
    return Section(
        "python3",
        text,
        {
            "sites": len(sites),
            "names_ms": as_figures(names),
            "cold": figures(colds),
            "warm": figures(warms),
            "warm_own": figures(owns),
        },
        [
            Target("ms of names alone, top 50 of python3", MOST_NAMES_MS, median(names)),
            Target("ms to the last line, cold", MOST_COLD_MS, median(colds["lines_ms"])),
            Target("ms to the last line, warm", MOST_WARM_MS, median(warms["lines_ms"])),
        ],
    )


def libllvm() -> str | None:
    """The one that BCC is linked with; None where it has none of its own."""
    for path in filter(Path.exists, map(Path, _LIBBCC)):
        said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        match = re.search(r"libLLVM\S* => (\S+)", said)
        if match is not None:
            return match[1]
    return None


def memory(rounds: int) -> Section | None:
    """Of the tool's processes while it watches a python3 with libLLVM; MB (10**6), also shared out."""
    library = libllvm()
    if library is None:
        say("BCC here is linked with no libLLVM of its own: memory is left out.")
        return None
    whole: list[float] = []
    parts: dict[str, list[float]] = {}
    for number in range(rounds):
        say(f"memory, {number + 1} of {rounds}")
        with busy(library) as pid, tempfile.TemporaryDirectory() as cache:
            usage = _watched(pid, Path(cache))
        whole.append(usage.pop("cost.tool_rss_bytes"))
        for name, value in usage.items():
            parts.setdefault(name, []).append(value)
    total = Spread.of(whole)
    rows = [row("tool_rss_bytes of the picture, the most", total, MOST_MB, 1)]
    rows += [row(name, Spread.of(values), None, 1) for name, values in parts.items()]
    where = f"MB, python3 with {Path(library).name}"
    return Section(
        "memory",
        table((where, *HEADS), rows),
        {"tool_rss_mb": as_figures(total)}
        | {name: as_figures(Spread.of(values)) for name, values in parts.items()},
        [Target("MB of the tool, python3 with libLLVM", MOST_MB, median(total))],
    )


def _watched(pid: int, cache: Path) -> dict[str, float]:
    """The most of each kind while the tool finds the lines of its top sites, in MB."""
    most: dict[str, float] = {}
    program = ("-c", _WITH_CACHE.format(cache=str(cache)))
    with tracers.tool([pid], "--top", str(SITES), program=program) as run:
        settled = 0
        end = time.monotonic() + _LIMIT_S
        while settled < 3 and time.monotonic() < end:
            picture = run.next_picture()
            usage = _usage(run.process.pid)
            usage["cost.tool_rss_bytes"] = (picture["cost"]["tool_rss_bytes"] or 0) / 1e6
            for name, value in usage.items():
                most[name] = max(most.get(name, 0.0), value)
            naming = picture["naming"]
            settled += picture["since_attach_s"] > _WARM_S and not naming["pending"]
        if not any(name.startswith("resolver") for name in most):
            raise NothingMeasured("The tool looked up no lines.")
    return most


_WITH_CACHE = (
    "import os, sys; os.environ['XDG_CACHE_HOME'] = {cache!r}; "
    "from ebpftrace.cli.main import main; sys.exit(main())"
)


def _usage(pid: int) -> dict[str, float]:
    """PSS and RSS of the tool and each of its children, in MB."""
    found: dict[str, float] = {}
    children = Path(f"/proc/{pid}/task").glob("*/children")
    family = {pid: "tool"}
    for file in children:
        for child in file.read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            family[int(child)] = "resolver" if b"symbols.resolver" in command else "worker"
    for number, name in family.items():
        try:
            rollup = Path(f"/proc/{number}/smaps_rollup").read_text()
        except OSError:
            continue
        for kind in ("Rss", "Pss"):
            match = re.search(rf"^{kind}: +(\d+) kB", rollup, re.MULTILINE)
            if match is not None:
                key = f"{name}, {kind.upper()}"
                found[key] = found.get(key, 0.0) + int(match[1]) * 1024 / 1e6
        if name == "resolver":
            found["resolver, most RSS"] = resident(number) / 1e6
    return found
