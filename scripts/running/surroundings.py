"""What a program finds around it under Valgrind, so that it finds the same without.

Valgrind changes the environment (LD_PRELOAD, GLIBCXX_FORCE_NEW and others), preloads two libraries, and
lays addresses out in its own way. Shells and interpreters copy the environment to their heap, and the
loader notes every library there. So both runs get the environment of Valgrind's programs, with empty
libraries whose paths are as long as those of Valgrind's, and neither has random addresses.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ebpftrace.errors import EbpftraceError

_PRELOAD = "LD_PRELOAD"
_NO_ROOM = Path(__file__).with_name("no_room.c")
_GIVEN = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    # Hashes that are drawn anew would make tables of another size in every run.
    "PYTHONHASHSEED": "0",
    "PERL_HASH_SEED": "0",
}
MADE_THE_SAME = """\
What was made the same, because it changes what programs allocate and is no matter of counting:
  environment  shells and interpreters copy it; Valgrind adds to it, so both runs have what it adds
  libraries    the loader notes each one; for the two that Valgrind preloads, empty ones stand in
  addresses    hash tables by address: not random under either, though they are others
  hash seeds   of python3 and perl, by their variables
  output       to files: stdio takes another buffer for a terminal or a pipe
  freeing      Valgrind has libc and libstdc++ free their own buffers at exit, unless told not to
Not made the same: the CPU. Valgrind hides extensions newer than AVX2, so other variants of libc's
string functions run; none of these allocates. realloc of a block counts by both as a free and an alloc."""

WITHOUT_RANDOM_ADDRESSES = ("setarch", "--addr-no-randomize")
VALGRIND = (
    "valgrind",
    "--leak-check=no",
    # It would have the C libraries free what they keep to the end, and count that.
    "--run-libc-freeres=no",
    "--run-cxx-freeres=no",
    "--child-silent-after-fork=yes",
)


def given() -> dict[str, str]:
    """What Valgrind itself is started with."""
    return dict(_GIVEN)


def under_valgrind(folder: Path) -> dict[str, str]:
    """What a program that it starts in `folder` has as its environment, in this order."""
    said = subprocess.run(
        [*VALGRIND, "--log-file=/dev/null", "env", "-0"],
        cwd=folder,
        env=given(),
        capture_output=True,
        check=True,
    ).stdout
    return dict(pair.split("=", 1) for pair in said.decode().rstrip("\0").split("\0"))


def with_stand_ins(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The same, but that empty libraries in `folder` stand for what is preloaded."""
    libraries = environment[_PRELOAD].split(":")
    stand_ins = [_stand_in(library, folder) for library in libraries]
    return {**environment, _PRELOAD: ":".join(stand_ins)}


def without_room(stand_ins: Mapping[str, str]) -> dict[str, str]:
    """With an allocator in place of the last of these libraries; its path is as long."""
    libraries = stand_ins[_PRELOAD].split(":")
    path = Path(libraries[-1])
    made = path.with_name("n" * len(path.name))
    subprocess.run(
        # -fno-builtin: else gcc makes a call of calloc from malloc and memset, within calloc.
        ["gcc", "-O1", "-fPIC", "-fno-builtin", "-shared", "-o", made, _NO_ROOM],
        check=True,
    )
    return {**stand_ins, _PRELOAD: ":".join([*libraries[:-1], str(made)])}


def _stand_in(library: str, folder: Path) -> str:
    """As long a path, and the same name."""
    path = Path(library)
    room = len(str(path.parent)) - len(str(folder)) - 1
    if room < 1:
        raise EbpftraceError(f"{folder} is no shorter than {path.parent}: TMPDIR=/tmp is.")
    place = folder / ("x" * room)
    place.mkdir(exist_ok=True)
    made = place / path.name
    subprocess.run(["gcc", "-shared", "-nostdlib", "-o", made, "-x", "c", os.devnull], check=True)
    return str(made)


def missing() -> list[str]:
    """Programs that are needed and not here."""
    return [name for name in ("valgrind", "setarch", "gcc") if shutil.which(name) is None]
