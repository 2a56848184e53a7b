"""The versions of Python on this machine that ebpftrace is made for."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LEAST = (3, 10)
_MINORS = range(LEAST[1], 16)
_ASK = "import os, sys; print(*sys.version_info[:3], os.path.realpath(sys.executable))"
_DISTRIBUTION = "/usr/bin"


class Python(NamedTuple):
    """One that is no environment of another."""

    version: tuple[int, int, int]
    executable: str

    @property
    def name(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def series(self) -> str:
        return ".".join(map(str, self.version[:2]))

    @property
    def is_distributions(self) -> bool:
        return self.executable == os.path.realpath(f"{_DISTRIBUTION}/python3")


@functools.cache
def pythons() -> list[Python]:
    """That of this process, the distribution's, those on PATH and those of pyenv; each once, oldest first."""
    found: set[Python] = set()
    for executable in _candidates():
        ran = subprocess.run(
            [executable, "-I", "-c", _ASK], capture_output=True, text=True, check=False
        )
        if ran.returncode:
            continue
        major, minor, micro, real = ran.stdout.strip().split(" ", 3)
        version = (int(major), int(minor), int(micro))
        if version >= LEAST:
            found.add(Python(version, real))
    return sorted(found)


def _candidates() -> Iterator[str]:
    yield sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    # A shim of pyenv takes a third of a second to find one of the versions, or none.
    on_path = [one for one in os.get_exec_path() if Path(one) != pyenv / "shims"]
    names = ["python3", *(f"python3.{minor}" for minor in _MINORS)]
    for folders in (_DISTRIBUTION, os.pathsep.join(on_path)):
        yield from filter(None, (shutil.which(name, path=folders) for name in names))
    yield from map(str, sorted(pyenv.glob("versions/3.*/bin/python3")))
