"""What the tests of files and lines ask: pictures that have them, and the lines that workloads mark.

A comment `here: NAME` marks a line, so that no test knows its number.
"""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.kernel.harness import REPOSITORY, WORKLOADS, Tracer
from tests.kernel.pictures import Picture, Site

# Where rustup puts it, which is not on the PATH of root.
_CARGO = Path.home() / ".cargo" / "bin"
RUSTC = shutil.which("rustc") or shutil.which("rustc", path=_CARGO)

_MARK = re.compile(r"here: (\w+)")
_RESOLVER = "ebpftrace.symbols.resolver"

Mark = tuple[str, str, bool]
"""Function, mark of the line, inlined or not."""


def lined(tracer: Tracer) -> Picture:
    """A picture, begun after this call, in which all lines are that will come."""
    tracer.settled()
    tracer.until(lambda picture: not picture.raw["naming"]["pending"])
    return tracer.picture()  # lines may have come while the one before was drawn


def notes(picture: Picture) -> list[str]:
    return list(picture.raw["naming"]["notes"])


def marks(site: Site, name: str, path: str | None = None) -> list[Mark]:
    """The frames of `site` in the workload source `name`, by its marks; `#12` where there is none.

    Each has the text of its line, and a column in it. `path` is the file's where its debug
    information names another one.
    """
    lines = _lines(name)
    file = path or str(WORKLOADS / name)
    frames = [frame for frame in site.frames if frame["file"] == file]
    for frame in frames:
        text = lines[frame["line"] - 1]
        assert frame["source"] == text.strip()
        assert text[frame["column"] - 1 :].strip()
    return [(f["function"], _mark(lines[f["line"] - 1], f["line"]), f["inlined"]) for f in frames]


def column_text(frame: dict[str, object], name: str) -> str:
    """The word that the frame's column is at."""
    line, column = frame["line"], frame["column"]
    assert isinstance(line, int)
    assert isinstance(column, int)
    word = re.match(r"\w*", _lines(name)[line - 1][column - 1 :])
    return word[0] if word else ""


@functools.cache
def _lines(name: str) -> list[str]:
    return (WORKLOADS / name).read_text().splitlines()


def _mark(text: str, number: int) -> str:
    found = _MARK.search(text)
    return found[1] if found else f"#{number}"


def responsible(site: Site) -> str | None:
    """The function to blame."""
    index = site.raw["responsible"]
    return None if index is None else site.frames[index]["function"]


def lines_of(picture: Picture, module: str) -> set[tuple[str, int]]:
    """Every (file, line) of a frame in the module of that file name."""
    return {
        (frame["file"], frame["line"])
        for site in picture.sites
        for frame in site.frames
        if frame["module"].rpartition("/")[2] == module and frame["file"]
    }


def resolvers(tracer: Tracer) -> list[int]:
    """The processes of this run of the tool that read debug information."""
    found: list[int] = []
    for task in os.listdir(f"/proc/{tracer.pid}/task"):
        children = Path(f"/proc/{tracer.pid}/task/{task}/children").read_text().split()
        found += [child for child in map(int, children) if _reads_debug_information(child)]
    return found


def _reads_debug_information(pid: int) -> bool:
    return _RESOLVER.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()


def compiled(source: Path, output: Path, *options: object) -> Path:
    """A C program or library with debug information and no frame pointers; protocol.h is found."""
    flags = ["-O2", "-g", "-fno-optimize-sibling-calls", f"-I{WORKLOADS}"]
    run("gcc", *flags, *options, "-o", output, source, "-ldl")
    return output


def with_debug_link(program: Path, folder: Path, debug: Path) -> Path:
    """A stripped copy of `program` in `folder`, whose debug file `debug` is written by this."""
    folder.mkdir(parents=True, exist_ok=True)
    debug.parent.mkdir(parents=True, exist_ok=True)
    stripped = folder / program.name
    run("objcopy", "--only-keep-debug", program, debug)
    run("strip", "-o", stripped, program)
    run("objcopy", f"--add-gnu-debuglink={debug}", stripped)
    return stripped


def build_id(program: Path) -> str:
    found = re.search(r"Build ID: (\w+)", run("readelf", "-n", program))
    assert found
    return found[1]


def code_map(pid: int, name: str, start: int = 0, size: int = 4096) -> str:
    """A line of a perf map for the code that tests/workloads/jit.c has made, from `start` in it on."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, permissions, _, _, inode, *path = line.split(maxsplit=5)
        if permissions.startswith("r-x") and inode == "0" and not path:
            return f"{int(span.partition('-')[0], 16) + start:x} {size:x} {name}\n"
    raise AssertionError("there is no generated code")


def run(*command: object, cwd: Path = REPOSITORY) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
