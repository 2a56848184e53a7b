"""The debug file of the target changes while it is read: cut, overwritten, replaced by what is no file, gone."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.kernel.faults.fault import Fault, may_end, times
from tests.kernel.faults.round import Round
from tests.kernel.faults.ways import best
from tests.kernel.golden import with_debug_link
from tests.kernel.harness import workload

_LASTS_S = 1.5  # from the start to when lines have come
_BLOWS = 20


def _separate(folder: Path) -> Path:
    """The target without debug information, and its debug file beside it, with a copy to go back to."""
    program = with_debug_link(workload("subject"), folder, folder / "subject.debug")
    shutil.copy(folder / "subject.debug", folder / "subject.whole")
    return program


def _cut(file: Path, made: Round) -> None:
    os.truncate(file, made.random.randrange(file.stat().st_size))


def _overwrite(file: Path, made: Round) -> None:
    with file.open("r+b") as opened:
        for _ in range(_BLOWS):
            opened.seek(made.random.randrange(file.stat().st_size))
            opened.write(made.random.randbytes(64))


def _by_a_pipe(file: Path, _made: Round) -> None:
    file.unlink()
    os.mkfifo(file)


def _by_a_folder(file: Path, _made: Round) -> None:
    file.unlink()
    file.mkdir()


def _remove(file: Path, _made: Round) -> None:
    file.unlink()


_DAMAGES: dict[str, tuple[str, Callable[[Path, Round], None]]] = {
    "cut": ("is cut", _cut),
    "overwritten": ("is overwritten", _overwrite),
    "a-pipe": ("is replaced by a pipe", _by_a_pipe),
    "a-folder": ("is replaced by a folder", _by_a_folder),
    "gone": ("is removed", _remove),
}


def _damaged(name: str) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        folder = Path(os.readlink(f"/proc/{made.subject.pid}/exe")).parent
        file = folder / "subject.debug"
        if file.is_dir():
            file.rmdir()
        file.unlink(missing_ok=True)
        shutil.copy(folder / "subject.whole", file)
        made.bench.places.forget_lines()
        moment = made.random.uniform(0.0, _LASTS_S)
        made.start(best(), "--count", "12")
        time.sleep(moment)
        _DAMAGES[name][1](file, made)
        return f"after {moment:.2f} s"

    return inject


def all_of_them() -> Iterator[Fault]:
    for name, (what, _) in _DAMAGES.items():
        yield Fault(
            f"debug-file-{name}",
            f"the debug file of the target {what} while it is read",
            _damaged(name),
            may_end(0),
            times(10),
            program=_separate,
        )
