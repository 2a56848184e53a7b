"""The files that a compiler consists of, and whether they are still the same."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LIBRARIES = ("libbcc", "libbpf", "libclang", "libLLVM")


class FileIdentity(NamedTuple):
    """One file as it was; a package that is upgraded or rebuilt changes one of these."""

    path: str
    size: int
    modified_ns: int


def identity(path: str | Path) -> FileIdentity:
    """That of now. OSError where there is no such file."""
    status = os.stat(path)
    return FileIdentity(str(path), status.st_size, status.st_mtime_ns)


def of_compiler(bindings: Path) -> tuple[FileIdentity, ...]:
    """Of BCC's bindings and the libraries that this process has loaded for them, in that order.

    The libraries by their names: where each is mapped differs from process to process.
    """
    libraries = set()
    for line in Path("/proc/self/maps").read_bytes().splitlines():
        name = os.fsdecode(line.partition(b"/")[2])
        if name.rpartition("/")[2].startswith(_LIBRARIES):
            libraries.add(Path("/", name))
    found = []
    for path in (bindings, bindings.with_name("version.py"), *sorted(libraries)):
        with suppress(OSError):
            found.append(identity(path))
    return tuple(found)


def are_the_same(files: tuple[FileIdentity, ...], bindings: Path) -> bool:
    """Whether these are the files of today's compiler, whose bindings are `bindings`."""
    try:
        return files[:1] == (identity(bindings),) and all(
            identity(file.path) == file for file in files
        )
    except OSError:
        return False
