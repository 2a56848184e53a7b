"""Programs whose lines are compared: what has debug files here, and some that are compiled."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path(__file__).with_name("programs")
_PYTHON = Path("/usr/bin/python3")
_DEBUG_FILES = Path("/usr/lib/debug/.build-id")
_FOLDERS = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64")


@dataclass(frozen=True, slots=True)
class Build:
    """A program of `scripts/naming/programs`; several sources are linked in their order."""

    name: str
    compiler: str
    flags: tuple[str, ...]
    sources: tuple[str, ...]


BUILDS = (
    Build("c-O2", "gcc", ("-g", "-O2"), ("lists.c", "trees.c")),
    Build("c-O2-lto", "gcc", ("-g", "-O2", "-flto"), ("lists.c", "trees.c")),
    Build("c-O2-dwarf4", "gcc", ("-g", "-gdwarf-4", "-O2"), ("lists.c", "trees.c")),
    Build("c++-O0", "g++", ("-g", "-O0"), ("shapes.cpp", "jobs.cpp")),
    Build("c++-O2", "g++", ("-g", "-O2"), ("shapes.cpp", "jobs.cpp")),
    Build("c++-O2-lto", "g++", ("-g", "-O2", "-flto"), ("shapes.cpp", "jobs.cpp")),
    Build("rust-O", "rustc", ("-g", "-O"), ("maps.rs",)),
    Build("c++-clang-O2", "clang++", ("-g", "-O2"), ("shapes.cpp", "jobs.cpp")),
)


def compiled(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each build whose compiler is here, made in `folder`."""
    for build in BUILDS:
        if shutil.which(build.compiler) is None:
            continue
        program = folder / build.name
        sources = [_SOURCES / source for source in build.sources]
        subprocess.run([build.compiler, *build.flags, "-o", program, *sources], check=True)
        yield build.name, program


def installed() -> Iterator[tuple[str, Path]]:
    """python3 and the C library, where their debug files are."""
    libraries = (Path(folder, "libc.so.6") for folder in _FOLDERS)
    for name, path in (
        ("python3", _PYTHON),
        ("libc", next((library for library in libraries if library.exists()), None)),
    ):
        if path is not None and path.exists() and debug_file(path) is not None:
            yield name, path.resolve()


def debug_file(path: Path) -> Path | None:
    """The separate one of `path` by its build id, if there is one."""
    said = subprocess.run(
        ["readelf", "-n", path], capture_output=True, text=True, check=False
    ).stdout
    ids = [line.split()[-1] for line in said.splitlines() if "Build ID:" in line]
    files = (_DEBUG_FILES / one[:2] / f"{one[2:]}.debug" for one in ids)
    return next((file for file in files if file.exists()), None)
